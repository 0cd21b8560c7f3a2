/** `/healthz`, `/status` and `/metrics` on the loopback, for the people and programs on the unit. The library behind /metrics loads when first asked. */
import http from 'node:http';
import { Fault, toFault } from '@longroof/base/errors';

export interface Gauge {
  name: string;
  help: string;
  kind: 'gauge' | 'counter';
  samples: { labels?: Record<string, string>; value: number }[];
}

export interface HealthReport {
  ok: boolean;
  /** What is wrong, in words; empty when ok. */
  problems: string[];
  streams: Record<string, { state: string; code?: string }>;
}

export interface EndpointOptions {
  port: number;
  health: () => HealthReport;
  /** All that the agent knows of itself; undefined while it does not yet. */
  status: () => unknown;
  gauges: () => Gauge[];
}

export interface Endpoint {
  port: number;
  close(): Promise<void>;
}

async function exposition(gauges: readonly Gauge[]): Promise<string> {
  const { Counter, Gauge: Metric, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const { name, help, kind, samples } of gauges) {
    const labelNames = [...new Set(samples.flatMap((sample) => Object.keys(sample.labels ?? {})))];
    const options = { name, help, labelNames, registers: [registry] };
    if (kind === 'counter') {
      const counter = new Counter(options);
      for (const sample of samples) counter.inc(sample.labels ?? {}, sample.value);
    } else {
      const gauge = new Metric(options);
      for (const sample of samples) gauge.set(sample.labels ?? {}, sample.value);
    }
  }
  return registry.metrics();
}

/** Throws `unavailable` or `conflict` (LR_METRICS_PORT) when the port cannot be had. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { allow: 'GET' }).end();
    if (path === '/healthz') {
      const report = options.health();
      const body = JSON.stringify({ status: report.ok ? 'ok' : 'degraded', problems: report.problems, streams: report.streams });
      return void response.writeHead(report.ok ? 200 : 503, { 'content-type': 'application/json' }).end(body);
    }
    if (path === '/status') {
      const status = options.status();
      return void response.writeHead(status ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(status ?? {}));
    }
    if (path === '/metrics') {
      const text = await exposition(options.gauges());
      return void response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    }
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There is /healthz, /status and /metrics here.\n');
  };
  const server = http.createServer({ maxHeaderSize: 8192, requestTimeout: 10_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${toFault(error).message}\n`);
    });
  });
  server.maxConnections = 16;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Fault('conflict', 'LR_METRICS_PORT', `port ${options.port} on the loopback: ${error.message}`, {
          hint: 'Choose another metrics.port.',
        }),
      ),
    );
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
