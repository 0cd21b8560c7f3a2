/**
 * The journals as the centre keeps them: segments of records, and a row for each record that is asked for by itself. Reading is by
 * number; memory is a few segments at a time.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { JournalRecord, JournalType } from '@longroof/protocol/journal';
import type { Kysely, Transaction } from 'kysely';
import { insertMany } from './many.js';
import { type KeptRecord, packSoon, unpack } from './segment.js';
import type { NotedRecordTable, Tables } from './tables.js';

/** One life of a unit's spool. */
export interface Life {
  unit: string;
  epoch: string;
}

/** A few are small: they hold what came together, until some hundred records are packed anew. */
const SEGMENTS_AT_ONCE = 32;

/** With or without its body. */
const NOTED: Partial<Record<JournalType, 'body' | 'bare'>> = {
  genesis: 'bare',
  run: 'body',
  clock: 'body',
  done: 'body',
  checkpoint: 'bare',
};

/** Records that somebody asks for by their type. */
export function notedRows(life: Life, records: readonly JournalRecord[], receivedUtcMs: UtcMs): NotedRecordTable[] {
  return records.flatMap(({ type, seq, run, wall, body }) => {
    const how = NOTED[type];
    if (!how) return [];
    const { unit, epoch } = life;
    const body_json = how === 'body' ? JSON.stringify(body) : '';
    return [{ unit, epoch, type, seq, run, utc_ms: wall.utcMs, body_json, received_utc_ms: receivedUtcMs }];
  });
}

/** Records that follow each other and came together. */
export async function keepRecords(trx: Transaction<Tables>, life: Life, records: readonly KeptRecord[]): Promise<void> {
  await trx
    .insertInto('segment')
    .values({ unit: life.unit, epoch: life.epoch, ...packSoon(records) })
    .execute();
}

export async function noteRecords(trx: Transaction<Tables>, rows: readonly NotedRecordTable[]): Promise<void> {
  await insertMany(trx, 'noted_record', rows);
}

/** The segments of one life, with what they hold; whoever asks says which, and in what order. */
export function segmentsOf(db: Kysely<Tables>, { unit, epoch }: Life) {
  const segments = db.selectFrom('segment').select(['seq_first', 'seq_last', 'head', 'packed']);
  return segments.where('unit', '=', unit).where('epoch', '=', epoch);
}

/** Records `first` to `last`, both with it, as far as they are here, in order. Throws `corrupt` (LR_STORE_SEGMENT). */
export async function* recordsOf(
  db: Kysely<Tables>,
  { unit, epoch }: Life,
  first = 0,
  last = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<KeptRecord[], void, undefined> {
  let next = first;
  while (next <= last) {
    const rows = await segmentsOf(db, { unit, epoch })
      .where('seq_first', '<=', last)
      .where((eb) =>
        eb(
          'seq_first',
          '>=',
          eb.fn.coalesce(
            eb
              .selectFrom('segment as before')
              .select((inner) => inner.fn.max('before.seq_first').as('seq'))
              .where('before.unit', '=', unit)
              .where('before.epoch', '=', epoch)
              .where('before.seq_first', '<=', next),
            eb.lit(0),
          ),
        ),
      )
      .orderBy('seq_first')
      .limit(SEGMENTS_AT_ONCE)
      .execute();
    if (rows.length === 0) return;
    for (const row of rows) {
      if (row.seq_last < next) continue;
      const from = next;
      next = row.seq_last + 1;
      yield unpack(row).filter(({ seq }) => seq >= from && seq <= last);
    }
    if (rows.length < SEGMENTS_AT_ONCE) return;
  }
}

/** By number; those that are not here are left out. */
export async function recordsAt(db: Kysely<Tables>, life: Life, seqs: readonly number[]): Promise<Map<number, KeptRecord>> {
  const found = new Map<number, KeptRecord>();
  let known: KeptRecord[] = [];
  for (const seq of [...new Set(seqs)].sort((a, b) => a - b)) {
    if (!(seq <= (known.at(-1)?.seq ?? -1))) known = await segmentOf(db, life, seq);
    const record = known[seq - (known[0]?.seq ?? 0)];
    if (record?.seq === seq) found.set(seq, record);
  }
  return found;
}

/** All records of the segment that holds one; empty where none does. */
async function segmentOf(db: Kysely<Tables>, life: Life, seq: number): Promise<KeptRecord[]> {
  const row = await segmentsOf(db, life).where('seq_first', '<=', seq).orderBy('seq_first', 'desc').limit(1).executeTakeFirst();
  return row && row.seq_last >= seq ? unpack(row) : [];
}
