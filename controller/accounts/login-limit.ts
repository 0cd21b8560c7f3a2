/**
 * Slows down guessing of passwords: failures are counted per address and per name, and each count empties at a steady rate. A success
 * forgets what its own name and address had against them. Memory is bounded: the oldest counts make room.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';

/** Failures that are let through at once, and how long one of them counts. */
const NAME_BURST = 8;
const ADDRESS_BURST = 24;
const FORGET_MS = 60_000;
const KEYS_MAX = 10_000;

interface Count {
  failures: number;
  atMs: MonoMs;
}

export class LoginLimit {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an attempt as failed until `succeeded` is called. Throws `unavailable` (LR_LOGIN_RATE) with `detail.retryAfterS`. */
  attempt(address: string, name: string): void {
    const waitMs = Math.max(this.#waitMs(`a/${address}`, ADDRESS_BURST), this.#waitMs(`n/${name}`, NAME_BURST));
    if (waitMs > 0) {
      const retryAfterS = Math.ceil(waitMs / 1000);
      throw new Fault('unavailable', 'LR_LOGIN_RATE', `too many failed attempts; try again in ${retryAfterS} seconds`, {
        detail: { retryAfterS },
      });
    }
    this.#add(`a/${address}`);
    this.#add(`n/${name}`);
  }

  /** The name's count is forgotten; the address keeps what it did to other names. */
  succeeded(address: string, name: string): void {
    this.#counts.delete(`n/${name}`);
    const count = this.#counts.get(`a/${address}`);
    if (count) count.failures = Math.max(0, count.failures - 1);
  }

  #failures(key: string): number {
    const count = this.#counts.get(key);
    return count ? Math.max(0, count.failures - (this.#clock.mono() - count.atMs) / FORGET_MS) : 0;
  }

  #waitMs(key: string, burst: number): number {
    return Math.max(0, this.#failures(key) + 1 - burst) * FORGET_MS;
  }

  #add(key: string): void {
    const failures = this.#failures(key) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, { failures, atMs: this.#clock.mono() });
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= KEYS_MAX) return;
      this.#counts.delete(oldest);
    }
  }
}
