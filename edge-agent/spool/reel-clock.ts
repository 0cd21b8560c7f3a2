/**
 * Reels and clocks that are set: a reel keeps to one clock, so that its start dates all of it, and its catalogue record says when that
 * was where the clock of the record would say something else.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { FragmentMeta, WallClaim } from '@longroof/protocol/fragment';
import type { Reel } from './reels.js';

/** A clock that moves by less is steered, not set. */
export const CLOCK_STEP_MS = 1000;

function offsetOf(meta: FragmentMeta): number {
  return meta.wall.utcMs - meta.startMonoMs;
}

/** The fragment is of another clock than what the reel holds already. */
export function changesClock(reel: Reel, meta: FragmentMeta): boolean {
  const first = reel.pending[0]?.meta;
  const offsets = [...(reel.leaves.length > 0 ? [reel.offsetMin, reel.offsetMax] : []), ...(first ? [offsetOf(first)] : [])];
  return offsets.some((offset) => Math.abs(offset - offsetOf(meta)) > CLOCK_STEP_MS);
}

/** The member of a catalogue record. `now` is the time of the record; undefined where that is of another boot than the reel. */
export function startWallOf(
  startMonoMs: MonoMs,
  wall: WallClaim,
  now: { monoMs: MonoMs; wall: WallClaim } | undefined,
): { startWall?: WallClaim } {
  const byRecordMs = now && now.wall.utcMs + (startMonoMs - now.monoMs);
  if (byRecordMs !== undefined && Math.abs(byRecordMs - wall.utcMs) <= CLOCK_STEP_MS) return {};
  return { startWall: { utcMs: Math.round(wall.utcMs), source: wall.source, errorMs: Math.ceil(wall.errorMs) } };
}
