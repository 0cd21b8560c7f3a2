/**
 * Hard braking, from the acceleration along the wagon. What the sensor shows while nothing happens (its mount, a slope) is taken off as a slow
 * mean; what is left must stay beyond the limit for a moment, so that a pothole or a slammed door is none. Pure.
 */
import type { MonoMs } from '@longroof/base/clock';

export const SAMPLE_MS = 50;
const LAST_MS_MIN = 200;
/** It is told when it is over, or after so long. */
const LAST_MS_MAX = 1500;
const QUIET_MS = 1000;
const MEAN_MS = 30_000;
/** A sensor shows no more than this; more is no acceleration of a wagon. */
const REAL_MPS2_MAX = 160;

export interface Braking {
  peakMps2: number;
  atMonoMs: MonoMs;
}

export class BrakingWatch {
  readonly #limitMps2: number;
  #mean: number | undefined;
  #lastMonoMs: MonoMs = 0;
  #open: (Braking & { toMonoMs: MonoMs }) | undefined;
  #quietSince: MonoMs | undefined = Number.NEGATIVE_INFINITY;

  constructor(limitMps2: number) {
    this.#limitMps2 = limitMps2;
  }

  /** `forwardMps2`: positive while it gains speed. Gives a braking once, when it has ended. */
  take(monoMs: MonoMs, forwardMps2: number): Braking | undefined {
    if (!Number.isFinite(forwardMps2) || Math.abs(forwardMps2) > REAL_MPS2_MAX) return undefined;
    const passedMs = Math.max(0, Math.min(1000, monoMs - this.#lastMonoMs));
    this.#lastMonoMs = monoMs;
    const slowing = (this.#mean ?? forwardMps2) - forwardMps2;
    const isHard = slowing >= this.#limitMps2;
    // A braking is no part of what the sensor shows at rest.
    if (!isHard)
      this.#mean = (this.#mean ?? forwardMps2) + (forwardMps2 - (this.#mean ?? forwardMps2)) * (1 - Math.exp(-passedMs / MEAN_MS));
    if (isHard) return this.#hard(monoMs, slowing);
    this.#quietSince ??= monoMs;
    return this.#end(monoMs);
  }

  #hard(monoMs: MonoMs, slowing: number): Braking | undefined {
    const isFresh = this.#quietSince !== undefined && monoMs - this.#quietSince >= QUIET_MS;
    if (!this.#open && isFresh) this.#open = { peakMps2: slowing, atMonoMs: monoMs, toMonoMs: monoMs };
    this.#quietSince = undefined;
    const open = this.#open;
    if (!open) return undefined;
    open.peakMps2 = Math.max(open.peakMps2, slowing);
    open.toMonoMs = monoMs;
    return monoMs - open.atMonoMs >= LAST_MS_MAX ? this.#end(monoMs) : undefined;
  }

  #end(monoMs: MonoMs): Braking | undefined {
    const open = this.#open;
    // Two samples between which it was less are one braking still.
    if (!open || (this.#quietSince !== undefined && monoMs - this.#quietSince < 2 * SAMPLE_MS)) return undefined;
    this.#open = undefined;
    const { peakMps2, atMonoMs, toMonoMs } = open;
    return toMonoMs - atMonoMs >= LAST_MS_MIN ? { peakMps2, atMonoMs } : undefined;
  }
}
