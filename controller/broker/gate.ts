/**
 * Lets connections in, a bounded number at a time, so that each is served whole before it or the unit loses patience. What waits costs
 * nothing but its place. The newest goes first: it has the most patience left.
 *
 * Time is counted in turns of the event loop, five a second where the machine is free and fewer where it is not. One that is not through
 * after so many turns makes us wait, not the other way round, and no longer keeps the next one out: whoever lets bytes drip blocks nobody.
 * How many come in at a time follows from how it goes: more when one is served, fewer when one is not through in time, or when
 * turns come late because more is under way than this machine can do.
 */
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';

export interface GateLimits {
  /** Let in and not yet served, at a time: to begin with, and the least to which those who are slow themselves bring it. */
  atOnceFirst: number;
  /** The least to which late turns bring it. */
  atOnceMin: number;
  atOnceMax: number;
  /** Turns after which one that is still not served counts no more. */
  turnsMax: number;
  /** Beyond so many the one that has waited longest is sent away. */
  waitingMax: number;
  waitMs: number;
}

export const GATE_LIMITS: GateLimits = {
  atOnceFirst: 16,
  atOnceMin: 8,
  atOnceMax: 128,
  turnsMax: 10,
  waitingMax: 5000,
  waitMs: 90_000,
};

const TURN_MS = 200;
/** A turn is late when it ends so long after it was due; on time when it is not half as late. */
const LATE_MS = 1000;
const SHRINK = 0.7;
/** For each that is served. */
const GROW = 0.5;

export type SentAway = 'waited' | 'full';

export interface GateOptions<T> {
  clock: Clock;
  limits: GateLimits;
  letIn: (one: T) => void;
  /** It is no longer waiting, and will not be let in. */
  sendAway: (one: T, why: SentAway) => void;
}

interface Inside {
  turns: number;
  /** Its last request is with us: whatever it takes now, the client is not to blame. */
  isOurs: boolean;
}

export class Gate<T> {
  readonly #options: GateOptions<T>;
  /** Oldest first. */
  readonly #waiting: { one: T; sinceMs: MonoMs }[] = [];
  readonly #inside = new Map<T, Inside>();
  #atOnce: number;
  #timer: Timer | undefined;
  #turnAtMs: MonoMs = 0;
  #isOnTime = true;

  constructor(options: GateOptions<T>) {
    const { atOnceMin, atOnceFirst, atOnceMax } = options.limits;
    assert(atOnceMin >= 1 && atOnceMin <= atOnceFirst && atOnceFirst <= atOnceMax, 'a gate that lets nobody in');
    this.#options = options;
    this.#atOnce = atOnceFirst;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many may be inside at a time now. */
  get atOnce(): number {
    return Math.floor(this.#atOnce);
  }

  arrive(one: T): void {
    const { clock, limits, sendAway } = this.#options;
    this.#waiting.push({ one, sinceMs: clock.mono() });
    this.#next();
    const oldest = this.#waiting.length > limits.waitingMax ? this.#waiting.shift() : undefined;
    if (oldest) sendAway(oldest.one, 'full');
    if (this.#timer || this.#inside.size === 0) return;
    this.#turnAtMs = clock.mono();
    this.#timer = clock.every(TURN_MS, () => this.#turn());
  }

  /** What completes it has come, and is being worked on. */
  serving(one: T): void {
    const inside = this.#inside.get(one);
    if (inside) inside.isOurs = true;
  }

  served(one: T): void {
    const { atOnceMax } = this.#options.limits;
    if (!this.#inside.has(one)) return;
    if (this.#isOnTime && this.#isWorthMore()) this.#atOnce = Math.min(atOnceMax, this.#atOnce + GROW);
    this.gone(one);
  }

  gone(one: T): void {
    const at = this.#waiting.findIndex((waiting) => waiting.one === one);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#inside.delete(one)) this.#next();
  }

  /** Those that still wait, in no order; none of them is let in any more. */
  stop(): T[] {
    this.#timer?.cancel();
    this.#inside.clear();
    return this.#waiting.splice(0).map(({ one }) => one);
  }

  #next(): void {
    while (this.#inside.size < this.atOnce) {
      const newest = this.#waiting.pop();
      if (!newest) return;
      this.#inside.set(newest.one, { turns: 0, isOurs: false });
      this.#options.letIn(newest.one);
    }
  }

  #turn(): void {
    const { clock, limits, sendAway } = this.#options;
    const nowMs = clock.mono();
    const lateMs = nowMs - this.#turnAtMs - TURN_MS;
    this.#turnAtMs = nowMs;
    this.#isOnTime = lateMs < LATE_MS / 2;
    if (lateMs >= LATE_MS) this.#atOnce = Math.max(limits.atOnceMin, this.#atOnce * SHRINK);
    for (const [one, inside] of this.#inside) {
      inside.turns += 1;
      if (inside.turns < limits.turnsMax || inside.isOurs) continue;
      this.#inside.delete(one);
      if (this.#atOnce > limits.atOnceFirst) this.#atOnce = Math.max(limits.atOnceFirst, this.#atOnce - 1);
    }
    const late = this.#waiting.findIndex(({ sinceMs }) => nowMs - sinceMs < limits.waitMs);
    for (const { one } of this.#waiting.splice(0, late < 0 ? this.#waiting.length : late)) sendAway(one, 'waited');
    this.#next();
    if (this.#inside.size > 0 || this.#waiting.length > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Somebody waits, and it is not us for whom most of those inside wait. */
  #isWorthMore(): boolean {
    const ours = [...this.#inside.values()].filter(({ isOurs }) => isOurs).length;
    return this.#waiting.length > 0 && ours * 2 <= this.#inside.size;
  }
}
