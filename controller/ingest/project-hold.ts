/**
 * `hold`: what a unit made of a hold: placed, refused because half of its spool is held already, or lifted. A hold that it placed by
 * itself, for an event, becomes known here by its record.
 */
import type { JournalBodies, JournalRecord } from '@longroof/protocol/journal';
import { isEventId } from '@longroof/protocol/marks';
import type { HoldTable } from '../store/tables-kept.js';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { POLICY_PERSON } from './project-mark.js';
import { isCount, isReal } from './read-message.js';

const CAMERAS_MAX = 16;
const STATE = { placed: 'placed', refused: 'refused', released: 'lifted' } as const;

export async function projectHold(projected: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'hold'>;
  checkBody(record, [
    ['holdId', isText(body.holdId, 64)],
    ['action', Object.hasOwn(STATE, String(body.action))],
    ['bytes', isCount(Math.round(body.bytes))],
    ['reason', body.reason === undefined || isText(body.reason, 1000)],
  ]);
  const state = STATE[body.action];
  if (isEventId(body.holdId)) await adopt(projected, record, body);
  const { trx, unit, nowMs } = projected;
  await trx
    .updateTable('hold')
    .set({ state, bytes: body.bytes, problem: body.reason ?? null, ...(state === 'placed' ? {} : { ended_utc_ms: nowMs }) })
    .where('id', '=', body.holdId)
    .where('unit', '=', unit)
    // What is being lifted, or was, is not placed again by an older record.
    .where('state', 'in', state === 'lifted' ? ['queued', 'placed', 'lifting'] : ['queued', 'placed'])
    .execute();
}

async function adopt({ trx, unit, nowMs }: Projected, record: JournalRecord, body: JournalBodies['hold']): Promise<void> {
  const { holdId, cameras, fromUtcMs, toUtcMs, owner, reviewUtcMs, bytes } = body;
  checkBody(record, [
    ['cameras', Array.isArray(cameras) && cameras.length <= CAMERAS_MAX && cameras.every((camera) => isText(camera, 32))],
    ['owner', isText(owner, 200)],
    ['times', [fromUtcMs, toUtcMs, reviewUtcMs].every(isReal) && fromUtcMs < toUtcMs],
  ]);
  const row: HoldTable = {
    ...{ id: holdId, unit, cameras_json: JSON.stringify(cameras), from_utc_ms: fromUtcMs, to_utc_ms: toUtcMs, owner },
    ...{ review_utc_ms: reviewUtcMs, made: 0, reason: owner, person: POLICY_PERSON, state: 'queued', bytes, problem: null },
    ...{ created_utc_ms: Math.round(nowMs), ended_utc_ms: null },
  };
  await trx
    .insertInto('hold')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}
