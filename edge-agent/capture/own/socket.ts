/**
 * A TCP connection that reads into the shared buffer and, when told to, once a tick only. Whoever reads gets the bytes where the
 * kernel put them and must be done with them when it returns. Ends once, with the reason.
 */
import net from 'node:net';
import { type Fault, toFault } from '@longroof/base/errors';
import { captureFault } from '../faults.js';
import type { ReadHub } from './read-hub.js';

/** A camera that takes none of our few requests in is as good as gone. */
const WRITE_BYTES_MAX = 1024 * 1024;

export interface SocketEvents {
  connected(): void;
  /** May throw: the connection ends with what it throws. */
  read(bytes: Buffer, length: number): void;
  /** The connection is gone; comes once. */
  ended(fault: Fault): void;
}

export class BatchedSocket {
  readonly #socket: net.Socket;
  readonly #events: SocketEvents;
  readonly #bufferBytes: number;
  #batched = false;
  #paused = false;
  #over = false;

  constructor(host: string, port: number, hub: ReadHub, events: SocketEvents) {
    this.#events = events;
    this.#bufferBytes = hub.buffer.length;
    this.#socket = net.connect({
      host,
      port,
      noDelay: true,
      onread: { buffer: hub.buffer, callback: (length: number) => this.#read(hub.buffer, length) },
    });
    this.#socket.on('connect', () => {
      if (!this.#over) events.connected();
    });
    this.#socket.on('error', (error) => this.end(captureFault('LR_RTSP_CONNECT', `connection to the camera: ${error.message}`, error)));
    this.#socket.on('close', () => this.end(captureFault('LR_RTSP_CLOSED', 'the camera closed the connection')));
  }

  /** From now on reads wait for `resume`, unless one filled the buffer. */
  batch(): void {
    this.#batched = true;
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#socket.resume();
  }

  write(data: string | Uint8Array): void {
    if (this.#over) return;
    if (this.#socket.writableLength > WRITE_BYTES_MAX) this.end(captureFault('LR_RTSP_CLOSED', 'the camera takes nothing in'));
    else this.#socket.write(data);
  }

  /** Lets what was written go out, then closes; `ended` is told at once. */
  end(fault: Fault): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#socket.connecting || this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.destroySoon();
    this.#events.ended(fault);
  }

  #read(bytes: Buffer, length: number): boolean {
    if (this.#over) return false;
    try {
      this.#events.read(bytes, length);
    } catch (error) {
      this.end(toFault(error, 'reading from the camera'));
      return false;
    }
    if (this.#over) return false;
    if (!this.#batched || length === this.#bufferBytes) return true;
    this.#paused = true;
    return false;
  }
}
