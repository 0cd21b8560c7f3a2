/**
 * Memory for footage that goes to the worker and comes back: without it every fragment would leave megabytes for a garbage collection
 * that has no hurry. Keeps a bounded amount; what is more is left to the collector.
 */

const KEPT_BYTES_MAX = 12 * 1024 * 1024;
/** Smaller pieces are cheap to make. */
export const POOLED_BYTES_MIN = 32 * 1024;

export class MemoryPool {
  #free: ArrayBuffer[] = [];
  #bytes = 0;

  /** At least `bytes`, with whatever stood there before. */
  allocate(bytes: number): Buffer {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const size = (this.#free[i] as ArrayBuffer).byteLength;
      if (size >= bytes && size <= 4 * bytes && (best < 0 || size < (this.#free[best] as ArrayBuffer).byteLength)) best = i;
    }
    if (best < 0) return Buffer.allocUnsafeSlow(bytes);
    const [found] = this.#free.splice(best, 1) as [ArrayBuffer];
    this.#bytes -= found.byteLength;
    return Buffer.from(found);
  }

  give(memory: ArrayBuffer): void {
    if (memory.byteLength < POOLED_BYTES_MIN || this.#bytes + memory.byteLength > KEPT_BYTES_MAX) return;
    this.#free.push(memory);
    this.#bytes += memory.byteLength;
  }
}
