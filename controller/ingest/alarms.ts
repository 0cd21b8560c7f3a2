/**
 * What must be known afterwards: a journal that contradicts itself, a life of a spool that comes back. Counted like a refusal, and
 * entered in the audit chain once per connection and code.
 */
import type { Json } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import { appendAudit } from '../store/audit.js';
import type { Context, Link } from './context.js';

export type AlarmDetail = { readonly [key: string]: Json };

/** Enters the alarm; whether it is answered and counted as a refusal is the caller's business. */
export async function enterAlarm(context: Context, link: Link, fault: Fault, detail: AlarmDetail): Promise<void> {
  const key = `${fault.code} ${String(detail['epoch'])}`;
  if (link.audited.has(key)) return;
  link.audited.add(key);
  context.log.error({ unit: link.unit, error: fault, ...detail }, 'alarm');
  const entry = {
    utcMs: context.clock.utc(),
    person: `unit:${link.unit}`,
    action: 'journal-alarm',
    subject: link.unit,
    detail: { code: fault.code, message: fault.message, ...detail },
  };
  await context.store.db.transaction().execute((trx) => appendAudit(trx, entry));
}

/**
 * A unit that says hello with less journal than is here has lost some or is a copy; one that comes back with an epoch older than its
 * last lives twice. Neither is refused: its journal will be, where it contradicts what is stored.
 */
export async function checkHello(context: Context, link: Link, hello: { epoch: string; journalNext: number }): Promise<void> {
  const rows = await context.store.db
    .selectFrom('epoch')
    .select(['epoch', 'next_seq', 'started_utc_ms'])
    .where('unit', '=', link.unit)
    .orderBy('started_utc_ms', 'desc')
    .execute();
  const own = rows.find((row) => row.epoch === hello.epoch);
  if (!own) return;
  const alarm = (code: string, message: string, detail: AlarmDetail): Promise<void> => {
    const fault = new Fault('corrupt', code, message);
    context.refusals.count(link.unit, fault);
    return enterAlarm(context, link, fault, { epoch: hello.epoch, ...detail });
  };
  if (hello.journalNext < own.next_seq)
    await alarm('LR_JOURNAL_ROLLBACK', `the unit has ${hello.journalNext} records of a journal of which ${own.next_seq} are here`, {
      has: hello.journalNext,
      here: own.next_seq,
    });
  const newest = rows[0];
  if (newest && newest.started_utc_ms > own.started_utc_ms)
    await alarm('LR_EPOCH_RETURNED', 'an epoch that another one has followed is live again', { newest: newest.epoch });
}
