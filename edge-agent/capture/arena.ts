/**
 * Bytes under assembly for one fragment of one track. Grows by doubling; the writer appends, and `take` hands the finished part
 * over with its memory, carrying an unfinished tail into fresh memory.
 */

/** Where the memory of footage comes from, and where it goes when it is not handed on. */
export interface ArenaMemory {
  /** At least `bytes`, with whatever stood there before. */
  allocate(bytes: number): Buffer;
  give(memory: Buffer): void;
}

/** Fresh from the system, and left to the collector. */
export const systemMemory: ArenaMemory = {
  allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
  give: () => undefined,
};

const FIRST_BYTES = 64 * 1024;

export class ByteArena {
  #buffer: Buffer;
  #length = 0;
  readonly #memory: ArenaMemory;
  readonly #firstBytes: number;
  /** What was handed over last; an exception fades. */
  #usualBytes = 0;

  constructor(memory: ArenaMemory = systemMemory, firstBytes = FIRST_BYTES) {
    this.#memory = memory;
    this.#firstBytes = firstBytes;
    this.#buffer = memory.allocate(firstBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** The memory behind it; offsets into it stay valid until `take` (growth copies, so ask again after `append`). */
  get buffer(): Buffer {
    return this.#buffer;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Appends `source[start..end)`. For each packet: `fill` copies by one memmove also into shared memory, where `set` and `copy` go byte by
   * byte (270 ns for a packet, against 520).
   */
  appendRange(source: Buffer, start: number, end: number): void {
    const at = this.#length;
    const length = end - start;
    // Fill with nothing would be fill with zeros, and a view of nothing is refused.
    if (length === 0) return;
    this.reserve(length);
    this.#buffer.fill(new Uint8Array(source.buffer, source.byteOffset + start, length), at, at + length);
    this.#length += length;
  }

  /** Room for `bytes` more at the end. */
  reserve(bytes: number): void {
    const need = this.#length + bytes;
    if (need <= this.#buffer.length) return;
    const bigger = this.#memory.allocate(Math.max(need, this.#buffer.length * 2));
    this.#buffer.copy(bigger, 0, 0, this.#length);
    this.#memory.give(this.#buffer);
    this.#buffer = bigger;
  }

  appendUInt32(value: number): number {
    this.reserve(4);
    this.#buffer.writeUInt32BE(value >>> 0, this.#length);
    this.#length += 4;
    return this.#length - 4;
  }

  appendByte(value: number): void {
    this.reserve(1);
    this.#buffer[this.#length] = value;
    this.#length += 1;
  }

  patchUInt32(offset: number, value: number): void {
    this.#buffer.writeUInt32BE(value >>> 0, offset);
  }

  /** Drops what lies behind `length`. */
  cut(length: number): void {
    if (length < this.#length) this.#length = length;
  }

  /** Hands over the first `bytes`; what lies behind moves to the start of new memory. */
  take(bytes: number): Buffer {
    const taken = this.#buffer.subarray(0, bytes);
    const tail = this.#buffer.subarray(bytes, this.#length);
    // As much as the last few held: the next will be much like them.
    this.#usualBytes = Math.max(bytes, this.#usualBytes - (this.#usualBytes >> 3));
    const fresh = this.#memory.allocate(Math.max(this.#firstBytes, powerOfTwo(this.#usualBytes), tail.length));
    tail.copy(fresh);
    this.#buffer = fresh;
    this.#length = tail.length;
    return taken;
  }

  /** Nothing more comes: the memory goes back. */
  close(): void {
    this.#memory.give(this.#buffer);
    this.#buffer = EMPTY;
    this.#length = 0;
  }
}

const EMPTY = Buffer.alloc(0);

/** Pieces of a few sizes are more often of use again. */
function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}
