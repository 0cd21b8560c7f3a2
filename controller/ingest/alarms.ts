/**
 * What must be known afterwards: a journal that contradicts itself, a life of a spool that comes back. Counted like a refusal, kept open
 * until a person has seen to it, and entered in the audit chain when it is raised: however often it comes again, once.
 */
import { randomUUID } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import type { Transaction } from 'kysely';
import { appendAudit } from '../store/audit.js';
import type { Tables } from '../store/tables.js';
import type { Context, Link } from './context.js';

export type AlarmDetail = { readonly [key: string]: Json } & { readonly epoch: string };

/** `more` stands or falls with the alarm. Whether it is answered and counted as a refusal is the caller's business. */
export async function enterAlarm(
  context: Context,
  link: Link,
  fault: Fault,
  detail: AlarmDetail,
  more: (trx: Transaction<Tables>) => Promise<void> = async () => undefined,
): Promise<void> {
  const key = `${fault.code} ${detail.epoch}`;
  if (link.audited.has(key)) return;
  link.audited.add(key);
  context.counters.alarms += 1;
  context.log.error({ unit: link.unit, error: fault, ...detail }, 'alarm');
  const shown = { ...detail, certificate: link.certificateSerial ?? null };
  try {
    await context.store.db.transaction().execute(async (trx) => {
      await raise(trx, { unit: link.unit, utcMs: Math.round(context.clock.utc()), fault, detail: shown });
      await more(trx);
    });
  } catch (error) {
    // It is raised when it comes again.
    link.audited.delete(key);
    throw error;
  }
}

interface Raised {
  unit: string;
  utcMs: number;
  fault: Fault;
  detail: AlarmDetail;
}

async function raise(trx: Transaction<Tables>, { unit, utcMs, fault, detail }: Raised): Promise<void> {
  const told = { message: fault.message, detail_json: canonicalJson(detail), last_utc_ms: utcMs };
  const { numUpdatedRows } = await trx
    .updateTable('alarm')
    .set((eb) => ({ ...told, count: eb('count', '+', 1) }))
    .where('unit', '=', unit)
    .where('code', '=', fault.code)
    .where('epoch', '=', detail.epoch)
    .where('closed_utc_ms', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) return;
  const open = { closed_utc_ms: null, closed_by: null, closed_reason: null };
  const row = { id: randomUUID(), unit, code: fault.code, epoch: detail.epoch, first_utc_ms: utcMs, count: 1, ...told, ...open };
  await trx.insertInto('alarm').values(row).execute();
  await appendAudit(trx, {
    utcMs,
    person: `unit:${unit}`,
    action: 'journal-alarm',
    subject: unit,
    detail: { code: fault.code, message: fault.message, ...detail },
  });
}

/**
 * A unit that says hello with less journal than is here has lost some or is a copy; one that comes back with an epoch older than its
 * last lives twice. Neither is refused: its journal will be, where it contradicts what is stored.
 */
export async function checkHello(context: Context, link: Link, hello: { epoch: string; journalNext: number }): Promise<void> {
  const rows = await context.store.db
    .selectFrom('epoch')
    .select(['epoch', 'next_seq', 'head', 'started_utc_ms'])
    .where('unit', '=', link.unit)
    .orderBy('started_utc_ms', 'desc')
    .execute();
  const own = rows.find((row) => row.epoch === hello.epoch);
  if (!own) return;
  const alarm = (code: string, message: string, detail: { readonly [key: string]: Json }): Promise<void> => {
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
    await alarm('LR_EPOCH_RETURNED', 'an epoch that another one has followed is live again', {
      newest: newest.epoch,
      newestStartedUtcMs: newest.started_utc_ms,
      newestHas: newest.next_seq,
      newestHead: newest.head,
      has: hello.journalNext,
    });
}
