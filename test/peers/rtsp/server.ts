/**
 * A scripted RTSP server over TCP: the peer of tests, fault runs and benches. It plays clips in real time with exact logs of what
 * it sent, and misbehaves on request. Faults it can make, that a recorder must survive: killed and back at the same port,
 * refusing, stalled with the socket open, packets left out, another SSRC, garbage between packets, an HTTP server or noise in
 * its place, endless headers, parameter sets that change.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Gate } from './auth.js';
import { Connection } from './connection.js';
import { Mount } from './mount.js';
import type { RtspServerSpec, SentUnit } from './spec.js';

export interface RtspServer {
  readonly port: number;
  /** `rtsp://user:password@host:port/path`, with the credentials that the server wants. */
  url(mount: string): string;
  mount(name: string): Mount;
  /** What was sent, of one mount or of all. */
  log(mount?: string): readonly SentUnit[];
  /** Request lines heard so far, e.g. `GET_PARAMETER rtsp://…`. At most the last 10,000. */
  readonly heard: readonly string[];
  readonly connections: number;
  /** How it answers from the next connection on. */
  answer(how: NonNullable<RtspServerSpec['answers']>): void;
  /** Sends a request of the server to each client. */
  ask(method: string): void;
  /** Cuts all connections and stops listening. */
  kill(): Promise<void>;
  /** Listens again at the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const HEARD_MAX = 10_000;
const HEADER_BYTES = 10 * 1024 * 1024;

export async function startRtspServer(spec: RtspServerSpec): Promise<RtspServer> {
  const mounts = new Map<string, Mount>();
  for (const [name, mount] of Object.entries(spec.mounts)) mounts.set(name, await Mount.load(name, mount, spec.logMax ?? 200_000));
  const server = new Server(spec, mounts);
  await server.listen(spec.port ?? 0);
  return server;
}

class Server implements RtspServer {
  readonly heard: string[] = [];
  readonly #spec: RtspServerSpec;
  readonly #host: string;
  readonly #mounts: Map<string, Mount>;
  readonly #gate: Gate | undefined;
  readonly #open = new Set<Connection>();
  readonly #sockets = new Set<net.Socket>();
  #answers: NonNullable<RtspServerSpec['answers']>;
  #listener: net.Server | undefined;
  #port = 0;

  constructor(spec: RtspServerSpec, mounts: Map<string, Mount>) {
    this.#spec = spec;
    this.#host = spec.host ?? '127.0.0.1';
    this.#mounts = mounts;
    this.#gate = spec.auth ? new Gate(spec.auth) : undefined;
    this.#answers = spec.answers ?? 'rtsp';
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  url(mount: string): string {
    const auth = this.#spec.auth;
    const user = auth ? `${encodeURIComponent(auth.user)}:${encodeURIComponent(auth.password)}@` : '';
    return `rtsp://${user}${this.#host}:${this.#port}/${mount}`;
  }

  mount(name: string): Mount {
    const mount = this.#mounts.get(name);
    if (!mount) throw new Error(`no mount ${name}`);
    return mount;
  }

  log(name?: string): readonly SentUnit[] {
    if (name !== undefined) return this.mount(name).log;
    return [...this.#mounts.values()].flatMap((mount) => mount.log).sort((a, b) => a.sentMonoMs - b.sentMonoMs);
  }

  answer(how: NonNullable<RtspServerSpec['answers']>): void {
    this.#answers = how;
  }

  ask(method: string): void {
    for (const connection of this.#open) connection.ask(method);
  }

  async listen(port: number): Promise<void> {
    const listener = net.createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, this.#host, resolve);
    });
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    this.#port = address.port;
    this.#listener = listener;
  }

  async kill(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (listener) await new Promise<void>((resolve) => listener.close(() => resolve()));
  }

  async restart(): Promise<void> {
    if (!this.#listener) await this.listen(this.#port);
  }

  async close(): Promise<void> {
    await this.kill();
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#answers !== 'rtsp') {
      this.#misanswer(socket, this.#answers);
      return;
    }
    const connection = new Connection(socket, {
      spec: this.#spec,
      gate: this.#gate,
      mount: (name) => this.#mounts.get(name),
      heard: (line) => {
        if (this.heard.length >= HEARD_MAX) this.heard.splice(0, HEARD_MAX / 10);
        this.heard.push(line);
      },
    });
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
  }

  #misanswer(socket: net.Socket, how: 'http' | 'endless-headers' | 'noise'): void {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (how === 'http') socket.end('HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>no</html>');
      if (how === 'noise') socket.end(randomBytes(64 * 1024));
      if (how === 'endless-headers') {
        const line = `X-Filler: ${'a'.repeat(1000)}\r\n`;
        socket.write(`RTSP/1.0 200 OK\r\nCSeq: 1\r\n${line.repeat(Math.ceil(HEADER_BYTES / line.length))}`);
      }
    });
  }
}
