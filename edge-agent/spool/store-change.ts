/**
 * The controller's store has a life of its own, its epoch, and receipts count only within it (S3). Under another epoch, after a
 * restore from a backup, everything released before is pending again, and what of it is still on the disk is to be offered again.
 * A fragment's row keeps the ordinal of the store that released it, so that a change costs one statement over the reels.
 */
import { Fault } from '@longroof/base/errors';
import { reelPath } from './retention.js';
import { fragmentMeta, type ReelRow } from './rows.js';
import { REEL_GONE } from './schema.js';
import { placesIn } from './select.js';
import type { StoreAdopted, StoredFragment, Voided } from './spool.js';
import type { CoreState } from './state.js';
import { WallIndex } from './wall-index.js';

const EPOCH_KEY = 'storeEpoch';
const OFFERS_KEY = 'storeOffers';
/** Reels looked through in one call: their rows take some milliseconds to read. */
const REELS_AT_ONCE = 100;

export const STORE_CHANGED_EVENT = 'store-changed';

/**
 * Answers when it is durable which store the unit's receipts are of. The first store that a spool hears of voids nothing.
 * `journalNext`: what the store has of the journal; everything from there on is kept for it.
 */
export function adoptStore(
  state: CoreState,
  storeEpoch: string,
  journalNext: number,
  settled: (outcome: StoreAdopted | Fault) => void,
): void {
  const { index } = state;
  const before = index.get(EPOCH_KEY);
  if (before === storeEpoch) {
    settled({ changed: false, offers: index.get(OFFERS_KEY) === 1 });
    return;
  }
  if (before === undefined) {
    state.pendingWrites.push(() => index.set(EPOCH_KEY, storeEpoch));
    settled({ changed: false, offers: false });
    return;
  }
  const done = (seq: number | Fault): void => {
    if (seq instanceof Fault) {
      settled(seq);
      return;
    }
    state.storeOrdinal += 1;
    state.released = 0;
    state.acknowledged = Math.min(state.acknowledged, journalNext);
    settled({ changed: true, offers: true });
  };
  const detail = { storeEpoch, before, released: state.released };
  state.ledger.add('event', { event: STORE_CHANGED_EVENT, detail }, { own: true, urgent: true, settled: done });
  state.pendingWrites.push(() => {
    index.voidReleases();
    index.set(EPOCH_KEY, storeEpoch);
    index.set(OFFERS_KEY, 1);
  });
}

/** Fragments that only an earlier store has released, reel by reel from the oldest on; `next` is where to go on, while there is more. */
export function voided(state: CoreState, afterReel: number): Voided {
  const { index } = state;
  const found: Voided = { fragments: [], next: undefined };
  if (afterReel === 0) state.offersFound = false;
  if (index.get(OFFERS_KEY) !== 1) return found;
  const reels = index.reelsAfter(afterReel, REELS_AT_ONCE);
  const wall = new WallIndex(index);
  const boots = new Map(index.boots().map((row) => [row.id, row.boot]));
  const names = new Map(index.streams().map((row) => [row.id, row.name]));
  for (const reel of reels) {
    const stream = names.get(reel.stream);
    if (stream !== undefined) found.fragments.push(...voidedOf(state, wall, reel, stream, boots.get(reel.boot) ?? ''));
    if (found.fragments.length === 0) continue;
    state.offersFound = true;
    found.next = reel.id;
    return found;
  }
  found.next = reels.length < REELS_AT_ONCE ? undefined : reels.at(-1)?.id;
  // A look from the first reel to the last that found none: there is nothing left to offer.
  if (found.next === undefined && !state.offersFound) state.pendingWrites.push(() => index.set(OFFERS_KEY, 0));
  return found;
}

function voidedOf(state: CoreState, wall: WallIndex, reel: ReelRow, stream: string, boot: string): StoredFragment[] {
  // A receipt names the epoch of the spool: what an earlier life of it recorded cannot be released by one.
  if (reel.state === REEL_GONE || reel.epoch !== state.recovered.identity.epoch) return [];
  const rows = state.index.fragments(reel);
  if (!rows.some((row) => isVoid(row.released, state.storeOrdinal))) return [];
  const places = placesIn(reel, rows);
  const file = reelPath(state.options.path, stream, reel);
  return rows.flatMap((row, index) => {
    if (!isVoid(row.released, state.storeOrdinal)) return [];
    const path = places?.[index]?.map((step) => step.toString('hex'));
    const meta = fragmentMeta(row, reel, state.options.unit, stream, boot);
    const place = path ? { place: { index, count: rows.length, path } } : {};
    return [{ meta, wall: wall.ofFragment(row, reel), reelPath: file, offset: row.at, released: true, ...place }];
  });
}

function isVoid(released: number, ordinal: number): boolean {
  return released > 0 && released < ordinal;
}
