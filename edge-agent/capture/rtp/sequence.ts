/**
 * Follows the 16-bit sequence numbers of one source (RFC 3550, 5.1 and A.1). Over TCP nothing is reordered, so a number ahead of
 * the expected one means packets that were never sent, and one behind it a repetition, unless the source began anew.
 */
export const SEQUENCE_LATE = -1;
export const SEQUENCE_RESTART = -2;

export class SequenceCounter {
  #expected = -1;
  #lateNext = -1;

  /** Packets missing in front of this one; SEQUENCE_LATE for one to be left out; SEQUENCE_RESTART for the second of a new row. */
  next(sequence: number): number {
    if (this.#expected < 0) {
      this.#expected = (sequence + 1) & 0xffff;
      return 0;
    }
    const ahead = (sequence - this.#expected) & 0xffff;
    if (ahead < 0x8000) {
      this.#expected = (sequence + 1) & 0xffff;
      this.#lateNext = -1;
      return ahead;
    }
    const restart = sequence === this.#lateNext;
    this.#lateNext = (sequence + 1) & 0xffff;
    if (!restart) return SEQUENCE_LATE;
    this.#expected = this.#lateNext;
    this.#lateNext = -1;
    return SEQUENCE_RESTART;
  }

  /** Would this packet be the next without a loss? */
  isNext(sequence: number): boolean {
    return sequence === this.#expected;
  }

  reset(): void {
    this.#expected = -1;
    this.#lateNext = -1;
  }
}
