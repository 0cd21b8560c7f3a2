/**
 * Where connections come in: a TCP listener that reads nothing of what it accepts, a gate that lets so many in at a time, and TLS with
 * both certificates for those. The time that a handshake may take begins when it is let in. No session is resumed: each connection proves
 * its certificate anew, so that one that has expired or was revoked is not let in by an older handshake.
 */
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { Gate, type GateLimits } from './gate.js';
import { HandshakeLimit, nameOf } from './handshake-limit.js';
import { tlsFault } from './tls.js';

export interface EntranceOptions {
  keys: { serverKeyPem: string; serverCertPem: string; rootPem: string };
  clock: Clock;
  handshakeMs: number;
  connectionsMax: number;
  gate: GateLimits;
  /** Its handshake is over. `pass` is to be told of how it goes on, else it counts for a while as one that is not served. */
  connection: (socket: TLSSocket, pass: Pass) => void;
  refused: (fault: Fault) => void;
}

/** The place of one connection in the gate. */
export interface Pass {
  /** The last that the centre needs of it has come and is being worked on. */
  serving(): void;
  served(): void;
}

export class Entrance {
  readonly #options: EntranceOptions;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  readonly #handshakes: HandshakeLimit;
  readonly #gate: Gate<Socket>;
  /** In their handshake, by name: a TLS socket does not tell which TCP socket is under it. */
  readonly #shaking = new Map<string, Socket>();

  constructor(options: EntranceOptions) {
    const { clock, handshakeMs, connectionsMax, gate, keys, refused } = options;
    this.#options = options;
    this.#gate = new Gate<Socket>({
      ...{ clock, limits: gate },
      letIn: (socket) => this.#letIn(socket),
      sendAway: (socket, why) => {
        socket.destroy();
        const what = why === 'full' ? 'because too many did' : 'because its turn did not come';
        refused(new Fault('unavailable', 'LR_CONNECT_WAIT', `a connection that waited to be let in was closed, ${what}`));
      },
    });
    const late = () => refused(new Fault('timeout', 'LR_TLS_HANDSHAKE', 'a TLS handshake that did not end in time'));
    this.#handshakes = new HandshakeLimit(clock, handshakeMs, late);
    this.#tls = createTlsServer({
      ...{ key: keys.serverKeyPem, cert: keys.serverCertPem, ca: keys.rootPem },
      ...{ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2', handshakeTimeout: handshakeMs },
    });
    this.#handshakes.watch(this.#tls);
    this.#tls.on('secureConnection', (socket) => this.#secure(socket));
    this.#tls.on('tlsClientError', (error, socket) => refused(tlsFault(error, socket)));
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) => this.#arrived(socket));
    this.#tcp.maxConnections = connectionsMax;
    this.#tcp.on('drop', () => refused(new Fault('full', 'LR_CONNECTIONS', 'more connections than this broker takes')));
  }

  get port(): number {
    const address = this.#tcp.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get waiting(): number {
    return this.#gate.waiting;
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', (error) => reject(toFault(error, `listen on ${host}:${port}`)));
      this.#tcp.listen(port, host, () => resolve());
    });
  }

  /** Nobody comes in any more. Resolves when all who did are gone; those that finished their handshake are the caller's to end. */
  close(): Promise<void> {
    this.#handshakes.stop();
    for (const socket of [...this.#gate.stop(), ...this.#shaking.values()]) socket.destroy();
    return new Promise((resolve) => (this.#tcp.listening ? this.#tcp.close(() => resolve()) : resolve()));
  }

  #arrived(socket: Socket): void {
    const name = nameOf(socket);
    // What goes wrong with it under TLS is told by TLS.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.#shaking.get(name) === socket) this.#shaking.delete(name);
      this.#gate.gone(socket);
    });
    this.#gate.arrive(socket);
  }

  #letIn(socket: Socket): void {
    this.#shaking.set(nameOf(socket), socket);
    this.#tls.emit('connection', socket);
  }

  #secure(secure: TLSSocket): void {
    const name = nameOf(secure);
    const socket = this.#shaking.get(name);
    this.#shaking.delete(name);
    const tell = (what: 'serving' | 'served') => (): void => {
      if (socket) this.#gate[what](socket);
    };
    this.#options.connection(secure, { serving: tell('serving'), served: tell('served') });
  }
}
