/**
 * Certificates that are no longer taken: one by its serial number, or every one of a unit, until it is admitted again. Each change
 * stands in the audit chain. A row alone works; whoever asks keeps a copy in memory and reads it anew every few seconds.
 */
import type { X509Certificate } from 'node:crypto';
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { Kysely } from 'kysely';
import { appendAudit } from './audit.js';
import type { Db } from './open.js';
import type { Tables } from './tables.js';

const REASON_CHARS_MAX = 500;
/** In place of a serial number: every certificate of the unit. */
const ALL = '';

export function serialOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toLowerCase();
}

export interface Revocation {
  unit: string;
  /** Undefined: every certificate of the unit. */
  serial: string | undefined;
  person: string;
  reason: string;
  utcMs: UtcMs;
}

/** Throws `invalid` (LR_UNIT_NAME, LR_REVOKE_REASON). Revoking again changes nothing but the audit chain. */
export async function revoke(db: Db, { unit, serial, person, reason, utcMs }: Revocation): Promise<void> {
  checkUnit(unit);
  const why = reason.trim();
  if (why === '' || why.length > REASON_CHARS_MAX)
    throw new Fault('invalid', 'LR_REVOKE_REASON', `a reason of 1 to ${REASON_CHARS_MAX} characters is needed`);
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('revocation')
      .values({ unit, serial: serial ?? ALL, revoked_utc_ms: Math.round(utcMs), reason: why })
      .onConflict((conflict) => conflict.columns(['unit', 'serial']).doNothing())
      .execute();
    const detail = serial === undefined ? {} : { serial };
    await appendAudit(trx, { utcMs, person, action: 'revoke', subject: unit, reason: why, detail });
  });
}

/** The unit may come again; certificates that were revoked by their number stay so. Throws `not-found` (LR_NOT_REVOKED). */
export async function readmit(db: Db, { unit, person, utcMs }: Pick<Revocation, 'unit' | 'person' | 'utcMs'>): Promise<void> {
  checkUnit(unit);
  await db.transaction().execute(async (trx) => {
    const { numDeletedRows } = await trx.deleteFrom('revocation').where('unit', '=', unit).where('serial', '=', ALL).executeTakeFirst();
    if (Number(numDeletedRows) === 0) throw new Fault('not-found', 'LR_NOT_REVOKED', `${unit} is not revoked`);
    await appendAudit(trx, { utcMs, person, action: 'readmit', subject: unit });
  });
}

/** `UNIT SERIAL`, or `UNIT ` for all of a unit. */
export async function readRevoked(db: Kysely<Tables>): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('revocation').select(['unit', 'serial']).execute();
  return new Set(rows.map(({ unit, serial }) => `${unit} ${serial}`));
}

export function isRevoked(revoked: ReadonlySet<string>, unit: string, serial: string | undefined): boolean {
  return revoked.size > 0 && (revoked.has(`${unit} ${ALL}`) || (serial !== undefined && revoked.has(`${unit} ${serial}`)));
}

function checkUnit(unit: string): void {
  if (!isId(unit)) throw new Fault('invalid', 'LR_UNIT_NAME', `"${unit}" is no name of a unit`);
}
