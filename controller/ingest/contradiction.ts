/**
 * The other side of a fork: records that came from the same unit under numbers at which others are stored. They change nothing, and are
 * kept beside those, so that both can be held against each other. Where a checkpoint stands behind them, the same key signed both.
 */
import { createPublicKey } from 'node:crypto';
import { toFault } from '@longroof/base/errors';
import { checkpointBytes, type JournalBatch, type JournalRecord, recordText, verifyBytes } from '@longroof/protocol/journal';
import type { Transaction } from 'kysely';
import { recordsOf } from '../store/journal.js';
import type { EpochTable, Tables } from '../store/tables.js';

/** Of one life of a spool; a unit that goes on sending what is refused fills nothing. */
const RECORDS_MAX = 500;

export async function keepContradiction(trx: Transaction<Tables>, unit: string, batch: JournalBatch, utcMs: number): Promise<void> {
  const epoch = await trx.selectFrom('epoch').selectAll().where('unit', '=', unit).where('epoch', '=', batch.epoch).executeTakeFirst();
  if (!epoch) return;
  const kept = await trx
    .selectFrom('contradiction')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('unit', '=', unit)
    .where('epoch', '=', batch.epoch)
    .executeTakeFirst();
  const room = RECORDS_MAX - Number(kept?.count ?? 0);
  const others = await otherRecords(trx, unit, batch);
  if (room <= 0 || others.length === 0) return;
  const signedBelow = lastSigned(epoch, unit, others);
  const rows = others.slice(0, room).map(({ record, hash }) => ({
    ...{ unit, epoch: batch.epoch, seq: record.seq, hash, text: recordText(record), received_utc_ms: utcMs },
    signed: record.seq <= signedBelow ? 1 : 0,
  }));
  await trx
    .insertInto('contradiction')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['unit', 'epoch', 'seq', 'hash']).doNothing())
    .execute();
}

interface Hashed {
  record: JournalRecord;
  hash: string;
}

/** Those that are not the ones which are stored, as far as these can be read: the alarm is raised all the same. */
async function otherRecords(trx: Transaction<Tables>, unit: string, batch: JournalBatch): Promise<Hashed[]> {
  const first = (batch.records[0] as JournalRecord).seq;
  const stored = new Map<number, string>();
  let below = Number.POSITIVE_INFINITY;
  try {
    for await (const records of recordsOf(trx, { unit, epoch: batch.epoch }, first, first + batch.records.length - 1))
      for (const { seq, hash } of records) stored.set(seq, hash);
  } catch (error) {
    if (toFault(error).code !== 'LR_STORE_SEGMENT') throw error;
    below = first + stored.size;
  }
  const hashed = batch.records.map((record, index) => ({ record, hash: batch.records[index + 1]?.prev ?? batch.head }));
  return hashed.filter(({ record, hash }) => record.seq < below && stored.get(record.seq) !== hash);
}

/** -1 where none of their checkpoints is the key's own. */
function lastSigned(epoch: EpochTable, unit: string, others: readonly Hashed[]): number {
  const key = createPublicKey(epoch.journal_key_pem);
  const signed = others.filter(({ record }) => {
    if (record.type !== 'checkpoint') return false;
    const { head, signature } = (record as JournalRecord<'checkpoint'>).body;
    if (head !== record.prev || typeof signature !== 'string') return false;
    return verifyBytes(key, checkpointBytes(unit, epoch.epoch, record.seq - 1, head), signature);
  });
  return signed.at(-1)?.record.seq ?? -1;
}
