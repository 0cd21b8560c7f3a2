/**
 * A TCP connection that reads into the shared buffer and, when told to, once a tick only. Whoever reads gets the bytes where the
 * kernel put them and must be done with them when it returns. Ends once, with the reason. Once batched the event loop no longer watches
 * the connection for reading: each tick asks the kernel, and that is also when an end of the stream is seen.
 */
import net from 'node:net';
import { type Fault, toFault } from '@longroof/base/errors';
import { descriptorOf, NOTHING_YET, readNow } from '@longroof/base/raw-read';
import { captureFault } from '../faults.js';
import type { ReadHub } from './read-hub.js';

/** A camera that takes none of our few requests in is as good as gone. */
const WRITE_BYTES_MAX = 1024 * 1024;
/** Full buffers taken in one tick; more waits for the next. */
const READS_A_TICK_MAX = 8;

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
  readonly #buffer: Buffer;
  #batched = false;
  #paused = false;
  #over = false;

  constructor(host: string, port: number, hub: ReadHub, events: SocketEvents) {
    this.#events = events;
    this.#buffer = hub.buffer;
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
    const fd = descriptorOf(this.#socket);
    if (fd === undefined) {
      this.#paused = false;
      this.#socket.resume();
    } else this.#pull(fd);
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

  /** All that has arrived. */
  #pull(fd: number): void {
    for (let reads = 0; reads < READS_A_TICK_MAX && !this.#over; reads++) {
      const length = this.#ask(fd);
      if (length === NOTHING_YET) return;
      if (length === 0) {
        this.end(captureFault('LR_RTSP_CLOSED', 'the camera closed the connection'));
        return;
      }
      this.#read(this.#buffer, length);
      if (length < this.#buffer.length) return;
    }
  }

  #ask(fd: number): number {
    try {
      return readNow(fd, this.#buffer);
    } catch (error) {
      this.end(captureFault('LR_RTSP_CONNECT', `connection to the camera: ${(error as Error).message}`, error));
      return NOTHING_YET;
    }
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
    if (!this.#batched || length === bytes.length) return true;
    this.#paused = true;
    return false;
  }
}
