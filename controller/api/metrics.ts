/** Numbers for Prometheus: the process, the API's answers, and what other parts count. No names of units, people or cameras. */
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Groups of plain counters, read when asked: `{ ingest: () => ingest.counters }`. */
export type CounterGroups = Readonly<Record<string, () => object>>;

/** Values that go up and down; all others only rise. */
const GAUGES: ReadonlySet<string> = new Set(['connected', 'waiting']);

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<'method' | 'route' | 'status'>;

  constructor(groups: CounterGroups, refused: () => ReadonlyMap<string, number>) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Histogram({
      name: 'longroof_http_request_seconds',
      help: 'Time until an answer of the API was sent, seconds.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    new Counter({
      name: 'longroof_refused_total',
      help: 'What units, and whoever else connects, sent and was not taken, by the code of docs/errors.md.',
      labelNames: ['code'],
      registers,
      collect() {
        this.reset();
        for (const [code, count] of refused()) this.inc({ code }, count);
      },
    });
    for (const [group, read] of Object.entries(groups))
      for (const name of Object.keys(read())) this.#add(`longroof_${group}_${snake(name)}`, group, name, read);
  }

  install(app: FastifyInstance): void {
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'none';
      this.#requests.observe(
        { method: request.method, route, status: `${Math.floor(reply.statusCode / 100)}xx` },
        reply.elapsedTime / 1000,
      );
    });
    app.get('/metrics', { config: { access: 'public' }, schema: { hide: true } }, async (_, reply) =>
      reply.type(this.#registry.contentType).send(await this.#registry.metrics()),
    );
  }

  #add(metric: string, group: string, name: string, read: () => object): void {
    const value = (): number => Number((read() as Record<string, unknown>)[name]);
    const help = `${name} of ${group}.`;
    if (GAUGES.has(name)) {
      new Gauge({
        name: metric,
        help,
        registers: [this.#registry],
        collect: function () {
          this.set(value());
        },
      });
    } else {
      new Counter({
        name: `${metric}_total`,
        help,
        registers: [this.#registry],
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    }
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
