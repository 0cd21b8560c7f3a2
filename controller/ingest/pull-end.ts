/** When a pull is done: the unit has said its last word, and every fragment that it named is durable here. */
import type { UtcMs } from '@longroof/base/clock';
import type { Kysely } from 'kysely';
import { storedOf } from '../store/stored.js';
import type { Tables } from '../store/tables.js';
import { absentOf, addMissing } from './absent.js';

/**
 * Ends the pull where it can end. After `partial` the unit will send no more, so what is not here stays away. After `complete` the rest
 * is on its way, unless this store is older than its receipt and the wagon has let it go since: then it is told as missing.
 */
export async function finishPull(trx: Kysely<Tables>, id: string, nowMs: UtcMs): Promise<boolean> {
  const pull = await trx.selectFrom('pull').selectAll().where('id', '=', id).executeTakeFirst();
  if (pull?.state !== 'running' || pull.final === null) return false;
  if (pull.final === 'complete') {
    const parts = await trx.selectFrom('pull_part').selectAll().where('pull', '=', id).execute();
    let short = false;
    for (const part of parts) {
      const stored = await storedOf(trx, pull.unit, part);
      short ||= stored.fragments < part.seq_last - part.seq_first + 1;
    }
    const absent = short ? await absentOf(trx, pull) : [];
    if (absent.some(({ cause }) => cause === 'damaged')) return false;
    await addMissing(trx, id, absent);
  }
  await trx.updateTable('pull').set({ state: 'done', ended_utc_ms: nowMs }).where('id', '=', id).execute();
  return true;
}

/** Pulls of a unit whose last word was said before their last fragment was here. */
export async function finishPulls(trx: Kysely<Tables>, unit: string, nowMs: UtcMs): Promise<boolean> {
  const rows = await trx
    .selectFrom('pull')
    .select('id')
    .where('unit', '=', unit)
    .where('state', '=', 'running')
    .where('final', 'is not', null)
    .execute();
  let ended = false;
  for (const { id } of rows) ended = (await finishPull(trx, id, nowMs)) || ended;
  return ended;
}
