/**
 * The audit chain: who looked at, asked for or changed what, and why. `hash` is the SHA-256 of the canonical JSON of all other
 * members, `prev` the hash before it (64 zeros for the first). Rows are only ever added.
 */
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import type { UtcMs } from '@longroof/base/clock';
import type { Transaction } from 'kysely';
import type { Db } from './open.js';
import type { AuditTable, Tables } from './tables.js';

export interface AuditEntry {
  utcMs: UtcMs;
  /** A person's name, or `unit:NAME` for what a unit caused. */
  person: string;
  action: string;
  subject: string;
  reason?: string;
  detail?: { readonly [key: string]: Json | undefined };
}

export const AUDIT_FIRST_PREV = '0'.repeat(64);

export function auditHash(row: Omit<AuditTable, 'hash'>): string {
  const { seq, utc_ms, person, action, subject, reason, detail_json, prev } = row;
  return sha256Hex(canonicalJson({ seq, utc_ms, person, action, subject, reason, detail_json, prev }));
}

/** Adds an entry inside a transaction of the caller, so that it stands or falls with what it tells of. */
export async function appendAudit(trx: Transaction<Tables>, entry: AuditEntry): Promise<AuditTable> {
  const last = await trx.selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst();
  const row = {
    seq: (last?.seq ?? -1) + 1,
    utc_ms: Math.round(entry.utcMs),
    person: entry.person,
    action: entry.action,
    subject: entry.subject,
    reason: entry.reason ?? null,
    detail_json: canonicalJson(entry.detail ?? {}),
    prev: last?.hash ?? AUDIT_FIRST_PREV,
  };
  const whole = { ...row, hash: auditHash(row) };
  await trx.insertInto('audit').values(whole).execute();
  return whole;
}

/** The seq of the first entry that does not follow from the one before it, or undefined when the chain is whole. */
export async function firstAuditBreak(db: Db): Promise<number | undefined> {
  let prev = AUDIT_FIRST_PREV;
  let next = 0;
  for (;;) {
    const rows = await db.selectFrom('audit').selectAll().where('seq', '>=', next).orderBy('seq').limit(1000).execute();
    for (const row of rows) {
      if (row.seq !== next || row.prev !== prev || row.hash !== auditHash(row)) return next;
      prev = row.hash;
      next += 1;
    }
    if (rows.length === 0) return undefined;
  }
}
