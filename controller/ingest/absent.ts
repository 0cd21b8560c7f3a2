/**
 * What a unit named in its plan and, by its last word, will not send: told as missing, with times as well as they can be known here
 * and a cause, so that a pull never ends with less than it shows.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { GapCause } from '@longroof/protocol/gap';
import type { Kysely } from 'kysely';
import type { PullPartTable, PullTable, ReelTable, Tables } from '../store/tables.js';

export interface Absent {
  camera: string;
  rendition: PullPartTable['rendition'];
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  cause: GapCause;
}

/** More pieces than this are told as one per part. */
const PIECES_MAX = 200;

type StoredRow = Pick<Tables['fragment'], 'seq' | 'start_utc_ms' | 'duration90k'>;

export async function absentOf(db: Kysely<Tables>, pull: PullTable): Promise<Absent[]> {
  const parts = await db.selectFrom('pull_part').selectAll().where('pull', '=', pull.id).orderBy('ordinal').execute();
  const absent: Absent[] = [];
  for (const part of parts) {
    const stored = await storedRows(db, pull.unit, part);
    let pieces = absentPieces(part, stored);
    if (pieces.length > PIECES_MAX) pieces = [{ first: pieces[0]?.first ?? part.seq_first, last: pieces.at(-1)?.last ?? part.seq_last }];
    if (pieces.length === 0) continue;
    const reels = await reelsOf(db, pull.unit, part);
    const bySeq = new Map(stored.map((row) => [row.seq, row]));
    for (const { first, last } of pieces) {
      const before = bySeq.get(first - 1);
      const fromUtcMs = before ? before.start_utc_ms + before.duration90k / 90 : (reelTime(reels, first) ?? pull.from_utc_ms);
      const toUtcMs = bySeq.get(last + 1)?.start_utc_ms ?? reelTime(reels, last + 1) ?? pull.to_utc_ms;
      const gone = reels.find((reel) => holds(reel, first))?.gone ?? null;
      const cause = gone === 'lost' ? 'lost' : gone === null ? 'damaged' : 'disposed';
      absent.push({ camera: part.camera, rendition: part.rendition, fromUtcMs, toUtcMs: Math.max(fromUtcMs, toUtcMs), cause });
    }
  }
  return absent;
}

export function absentPieces(
  part: Pick<PullPartTable, 'seq_first' | 'seq_last'>,
  stored: readonly { seq: number }[],
): { first: number; last: number }[] {
  const pieces: { first: number; last: number }[] = [];
  let next = part.seq_first;
  for (const { seq } of stored) {
    if (seq > next) pieces.push({ first: next, last: seq - 1 });
    next = seq + 1;
  }
  if (next <= part.seq_last) pieces.push({ first: next, last: part.seq_last });
  return pieces;
}

function holds(reel: ReelTable, seq: number): boolean {
  return seq >= reel.seq_first && seq < reel.seq_first + reel.count;
}

/** Fragments of a reel are about as long as each other; `seq` may be the one just behind its last. */
function reelTime(reels: readonly ReelTable[], seq: number): UtcMs | undefined {
  const reel = reels.find((one) => holds(one, seq)) ?? reels.find((one) => seq === one.seq_first + one.count);
  return reel && reel.start_utc_ms + ((reel.end_utc_ms - reel.start_utc_ms) * (seq - reel.seq_first)) / reel.count;
}

function storedRows(db: Kysely<Tables>, unit: string, part: PullPartTable): Promise<StoredRow[]> {
  return db
    .selectFrom('fragment')
    .select(['seq', 'start_utc_ms', 'duration90k'])
    .where('unit', '=', unit)
    .where('epoch', '=', part.epoch)
    .where('camera', '=', part.camera)
    .where('rendition', '=', part.rendition)
    .where('run', '=', part.run)
    .where('seq', '>=', part.seq_first)
    .where('seq', '<=', part.seq_last)
    .orderBy('seq')
    .execute();
}

function reelsOf(db: Kysely<Tables>, unit: string, part: PullPartTable): Promise<ReelTable[]> {
  return db
    .selectFrom('reel')
    .selectAll()
    .where('unit', '=', unit)
    .where('epoch', '=', part.epoch)
    .where('camera', '=', part.camera)
    .where('rendition', '=', part.rendition)
    .where('run', '=', part.run)
    .where('seq_first', '<=', part.seq_last + 1)
    .orderBy('seq_first')
    .execute();
}

/** Enters pieces behind those that are entered already. */
export async function addMissing(trx: Kysely<Tables>, pull: string, missing: readonly Absent[]): Promise<void> {
  if (missing.length === 0) return;
  const last = await trx
    .selectFrom('pull_missing')
    .select('ordinal')
    .where('pull', '=', pull)
    .orderBy('ordinal', 'desc')
    .limit(1)
    .executeTakeFirst();
  const first = (last?.ordinal ?? -1) + 1;
  const rows = missing.map((item, index) => ({
    pull,
    ordinal: first + index,
    camera: item.camera,
    rendition: item.rendition,
    from_utc_ms: item.fromUtcMs,
    to_utc_ms: item.toUtcMs,
    cause: item.cause,
  }));
  await trx.insertInto('pull_missing').values(rows).execute();
}
