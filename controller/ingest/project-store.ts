/** `event`: what a unit says of a store that was restored: that receipts from before are void, then that all it still had is offered. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { isCount } from './read-message.js';

type Detail = Readonly<Record<string, unknown>>;

export async function projectStore(projected: Projected, record: JournalRecord): Promise<void> {
  const { event, detail } = (record as JournalRecord<'event'>).body;
  if (event === 'store-changed') await changed(projected, record, detail ?? {});
  else if (event === 'store-offered') await offered(projected, record, detail ?? {});
}

async function changed({ trx, unit, epoch, nowMs }: Projected, record: JournalRecord, detail: Detail): Promise<void> {
  const { storeEpoch, released } = detail;
  checkBody(record, [
    ['detail.storeEpoch', isText(storeEpoch, 64)],
    ['detail.released', isCount(released)],
  ]);
  const offered = { offered_utc_ms: null, fragments: null, bytes: null, refused: null };
  const row = { epoch, changed_utc_ms: nowMs, released: released as number, ...offered };
  await trx
    .insertInto('restore_unit')
    .values({ store_epoch: storeEpoch as string, unit, ...row })
    .onConflict((conflict) => conflict.columns(['store_epoch', 'unit']).doUpdateSet(row))
    .execute();
}

async function offered({ trx, unit, nowMs }: Projected, record: JournalRecord, detail: Detail): Promise<void> {
  const { storeEpoch, fragments, bytes, refused } = detail;
  checkBody(record, [
    ['detail.storeEpoch', isText(storeEpoch, 64)],
    ['detail.fragments', isCount(fragments)],
    ['detail.bytes', isCount(bytes)],
    ['detail.refused', isCount(refused)],
  ]);
  await trx
    .updateTable('restore_unit')
    .set({ offered_utc_ms: nowMs, fragments: fragments as number, bytes: bytes as number, refused: refused as number })
    .where('store_epoch', '=', storeEpoch as string)
    .where('unit', '=', unit)
    // After a restart of the agent what was left is offered: what it counted then adds nothing to a count that is whole.
    .where('offered_utc_ms', 'is', null)
    .execute();
}
