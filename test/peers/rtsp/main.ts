/**
 * The scripted RTSP server as a program: `node test/dist/peers/rtsp/main.js --spec FILE.json [--log FILE.jsonl]`.
 * Prints one line `{"port":N}` when it listens. Reads commands, one JSON object a line, from standard input:
 *   {"do":"kill"} {"do":"restart"} {"do":"stall","mount":"front","on":true} {"do":"drop","mount":"front","packets":3}
 *   {"do":"ssrc","mount":"front"} {"do":"garbage","mount":"front","bytes":100} {"do":"answer","how":"http"} {"do":"log","mount":"front"}
 * and answers each with a line of JSON. Ends on SIGTERM, SIGINT or the end of standard input; then the log is written, if asked for.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import readline from 'node:readline';
import { Command } from 'commander';
import { type RtspServer, startRtspServer } from './server.js';
import type { RtspServerSpec } from './spec.js';

interface Order {
  do: string;
  mount?: string;
  on?: boolean;
  packets?: number;
  bytes?: number;
  how?: NonNullable<RtspServerSpec['answers']>;
}

async function obey(server: RtspServer, order: Order): Promise<unknown> {
  const mount = (): ReturnType<RtspServer['mount']> => server.mount(order.mount ?? '');
  switch (order.do) {
    case 'kill':
      await server.kill();
      return {};
    case 'restart':
      await server.restart();
      return {};
    case 'stall':
      mount().stall(order.on !== false);
      return {};
    case 'drop':
      mount().dropNext(order.packets ?? 1);
      return {};
    case 'ssrc':
      mount().changeSsrc();
      return {};
    case 'garbage':
      mount().garbage(randomBytes(order.bytes ?? 100));
      return {};
    case 'answer':
      server.answer(order.how ?? 'rtsp');
      return {};
    case 'log':
      return { log: server.log(order.mount) };
    default:
      throw new Error(`unknown order ${order.do}`);
  }
}

const options = new Command()
  .requiredOption('--spec <file>', 'what to serve, as JSON')
  .option('--log <file>', 'write what was sent, a line each, when it ends')
  .parse()
  .opts<{ spec: string; log?: string }>();
const server = await startRtspServer(JSON.parse(fs.readFileSync(options.spec, 'utf8')) as RtspServerSpec);
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);

async function end(): Promise<void> {
  await server.close();
  if (options.log)
    fs.writeFileSync(
      options.log,
      server
        .log()
        .map((unit) => `${JSON.stringify(unit)}\n`)
        .join(''),
    );
  process.exit(0);
}

process.once('SIGTERM', () => void end());
process.once('SIGINT', () => void end());
const orders = readline.createInterface({ input: process.stdin });
for await (const line of orders) {
  const answer = await obey(server, JSON.parse(line) as Order).catch((error: unknown) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await end();
