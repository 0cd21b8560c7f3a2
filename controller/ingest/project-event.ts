/** `event`: what a unit says of a store that was restored, and what it made of a configuration that it was asked to take on. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { projectStore } from './project-store.js';

export async function projectEvent(projected: Projected, record: JournalRecord): Promise<void> {
  if ((record as JournalRecord<'event'>).body.event === 'configuration') await projectConfiguration(projected, record);
  else await projectStore(projected, record);
}

async function projectConfiguration({ trx, unit, nowMs }: Projected, record: JournalRecord): Promise<void> {
  const { configurationId, state, code, message } = (record as JournalRecord<'event'>).body.detail ?? {};
  const isRefused = state === 'refused';
  checkBody(record, [
    ['detail.configurationId', isText(configurationId, 64)],
    ['detail.state', state === 'applied' || isRefused],
    ['detail.code', !isRefused || isText(code, 64)],
    ['detail.message', !isRefused || isText(message, 1000)],
  ]);
  await trx
    .updateTable('configuration')
    .set({
      ...{ state: isRefused ? 'refused' : 'applied', answered_utc_ms: nowMs },
      ...(isRefused ? { code: code as string, message: message as string } : { code: null, message: null }),
    })
    .where('id', '=', configurationId as string)
    .where('unit', '=', unit)
    // A unit with a new disk takes it on anew, and may then refuse what an earlier one took.
    .where('state', 'in', ['queued', 'applied'])
    .execute();
}
