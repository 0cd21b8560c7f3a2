/** `run`: the boot that the run belongs to, and what the unit now is. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';

export async function projectRun(projected: Projected, record: JournalRecord): Promise<void> {
  const { boot, version } = (record as JournalRecord<'run'>).body;
  checkBody(record, [
    ['boot', isText(boot, 64) && boot.length > 0],
    ['version', isText(version, 64)],
  ]);
  const { trx, unit, epoch } = projected;
  await trx
    .insertInto('run')
    .values({ unit, epoch, run: record.run, boot })
    .onConflict((conflict) => conflict.columns(['unit', 'epoch', 'run']).doNothing())
    .execute();
  projected.walls.noteRun(record.run, boot);
  await trx.updateTable('unit').set({ run: record.run, version }).where('unit', '=', unit).where('epoch', '=', epoch).execute();
}
