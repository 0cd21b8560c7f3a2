/**
 * `dispose` and `loss`: a reel that is no longer on the wagon, and how it went. What of it had a receipt must be here; where it is not,
 * this store is older than the receipt (it was restored from a backup), and the piece is lost and listed.
 */
import type { JournalRecord } from '@longroof/protocol/journal';
import { markGone } from '../store/reels.js';
import { checkBody, streamRules } from './body.js';
import { noteLost } from './lost.js';
import type { Projected } from './project.js';
import { isCount } from './read-message.js';

const RUNS_MAX = 5000;

function isRuns(runs: unknown): boolean {
  const isRun = (run: unknown): boolean => {
    const [first, last, bytes, ...rest] = Array.isArray(run) ? (run as unknown[]) : [];
    return isCount(first) && isCount(last) && isCount(bytes) && last >= first && rest.length === 0;
  };
  return Array.isArray(runs) && runs.length <= RUNS_MAX && runs.every(isRun);
}

export function projectDisposal(projected: Projected, record: JournalRecord): void {
  const disposal = record as JournalRecord<'dispose' | 'loss'>;
  const { body } = disposal;
  checkBody(record, [
    ...streamRules(body),
    ['run', isCount(body.run)],
    ['seqFirst', isCount(body.seqFirst)],
    ['count', isCount(body.count)],
    ['reason', typeof body.reason === 'string'],
    ['receipted', body.receipted === undefined || isRuns(body.receipted)],
  ]);
  const gone = record.type === 'loss' ? 'lost' : body.reason === 'released' ? 'released' : 'expired';
  projected.disposals.push({ record: disposal, gone });
}

export async function writeDisposals(projected: Projected): Promise<void> {
  const { trx, unit, epoch, disposals } = projected;
  if (disposals.length === 0) return;
  const reels = disposals.map(({ record, gone }) => {
    const { camera, rendition, run, seqFirst, count } = record.body;
    return { unit, epoch, camera, rendition, run, seq_first: seqFirst, count, gone };
  });
  await markGone(trx, reels);
  for (const disposal of disposals) await noteLost(projected, disposal);
}
