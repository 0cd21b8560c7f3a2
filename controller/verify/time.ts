/**
 * When a fragment was recorded: what was claimed at the time stands, unless a clock record of the same boot dates it at least twice as
 * well. And what of that stands under a signature.
 */
import type { CheckedFootage, Fragment } from './footage.js';
import type { CatalogRecord, ClockRecord, Journal, Wall } from './journal.js';
import { broken } from './source.js';

export interface Dated {
  wall: Wall;
  /** A signed record gives this time, within the error that is told. */
  isSigned: boolean;
}

/** A crystal, warm and cold: 100 ppm. */
const DRIFT = 1e-4;
/** So many times better a clock record must date a fragment than its own claim does. */
const BETTER_BY = 2;
/** A claim that is so near to what a signed record gives is of the same clock, however good that was: clocks are steered, not only set. */
const STEERED_MS = 2000;
/** Two programs add up the same numbers. */
const ROUNDING_MS = 1;

/** `catalog`: the signed record of its reel, where that binds it. */
export function dateFragment(
  journal: Journal,
  { rendition, ...fragment }: Fragment & { rendition: string },
  catalog: CatalogRecord | undefined,
): Dated {
  const claim = fragment.wall;
  // A copy keeps the claim of its originals, which may be of another boot than the one it was made in.
  const walls = rendition === 'derived' ? [] : byClocks(journal, fragment);
  const best = walls.reduce<Wall | undefined>((least, wall) => (least && least.errorMs <= wall.errorMs ? least : wall), undefined);
  if (best && best.errorMs * BETTER_BY <= claim.errorMs) return { wall: best, isSigned: catalog !== undefined };
  const ofReel = catalog && byReel(journal, catalog, fragment.startMonoMs);
  const errors = [...walls, ...(ofReel ? [ofReel] : [])].flatMap((wall) => {
    const apartMs = Math.abs(wall.utcMs - claim.utcMs);
    return apartMs <= Math.max(STEERED_MS, wall.errorMs) ? [wall.errorMs + apartMs] : [];
  });
  if (!catalog || errors.length === 0) return { wall: claim, isSigned: false };
  return { wall: { ...claim, errorMs: Math.max(claim.errorMs, Math.min(...errors)) }, isSigned: true };
}

/** What the clock records of its boot make of its start, in the order of their times. */
function byClocks(journal: Journal, { run, startMonoMs }: Fragment): Wall[] {
  const boot = journal.boots.get(run);
  if (boot === undefined) return [];
  const own: ClockRecord[] = journal.clocks.filter((clock) => journal.boots.get(clock.run) === boot);
  return own
    .sort((a, b) => a.atMonoMs - b.atMonoMs)
    .map(({ atMonoMs, offsetMs, source, errorMs }) => ({
      utcMs: startMonoMs + offsetMs,
      source,
      errorMs: errorMs + Math.abs(startMonoMs - atMonoMs) * DRIFT,
    }));
}

/** The time that stands in the record of its reel, or else the time of that record, carried to the fragment. */
function byReel(journal: Journal, catalog: CatalogRecord, startMonoMs: number): Wall | undefined {
  const { startWall } = catalog;
  const boot = journal.boots.get(catalog.reelRun);
  if (!startWall && (boot === undefined || journal.boots.get(catalog.run) !== boot)) return undefined;
  const wall = startWall ?? catalog.wall;
  const awayMs = startMonoMs - (startWall ? catalog.startMonoMs : catalog.monoMs);
  return { utcMs: wall.utcMs + awayMs, source: wall.source, errorMs: wall.errorMs + Math.abs(awayMs) * DRIFT };
}

/** The times that the manifest gives an MP4 must be those of its fragments. Throws LR_PROOF_TIME. */
export function checkClaimed({ file, claimed }: CheckedFootage, placed: readonly { fragment: Fragment; wall: Wall }[]): void {
  if (!claimed || placed.length === 0) return;
  const starts = placed.map(({ wall }) => wall.utcMs);
  const ends = placed.map(({ fragment, wall }) => wall.utcMs + fragment.endMonoMs - fragment.startMonoMs);
  const from = starts.reduce((a, b) => Math.min(a, b));
  const to = ends.reduce((a, b) => Math.max(a, b));
  if (Math.abs(from - claimed.fromUtcMs) > ROUNDING_MS || Math.abs(to - claimed.toUtcMs) > ROUNDING_MS)
    throw broken('LR_PROOF_TIME', `${file}: the time that the manifest gives it does not follow from the unit's records`);
}
