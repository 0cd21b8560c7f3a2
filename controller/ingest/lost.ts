/**
 * Footage that was receipted, is not here and is no longer on the wagon. In a store that was never restored there is none: a row stands
 * before its receipt is signed. Entered with its place in the reel; when it was follows from the reel.
 */
import { appendAudit } from '../store/audit.js';
import type { LostTable } from '../store/tables-kept.js';
import { absentPieces } from './absent.js';
import type { Disposal, Projected } from './project.js';

interface Run {
  seq_first: number;
  seq_last: number;
  bytes: number;
}

/** What the record says had a receipt: all of a reel that went as released, else the runs that it names. */
function receipted({ record, gone }: Disposal): Run[] {
  const { seqFirst, count, bytes, receipted: runs } = record.body;
  if (gone === 'released') return count > 0 ? [{ seq_first: seqFirst, seq_last: seqFirst + count - 1, bytes }] : [];
  return (runs ?? []).map(([first, last, sum]) => ({ seq_first: first, seq_last: last, bytes: sum }));
}

export async function noteLost(projected: Projected, disposal: Disposal): Promise<void> {
  const { trx, unit, epoch, nowMs, storeEpoch } = projected;
  const { camera, rendition, run } = disposal.record.body;
  const rows: LostTable[] = [];
  for (const receiptedRun of receipted(disposal)) {
    const stored = await storedIn(projected, disposal, receiptedRun);
    const pieces = absentPieces(receiptedRun, stored);
    const left = receiptedRun.bytes - stored.reduce((sum, row) => sum + row.bytes, 0);
    for (const { first, last } of pieces)
      rows.push({
        ...{ unit, epoch, camera, rendition, run, seq_first: first, seq_last: last, bytes: pieces.length === 1 ? left : null },
        ...{ gone: disposal.gone, noted_utc_ms: nowMs, store_epoch: storeEpoch },
      });
  }
  if (rows.length === 0) return;
  await trx
    .insertInto('lost')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['unit', 'epoch', 'camera', 'rendition', 'run', 'seq_first']).doNothing())
    .execute();
  const fragments = rows.reduce((sum, row) => sum + row.seq_last - row.seq_first + 1, 0);
  await appendAudit(trx, {
    utcMs: nowMs,
    person: `unit:${unit}`,
    action: 'footage-lost',
    subject: `unit:${unit}`,
    detail: { camera, rendition, run, epoch, fragments, why: 'receipted before the restore, not in the backup, no longer on the wagon' },
  });
}

function storedIn({ trx, unit, epoch }: Projected, { record }: Disposal, run: Run): Promise<{ seq: number; bytes: number }[]> {
  return trx
    .selectFrom('fragment')
    .select(['seq', 'bytes'])
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('camera', '=', record.body.camera)
    .where('rendition', '=', record.body.rendition)
    .where('run', '=', record.body.run)
    .where('seq', '>=', run.seq_first)
    .where('seq', '<=', run.seq_last)
    .orderBy('seq')
    .execute();
}
