/** What no receipt of the store of now has freed, reel by reel from the newest on: for what goes home without being asked for. */
import { reelPath } from './retention.js';
import { fragmentMeta, type ReelRow, rungOfRendition } from './rows.js';
import { placesIn } from './select.js';
import type { StoredFragment, Unsent, Voided } from './spool.js';
import type { CoreState } from './state.js';
import { WallIndex } from './wall-index.js';

/** Reels looked through in one call. */
const REELS_AT_ONCE = 200;

/** Of closed reels of this epoch; `beforeReel` is the `next` of the call before. */
export function unsent(state: CoreState, what: Unsent, beforeReel: number | undefined): Voided {
  const { index } = state;
  const of = what === 'held' ? what : rungOfRendition(what);
  const before = beforeReel ?? Number.MAX_SAFE_INTEGER;
  const reel = index.unsentReel(of, before, REELS_AT_ONCE);
  if (!reel) return { fragments: [], next: index.unsentAfter(of, before, REELS_AT_ONCE) };
  // A receipt names the epoch of the spool: what an earlier life of it recorded cannot be released by one.
  const isOurs = reel.epoch === state.recovered.identity.epoch;
  return { fragments: isOurs ? unsentOf(state, reel) : [], next: reel.id };
}

function unsentOf(state: CoreState, reel: ReelRow): StoredFragment[] {
  const { index, options, storeOrdinal } = state;
  const stream = index.streams().find(({ id }) => id === reel.stream)?.name;
  const boot = index.boots().find(({ id }) => id === reel.boot)?.boot ?? '';
  if (stream === undefined) return [];
  const rows = index.fragments(reel);
  const places = placesIn(reel, rows);
  const wall = new WallIndex(index);
  const file = reelPath(options.path, stream, reel);
  return rows.flatMap((row, at) => {
    if (row.released === storeOrdinal) return [];
    const path = places?.[at]?.map((step) => step.toString('hex'));
    const place = path ? { place: { index: at, count: rows.length, path } } : {};
    const meta = fragmentMeta(row, reel, options.unit, stream, boot);
    return [{ meta, wall: wall.ofFragment(row, reel), reelPath: file, offset: row.at, released: row.released !== 0, ...place }];
  });
}
