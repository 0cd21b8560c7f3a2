/**
 * Bytes under assembly for one fragment of one track. Grows by doubling; the writer appends, and `take` hands the finished part
 * over with its memory, carrying an unfinished tail into fresh memory.
 */
export class ByteArena {
  #buffer: Buffer;
  #length = 0;
  readonly #allocate: (bytes: number) => Buffer;
  readonly #firstBytes: number;

  constructor(allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafeSlow(bytes), firstBytes = 64 * 1024) {
    this.#allocate = allocate;
    this.#firstBytes = firstBytes;
    this.#buffer = allocate(firstBytes);
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

  /** Appends `source[start..end)` without a view of it. */
  appendRange(source: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    source.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
  }

  /** Room for `bytes` more at the end. */
  reserve(bytes: number): void {
    const need = this.#length + bytes;
    if (need <= this.#buffer.length) return;
    const bigger = this.#allocate(Math.max(need, this.#buffer.length * 2));
    this.#buffer.copy(bigger, 0, 0, this.#length);
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
    // As much as this one held: the next will be much like it.
    const fresh = this.#allocate(powerOfTwo(Math.max(this.#firstBytes, bytes, tail.length)));
    tail.copy(fresh);
    this.#buffer = fresh;
    this.#length = tail.length;
    return taken;
  }
}

function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}
