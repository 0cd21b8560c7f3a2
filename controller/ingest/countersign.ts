/**
 * The centre's own signature under a unit's checkpoints, with the time at which they were durable here: kept with the journal, sent to
 * the unit, part of every export. From then on neither side can change what lies before without the other's key.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { UtcMs } from '@longroof/base/clock';
import type { JournalRecord } from '@longroof/protocol/journal';
import type { CheckpointReceipt } from '@longroof/protocol/messages';
import { keyId, signStatement } from '@longroof/protocol/signed';
import type { Transaction } from 'kysely';
import type { Db } from '../store/open.js';
import type { Tables } from '../store/tables.js';
import type { Context, Link, Signer } from './context.js';

/** Exports name the certificate of whoever signed. */
export async function enterSigner(db: Db, { key, certPem }: Signer): Promise<void> {
  await db
    .insertInto('signer')
    .values({ key_id: keyId(key), certificate_pem: certPem })
    .onConflict((conflict) => conflict.column('key_id').doNothing())
    .execute();
}

export interface Fresh {
  unit: string;
  epoch: string;
  /** As they are stored by the same transaction, each with its hash. */
  records: readonly { record: JournalRecord; hash: string }[];
  receivedUtcMs: UtcMs;
}

/** The last one as it goes to the unit; undefined where there is no checkpoint among them. */
export async function countersign(
  trx: Transaction<Tables>,
  { receiptSigner, store, counters }: Context,
  { unit, epoch, records, receivedUtcMs }: Fresh,
): Promise<string | undefined> {
  const { storeEpoch } = store;
  const rows = records.flatMap(({ record: { type, seq }, hash }) => {
    if (type !== 'checkpoint') return [];
    const statement: CheckpointReceipt = { what: 'longroof-countersigned-1', unit, epoch, seq, hash, storeEpoch, receivedUtcMs };
    const signed = signStatement(receiptSigner.key, statement);
    return [{ unit, epoch, seq, text: canonicalJson(signed as unknown as Json), key_id: signed.keyId }];
  });
  if (rows.length === 0) return undefined;
  await trx.insertInto('countersigned').values(rows).execute();
  counters.countersigned += rows.length;
  return rows.at(-1)?.text;
}

/** Of what a connection brought down with it the unit may have heard nothing. */
export async function sendLastCountersigned(context: Context, link: Link): Promise<void> {
  if (link.epoch === undefined) return;
  const row = await context.store.db
    .selectFrom('countersigned')
    .select('text')
    .where('unit', '=', link.unit)
    .where('epoch', '=', link.epoch)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row) await sendCountersigned(context, link, row.text);
}

export function sendCountersigned(context: Context, link: Link, text: string): Promise<void> {
  return context.broker.publish(link.session, 'receipt', Buffer.from(text), 1);
}
