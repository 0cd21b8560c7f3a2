/**
 * Memory for footage that the agent's thread fills and the worker writes out: shared by both, so that it neither moves nor is left to a
 * garbage collection that has no hurry. A bounded amount; what is wanted beyond it (a disk that stalls) is ordinary memory, which the
 * collector counts.
 */
import type { ArenaMemory } from '../capture/arena.js';

/** Of shared memory in all: a second of eight busy cameras under assembly and one on its way to the disk. */
const SHARED_BYTES_MAX = 24 * 1024 * 1024;
/** Smaller pieces are cheap to make. */
const SHARED_BYTES_MIN = 32 * 1024;
/** A piece may be so many times as large as what is asked for. */
const WASTE_MAX = 4;

export class MemoryPool implements ArenaMemory {
  readonly #free: SharedArrayBuffer[] = [];
  readonly #lent = new Map<number, SharedArrayBuffer>();
  /** What is dropped, or never given back, counts until it is collected. */
  readonly #lost = new FinalizationRegistry<number>((bytes) => {
    this.#bytes -= bytes;
  });
  #bytes = 0;
  #nextId = 1;

  allocate(bytes: number): Buffer {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const size = (this.#free[i] as SharedArrayBuffer).byteLength;
      if (size >= bytes && size <= WASTE_MAX * bytes && (best < 0 || size < (this.#free[best] as SharedArrayBuffer).byteLength)) best = i;
    }
    if (best >= 0) return Buffer.from(this.#free.splice(best, 1)[0] as SharedArrayBuffer);
    if (bytes < SHARED_BYTES_MIN) return Buffer.allocUnsafeSlow(bytes);
    if (this.#bytes + bytes > SHARED_BYTES_MAX) {
      // Pieces of sizes that are not asked for any more make room for those that are, once the collector has taken them.
      this.#free.shift();
      return Buffer.allocUnsafeSlow(bytes);
    }
    const made = new SharedArrayBuffer(bytes);
    this.#bytes += bytes;
    this.#lost.register(made, bytes);
    return Buffer.from(made);
  }

  /** Takes back what was not handed on. */
  give(memory: Uint8Array): void {
    if (memory.buffer instanceof SharedArrayBuffer) this.#free.push(memory.buffer);
  }

  /** The memory behind these is with the worker from now on; it says so by these numbers when it is done. */
  lend(parts: readonly Uint8Array[]): number[] {
    const pieces = new Set(parts.map((part) => part.buffer).filter((buffer) => buffer instanceof SharedArrayBuffer));
    return [...pieces].map((piece) => {
      this.#lent.set(this.#nextId, piece);
      return this.#nextId++;
    });
  }

  returned(ids: readonly number[]): void {
    for (const id of ids) {
      const piece = this.#lent.get(id);
      if (piece) this.#free.push(piece);
      this.#lent.delete(id);
    }
  }
}

/**
 * Parts with the memory behind them, each piece of memory once. Shared memory stays where it is; small parts are copied: their memory may
 * be Node's pool.
 */
export function movable(parts: readonly Uint8Array[]): { parts: Uint8Array[]; transfer: ArrayBuffer[] } {
  const transfer = new Set<ArrayBuffer>();
  const moved = parts.map((part) => {
    const isPooled = part.buffer.byteLength <= Buffer.poolSize && part.byteLength < part.buffer.byteLength;
    const own = isPooled ? new Uint8Array(part) : part;
    if (!(own.buffer instanceof SharedArrayBuffer)) transfer.add(own.buffer as ArrayBuffer);
    return own;
  });
  return { parts: moved, transfer: [...transfer] };
}
