/**
 * Jumps that no wagon makes: a fix too far from the one before for the time between, or one whose own time runs backwards. They are
 * flagged and told, never smoothed away and never left out: what the receiver said is evidence, of a fault or of somebody who forges it.
 */
import type { Fix } from '@longroof/protocol/track';

export interface Jump {
  why: 'too-far' | 'back-in-time';
  distanceM: number;
  /** Between the two fixes by the receiver's time. */
  seconds: number;
}

/** Over ground; no wagon drives so fast. */
const SPEED_MPS_MAX = 85;
/** A receiver that has just found its satellites sets its time right by parts of a second. */
const BACK_S_MAX = 1;
/** What the receiver's scatter may add where it tells no error. */
const SCATTER_M = 50;
const EARTH_RADIUS_M = 6_371_000;

/** Great circle (haversine). */
export function distanceM(a: Pick<Fix, 'latDeg' | 'lonDeg'>, b: Pick<Fix, 'latDeg' | 'lonDeg'>): number {
  const rad = (deg: number): number => (deg * Math.PI) / 180;
  const half =
    Math.sin(rad(b.latDeg - a.latDeg) / 2) ** 2 +
    Math.cos(rad(a.latDeg)) * Math.cos(rad(b.latDeg)) * Math.sin(rad(b.lonDeg - a.lonDeg) / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** From the fix before to this one; undefined where a wagon could have made it. */
export function jumpOf(before: Fix | undefined, fix: Fix): Jump | undefined {
  if (!before) return undefined;
  const seconds = (fix.utcMs - before.utcMs) / 1000;
  const metres = distanceM(before, fix);
  if (seconds < -BACK_S_MAX) return { why: 'back-in-time', distanceM: metres, seconds };
  // By whichever clock more time has passed: a receiver whose time jumps forward has not moved.
  const passedS = Math.min(seconds, Math.max(1, (fix.monoMs - before.monoMs) / 1000 + 2));
  const allowedM = passedS * SPEED_MPS_MAX + (before.errorM ?? SCATTER_M) + (fix.errorM ?? SCATTER_M) + SCATTER_M;
  return metres > allowedM ? { why: 'too-far', distanceM: metres, seconds } : undefined;
}
