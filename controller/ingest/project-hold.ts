/** `hold`: what a unit made of a hold: placed, refused because half of its spool is held already, or lifted. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { isCount } from './read-message.js';

const STATE = { placed: 'placed', refused: 'refused', released: 'lifted' } as const;

export async function projectHold({ trx, unit, nowMs }: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'hold'>;
  checkBody(record, [
    ['holdId', isText(body.holdId, 64)],
    ['action', Object.hasOwn(STATE, String(body.action))],
    ['bytes', isCount(Math.round(body.bytes))],
    ['reason', body.reason === undefined || isText(body.reason, 1000)],
  ]);
  const state = STATE[body.action];
  await trx
    .updateTable('hold')
    .set({ state, bytes: body.bytes, problem: body.reason ?? null, ...(state === 'placed' ? {} : { ended_utc_ms: nowMs }) })
    .where('id', '=', body.holdId)
    .where('unit', '=', unit)
    // What is being lifted, or was, is not placed again by an older record.
    .where('state', 'in', state === 'lifted' ? ['queued', 'placed', 'lifting'] : ['queued', 'placed'])
    .execute();
}
