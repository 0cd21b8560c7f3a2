/**
 * Stands between a wagon and its broker, inside TLS: it holds a server's certificate of the test's authority and the wagon's own, so
 * that both ends find whom they expect. Upwards nothing is changed. Of what comes down (acknowledgements, receipts, desired state) some
 * is told twice, some again seconds later out of its order, and now and then the whole way down waits.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Random } from '@longroof/base/random';

export interface MeddlerOptions {
  target: () => number;
  rootPem: string;
  server: { keyPem: string; certificatePem: string };
  client: { keyPem: string; certificatePem: string };
  random: Random;
}

export interface MeddlerCounts {
  down: number;
  twice: number;
  again: number;
  held: number;
}

const PUBLISH = 3;
const BUFFER_MAX = 1 << 20;

export class Meddler {
  readonly counts: MeddlerCounts = { down: 0, twice: 0, again: 0, held: 0 };
  readonly #options: MeddlerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  /** Off for the last stretch. */
  active = true;
  port = 0;

  constructor(options: MeddlerOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { server: own, rootPem } = this.#options;
    const server = createServer(
      { key: own.keyPem, cert: own.certificatePem, ca: rootPem, requestCert: true, rejectUnauthorized: true, noDelay: true },
      (near) => this.#connected(near),
    );
    server.on('tlsClientError', () => undefined);
    // Also those that never get through their handshake.
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
  }

  #connected(near: TLSSocket): void {
    const { client, rootPem, target } = this.#options;
    const far = connect({
      socket: connectTcp({ port: target(), host: '127.0.0.1', noDelay: true }),
      ...{ key: client.keyPem, cert: client.certificatePem, ca: rootPem, servername: '', checkServerIdentity: () => undefined },
    });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      const end = (): void => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      };
      socket.on('error', end);
      socket.on('close', end);
    }
    near.pipe(far);
    const down = new Down(near, this);
    far.on('data', (bytes: Buffer) => down.take(bytes));
  }

  /** What becomes of one packet on its way down. */
  fate(): { twice: boolean; againMs: number | undefined; holdMs: number } {
    if (!this.active) return { twice: false, againMs: undefined, holdMs: 0 };
    const { random } = this.#options;
    return {
      twice: random.next() < 0.15,
      againMs: random.next() < 0.08 ? random.int(50, 8000) : undefined,
      holdMs: random.next() < 0.01 ? random.int(100, 3000) : 0,
    };
  }
}

/** The stream of packets from broker to wagon (MQTT 3.1.1, 2.2: type and flags, remaining length in up to four bytes of seven bits). */
class Down {
  readonly #near: TLSSocket;
  readonly #meddler: Meddler;
  #pending: Buffer = Buffer.alloc(0);
  #turn: Promise<unknown> = Promise.resolve();

  constructor(near: TLSSocket, meddler: Meddler) {
    this.#near = near;
    this.#meddler = meddler;
  }

  take(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const length = packetLength(this.#pending);
      if (length === undefined || length > this.#pending.length) break;
      this.#packet(this.#pending.subarray(0, length));
      this.#pending = this.#pending.subarray(length);
    }
    if (this.#pending.length > BUFFER_MAX) this.#near.destroy();
  }

  #packet(packet: Buffer): void {
    const { counts } = this.#meddler;
    if ((packet[0] as number) >> 4 !== PUBLISH) {
      this.#write(packet, 0);
      return;
    }
    const { twice, againMs, holdMs } = this.#meddler.fate();
    if (this.#meddler.active) counts.down += 1;
    if (holdMs > 0) counts.held += 1;
    this.#write(packet, holdMs);
    if (twice) {
      counts.twice += 1;
      this.#write(withoutQos(packet), 0);
    }
    if (againMs !== undefined) {
      counts.again += 1;
      const copy = withoutQos(packet);
      void delay(againMs, undefined, { ref: false }).then(() => this.#write(copy, 0));
    }
  }

  /** In order; what waits holds back what is behind it. */
  #write(packet: Buffer, holdMs: number): void {
    const bytes = Buffer.from(packet);
    this.#turn = this.#turn.then(async () => {
      if (holdMs > 0) await delay(holdMs, undefined, { ref: false });
      if (!this.#near.destroyed) this.#near.write(bytes);
    });
  }
}

function packetLength(bytes: Buffer): number | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i += 1) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 127) << (7 * (i - 1));
    if ((byte & 128) === 0) return 1 + i + length;
  }
  throw new Error('not MQTT');
}

/** The same message as QoS 0: a copy needs no packet identifier, and nobody answers it. */
function withoutQos(packet: Buffer): Buffer {
  let at = 1;
  while (((packet[at] as number) & 128) !== 0) at += 1;
  const body = packet.subarray(at + 1);
  const qos = ((packet[0] as number) >> 1) & 3;
  const topicEnd = 2 + body.readUInt16BE(0);
  const rest = qos > 0 ? Buffer.concat([body.subarray(0, topicEnd), body.subarray(topicEnd + 2)]) : body;
  const length: number[] = [];
  for (let left = rest.length; ; ) {
    const low = left & 127;
    left >>= 7;
    length.push(left > 0 ? low | 128 : low);
    if (left === 0) break;
  }
  return Buffer.concat([Buffer.from([(PUBLISH << 4) & 0xf0, ...length]), rest]);
}
