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

/** The claim with the smallest error for `monoMs`: the one made at the time, or one by an anchor of the same boot. */
export function bestWall(monoMs: MonoMs, claim: WallClaim, anchors: readonly ClockAnchor[]): WallClaim {
  let best = claim;
  for (const anchor of anchors) {
    const errorMs = anchor.errorMs + (Math.abs(monoMs - anchor.atMonoMs) * DRIFT_PPM) / 1e6;
    if (errorMs < best.errorMs) best = { utcMs: monoMs + anchor.offsetMs, source: anchor.source, errorMs };
  }
  return best;
}
