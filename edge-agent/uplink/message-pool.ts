/**
 * Memory of chunk messages of full length, used again for the next ones once they have arrived: new memory of that size for each keeps
 * the garbage collector so busy that sending costs half as much again (docs/performance.md).
 */
import { CHUNK_HEADER_BYTES, CHUNK_PAYLOAD_BYTES_MAX } from '@longroof/protocol/chunk';

const MESSAGE_BYTES = CHUNK_HEADER_BYTES + CHUNK_PAYLOAD_BYTES_MAX;
/** 2 MiB. */
const FREE_MAX = 16;

export class MessagePool {
  readonly #free: Buffer[] = [];

  /** With whatever stood there before. */
  take(bytes: number): Buffer {
    return (bytes === MESSAGE_BYTES && this.#free.pop()) || Buffer.allocUnsafe(bytes);
  }

  /** The connection must be done with it. */
  give(message: Buffer): void {
    if (message.length === MESSAGE_BYTES && this.#free.length < FREE_MAX) this.#free.push(message);
  }
}
