/**
 * How long a connection may take to finish its TLS handshake, counted from when it is let in. Node's own `handshakeTimeout` starts anew
 * with every byte that comes: whoever lets them drip keeps a connection for ever.
 */
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '@longroof/base/clock';

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>;

/** A TLS socket and the TCP socket under it have this in common. */
export const nameOf = ({ remoteAddress, remotePort }: Ends): string => `${remoteAddress} ${remotePort}`;

export class HandshakeLimit {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #late: () => void;
  readonly #timers = new Map<string, Timer>();

  /** `late` is told of each that is cut off. */
  constructor(clock: Clock, limitMs: number, late: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#late = late;
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const name = nameOf(socket);
      const timer = this.#clock.after(this.#limitMs, () => {
        this.#timers.delete(name);
        socket.destroy();
        this.#late();
      });
      this.#timers.get(name)?.cancel();
      this.#timers.set(name, timer);
      socket.once('close', () => {
        if (this.#timers.get(name) === timer) this.#done(name);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => this.#done(nameOf(socket)));
  }

  #done(name: string): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
