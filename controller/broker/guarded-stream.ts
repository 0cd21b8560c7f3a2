/**
 * What stands between a unit's TLS socket and the MQTT library: packet lengths are checked before anything is collected, and reading
 * stops while it is held. Bytes pass through as they are.
 */
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Fault, toFault } from '@longroof/base/errors';
import type { Pass } from './entrance.js';
import { PacketLimit, type PacketLimits } from './packet-limit.js';
import type { EmbeddedSession } from './session.js';
import type { Peer } from './tls.js';

const BUFFER_BYTES = 64 * 1024;

export interface GuardedStreamOptions {
  socket: TLSSocket;
  peer: Peer;
  pass: Pass;
  limits: PacketLimits;
  /** Called once; nothing is read any more. Whoever is called ends the stream. */
  onBreach: (fault: Fault) => void;
}

export class GuardedStream extends Duplex {
  readonly socket: TLSSocket;
  readonly peer: Peer;
  readonly pass: Pass;
  /** Set once the unit's CONNECT is accepted. */
  session: EmbeddedSession | undefined;
  readonly #limit: PacketLimit;
  readonly #onBreach: GuardedStreamOptions['onBreach'];
  #held = false;
  #full = false;
  #breached = false;

  constructor(options: GuardedStreamOptions) {
    super({ readableHighWaterMark: BUFFER_BYTES, writableHighWaterMark: BUFFER_BYTES, allowHalfOpen: false });
    this.socket = options.socket;
    this.peer = options.peer;
    this.pass = options.pass;
    this.#limit = new PacketLimit(options.limits);
    this.#onBreach = options.onBreach;
    const socket = this.socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  get held(): boolean {
    return this.#held;
  }

  /** Stops reading; what is already in memory is still delivered. */
  hold(): void {
    this.#held = true;
    this.socket.pause();
  }

  release(): void {
    this.#held = false;
    if (!this.#full) this.socket.resume();
  }

  override _read(): void {
    this.#full = false;
    if (!this.#held) this.socket.resume();
  }

  override _write(bytes: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(bytes, encoding, done);
  }

  override _writev(items: { chunk: Buffer; encoding: BufferEncoding }[], done: (error?: Error | null) => void): void {
    this.socket.cork();
    items.forEach(({ chunk, encoding }, index) => {
      this.socket.write(chunk, encoding, index === items.length - 1 ? done : undefined);
    });
    this.socket.uncork();
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    if (this.#breached) return;
    try {
      this.#limit.take(bytes);
    } catch (error) {
      this.#breached = true;
      this.socket.pause();
      this.#onBreach(toFault(error));
      return;
    }
    if (!this.push(bytes)) {
      this.#full = true;
      this.socket.pause();
    }
  }
}
