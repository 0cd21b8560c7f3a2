/**
 * Monotonic to wall time. A run's `clock` records are anchors; later knowledge serves earlier times of the same boot too, at the
 * price of the oscillator's drift over the distance.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { WallClaim } from './fragment.js';

export interface ClockAnchor {
  atMonoMs: MonoMs;
  /** wall = mono + offsetMs */
  offsetMs: number;
  source: WallClaim['source'];
  errorMs: number;
}

/** A plain crystal, warm and cold: 100 ppm. */
export const DRIFT_PPM = 100;

/**
 * An anchor dates anew only what it dates at least so many times better. Of two clocks that are as good as each other the one that was
 * believed at the time stands: a clock that nobody vouches for and that jumps does not take the footage from before with it.
 */
export const BETTER_BY = 2;

/** What a clock that was right to `errorMs` at `atMonoMs` may be off by at `monoMs`, in milliseconds. */
export function errorAt({ errorMs, atMonoMs }: Pick<ClockAnchor, 'errorMs' | 'atMonoMs'>, monoMs: MonoMs): number {
  return errorMs + (Math.abs(monoMs - atMonoMs) * DRIFT_PPM) / 1e6;
}

/**
 * The one rule by which wagon, centre and verifier go: the claim made at the time `monoMs`, or that of the best anchor of the same boot where this is
 * clearly better. Best is the least error; of equal ones the first, so anchors come in the order of their times.
 */
export function bestWall(monoMs: MonoMs, claim: WallClaim, anchors: readonly ClockAnchor[]): WallClaim {
  let best: WallClaim | undefined;
  for (const anchor of anchors) {
    const errorMs = errorAt(anchor, monoMs);
    if (errorMs < (best?.errorMs ?? Number.POSITIVE_INFINITY)) best = { utcMs: monoMs + anchor.offsetMs, source: anchor.source, errorMs };
  }
  return best && best.errorMs * BETTER_BY <= claim.errorMs ? best : claim;
}

/**
 * Those that date a time between two best: errors grow alike to both sides, so each serves from where it is as good as the one before it
 * to where it is as good as the one behind it.
 */
export function servingAnchors<T extends Pick<ClockAnchor, 'atMonoMs' | 'errorMs'>>(anchors: readonly T[], from: MonoMs, to: MonoMs): T[] {
  const best: T[] = [];
  for (const anchor of [...anchors].sort((a, b) => a.atMonoMs - b.atMonoMs)) {
    const carriedMs = (last: T): number => (anchor.atMonoMs - last.atMonoMs) * (DRIFT_PPM / 1e6);
    for (let last = best.at(-1); last && anchor.errorMs + carriedMs(last) < last.errorMs; last = best.at(-1)) best.pop();
    const last = best.at(-1);
    if (!last || last.errorMs + carriedMs(last) > anchor.errorMs) best.push(anchor);
  }
  const meet = (a: T, b: T): MonoMs => (a.atMonoMs + b.atMonoMs) / 2 + (b.errorMs - a.errorMs) / (2 * (DRIFT_PPM / 1e6));
  return best.filter((anchor, at) => {
    const [before, after] = [best[at - 1], best[at + 1]];
    return !(before && meet(before, anchor) > to) && !(after && meet(anchor, after) < from);
  });
}
