/** `dispose` and `loss`: a reel that is no longer on the wagon, and how it went. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, streamRules } from './body.js';
import type { Projected } from './project.js';
import { isCount } from './read-message.js';

export function projectDisposal(projected: Projected, record: JournalRecord): void {
  const disposal = record as JournalRecord<'dispose' | 'loss'>;
  const { body } = disposal;
  checkBody(record, [
    ...streamRules(body),
    ['run', isCount(body.run)],
    ['seqFirst', isCount(body.seqFirst)],
    ['count', isCount(body.count)],
    ['reason', typeof body.reason === 'string'],
  ]);
  const gone = record.type === 'loss' ? 'lost' : body.reason === 'released' ? 'released' : 'expired';
  projected.disposals.push({ record: disposal, gone });
}

export async function writeDisposals({ trx, unit, epoch, disposals }: Projected): Promise<void> {
  for (const { record, gone } of disposals) {
    const { camera, rendition, run, seqFirst, count } = record.body;
    await trx
      .updateTable('reel')
      .set({ gone })
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .where('camera', '=', camera)
      .where('rendition', '=', rendition)
      .where('run', '=', run)
      .where('seq_first', '>=', seqFirst)
      .where('seq_first', '<', seqFirst + Math.max(1, count))
      .execute();
  }
}
