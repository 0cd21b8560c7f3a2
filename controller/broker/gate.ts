/**
 * Lets connections in, a bounded number at a time, so that each is served whole before it or the unit loses patience. What waits costs
 * nothing but its place. The newest goes first: it has the most patience left.
 *
 * Everything adapts by turns of the event loop, ten a second where the machine is free and fewer where it is not. One that is not through
 * after so many turns makes us wait, not the other way round, and no longer keeps the next one out: whoever lets bytes drip blocks nobody.
 * Turns that come late say that more is under way than this machine can do, and fewer are let in at a time; more are let in only where
 * those inside wait for their own ends of the line, not for us.
 */

import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';

export interface GateLimits {
  /** Let in and not yet served, at a time: it begins with the first, and moves between the least and the most. */
  atOnceFirst: number;
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
  atOnceMin: 4,
  atOnceMax: 128,
  turnsMax: 10,
  waitingMax: 5000,
  waitMs: 30_000,
};

const TURN_MS = 100;
/** A turn is late when it ends so long after it was due; on time when it is not half as late. */
const LATE_MS = 300;
const SHRINK = 0.7;
const GROW = 1.25;

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

  /** It is served, or gone. */
  done(one: T): void {
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
    this.#adapt(nowMs - this.#turnAtMs - TURN_MS);
    this.#turnAtMs = nowMs;
    for (const [one, inside] of this.#inside) {
      inside.turns += 1;
      if (inside.turns >= limits.turnsMax && !inside.isOurs) this.#inside.delete(one);
    }
    const late = this.#waiting.findIndex(({ sinceMs }) => nowMs - sinceMs < limits.waitMs);
    for (const { one } of this.#waiting.splice(0, late < 0 ? this.#waiting.length : late)) sendAway(one, 'waited');
    this.#next();
    if (this.#inside.size > 0 || this.#waiting.length > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #adapt(lateMs: number): void {
    const { atOnceMin, atOnceMax } = this.#options.limits;
    if (lateMs >= LATE_MS) this.#atOnce = Math.max(atOnceMin, this.#atOnce * SHRINK);
    else if (lateMs < LATE_MS / 2 && this.#isWorthMore()) this.#atOnce = Math.min(atOnceMax, this.#atOnce * GROW);
  }

  /** Somebody waits, and it is not us for whom most of those inside wait. */
  #isWorthMore(): boolean {
    const ours = [...this.#inside.values()].filter(({ isOurs }) => isOurs).length;
    return this.#waiting.length > 0 && ours * 2 <= this.#inside.size;
  }
}
