/** A list of numbers that grows, without an object for each: whole numbers up to 2^53, written as 32 bits. */
const FIRST = 64;

export class Growing {
  #values = new Float64Array(FIRST);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  at(index: number): number {
    return this.#values[index] as number;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  copy(): Growing {
    const copy = new Growing();
    copy.#values = this.#values.slice();
    copy.#length = this.#length;
    return copy;
  }

  /** Big-endian, 4 bytes each. */
  encode(signed = false): Buffer {
    const bytes = Buffer.allocUnsafe(this.#length * 4);
    for (let index = 0; index < this.#length; index++) {
      const value = this.#values[index] as number;
      if (signed) bytes.writeInt32BE(value, index * 4);
      else bytes.writeUInt32BE(value, index * 4);
    }
    return bytes;
  }
}
