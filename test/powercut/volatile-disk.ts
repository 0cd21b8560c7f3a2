/**
 * A disk with a write cache that a power cut empties: what was written since the last flush may be there, in part or in any order, or
 * not at all. Blocks of 4 KiB, the least that eMMC, SD cards and SSDs write, are never torn.
 */
import type { Random } from '@longroof/base/random';
import type { BlockDevice } from './nbd-server.js';

export const BLOCK_BYTES = 4096;

export interface Write {
  offset: number;
  data: Buffer;
}

/** What of the unflushed writes a cut leaves, and in which order the disk had taken them. */
export function survivors(unflushed: readonly Write[], random: Random): Write[] {
  const chance = random.pick([0, 0.2, 0.5, 0.8, 1]);
  const left: Write[] = [];
  for (const { offset, data } of unflushed) {
    for (let at = 0; at < data.length; ) {
      const bytes = BLOCK_BYTES - ((offset + at) % BLOCK_BYTES);
      if (random.next() < chance) left.push({ offset: offset + at, data: data.subarray(at, at + bytes) });
      at += bytes;
    }
  }
  return left;
}

export class VolatileDisk implements BlockDevice {
  readonly sizeBytes: number;
  /** What a read gives. */
  readonly #seen: Buffer;
  readonly #durable: Buffer;
  #unflushed: Write[] = [];
  readonly #onEvent: (event: Write | 'flush') => void;
  written = 0;
  flushes = 0;
  #diesAfter = Number.POSITIVE_INFINITY;
  #onDeath: () => void = () => undefined;
  /** Says yes to a flush and does nothing: the negative control. */
  lies = false;

  constructor(image: Buffer, onEvent: (event: Write | 'flush') => void = () => undefined) {
    this.sizeBytes = image.length;
    this.#seen = image;
    this.#durable = Buffer.from(image);
    this.#onEvent = onEvent;
  }

  read(offset: number, length: number): Buffer {
    return Buffer.from(this.#seen.subarray(offset, offset + length));
  }

  /** Resolves when the power has gone, right after so many more writes; from then on the disk answers nothing but errors. */
  dieAfter(writes: number): Promise<void> {
    this.#diesAfter = this.written + writes;
    return new Promise((resolve) => {
      this.#onDeath = resolve;
    });
  }

  #assertPower(): void {
    if (this.written >= this.#diesAfter) throw new Error('the power is off');
  }

  write(offset: number, data: Buffer, durable: boolean): void {
    this.#assertPower();
    data.copy(this.#seen, offset);
    this.written += 1;
    const write = { offset, data };
    this.#unflushed.push(write);
    this.#onEvent(write);
    if (this.written >= this.#diesAfter) this.#onDeath();
    this.#assertPower();
    // A disk may make more durable than it was asked to; this one empties its cache.
    if (durable) this.flush();
  }

  flush(): void {
    this.#assertPower();
    if (this.lies) return;
    for (const { offset, data } of this.#unflushed) data.copy(this.#durable, offset);
    this.#unflushed = [];
    this.flushes += 1;
    this.#onEvent('flush');
  }

  /** The power goes: gives what the disk holds afterwards, and goes on from there. */
  cut(random: Random): { image: Buffer; lostBytes: number } {
    const left = survivors(this.#unflushed, random);
    const sum = (writes: readonly Write[]): number => writes.reduce((bytes, { data }) => bytes + data.length, 0);
    const lostBytes = sum(this.#unflushed) - sum(left);
    for (const { offset, data } of left) data.copy(this.#durable, offset);
    this.#unflushed = [];
    this.#diesAfter = Number.POSITIVE_INFINITY;
    this.#durable.copy(this.#seen);
    return { image: Buffer.from(this.#durable), lostBytes };
  }
}
