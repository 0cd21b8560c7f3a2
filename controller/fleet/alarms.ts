/** Alarms of units that contradict themselves: a copied disk or key, a journal set back. Open until a person has seen to them. */
import { type Clock, rfc3339 } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Kysely } from 'kysely';
import { recordsAt } from '../store/journal.js';
import type { Db } from '../store/open.js';
import type { Tables } from '../store/tables.js';
import type { AlarmTable } from '../store/tables-evidence.js';
import type { AlarmFactsShape, AlarmShape } from './shapes.js';

const OPEN_MAX = 50;
const LIST_MAX = 200;
const RECORDS_MAX = 100;

/** Open ones of each unit, newest first. */
export async function openAlarms(db: Kysely<Tables>, units: readonly string[]): Promise<Map<string, AlarmShape[]>> {
  const rows = await db
    .selectFrom('alarm')
    .selectAll()
    .where('unit', 'in', units)
    .where('closed_utc_ms', 'is', null)
    .orderBy('last_utc_ms', 'desc')
    .execute();
  const open = new Map<string, AlarmShape[]>();
  for (const row of rows) {
    const those = open.get(row.unit) ?? [];
    open.set(row.unit, those);
    if (those.length < OPEN_MAX) those.push(shape(row));
  }
  return open;
}

export class Alarms {
  readonly #db: Db;
  readonly #clock: Pick<Clock, 'utc'>;

  constructor(db: Db, clock: Pick<Clock, 'utc'>) {
    this.#db = db;
    this.#clock = clock;
  }

  /** All of a unit, newest first, with both sides of what each is about. Throws LR_UNIT_UNKNOWN. */
  async list(unit: string): Promise<AlarmFactsShape[]> {
    const known = await this.#db.selectFrom('unit').select('unit').where('unit', '=', unit).executeTakeFirst();
    if (!known) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unit}`);
    const rows = await this.#db
      .selectFrom('alarm')
      .selectAll()
      .where('unit', '=', unit)
      .orderBy('last_utc_ms', 'desc')
      .limit(LIST_MAX)
      .execute();
    const shapes: AlarmFactsShape[] = [];
    for (const row of rows) shapes.push({ ...shape(row), detail: JSON.parse(row.detail_json), ...(await this.#fork(row)) });
    return shapes;
  }

  /** Throws LR_ALARM_UNKNOWN, LR_ALARM_CLOSED. */
  async close(unit: string, id: string, person: string, reason: string): Promise<AlarmShape> {
    const { numUpdatedRows } = await this.#db
      .updateTable('alarm')
      .set({ closed_utc_ms: Math.round(this.#clock.utc()), closed_by: person, closed_reason: reason.trim() })
      .where('id', '=', id)
      .where('unit', '=', unit)
      .where('closed_utc_ms', 'is', null)
      .executeTakeFirst();
    const row = await this.#db.selectFrom('alarm').selectAll().where('id', '=', id).where('unit', '=', unit).executeTakeFirst();
    if (!row) throw new Fault('not-found', 'LR_ALARM_UNKNOWN', `${unit} has no alarm ${id}`);
    if (numUpdatedRows === 0n) throw new Fault('conflict', 'LR_ALARM_CLOSED', 'somebody has seen to this alarm already');
    return shape(row);
  }

  /** Of a fork: what is stored and what came later under the same numbers, or does not follow from what is stored. */
  async #fork({ unit, epoch, code }: AlarmTable): Promise<Pick<AlarmFactsShape, 'before' | 'records'>> {
    if (code !== 'LR_JOURNAL_FORK') return { before: null, records: [] };
    const others = await this.#db
      .selectFrom('contradiction')
      .selectAll()
      .where('unit', '=', unit)
      .where('epoch', '=', epoch)
      .orderBy('seq')
      .orderBy('received_utc_ms')
      .limit(RECORDS_MAX)
      .execute();
    const [first] = others;
    if (!first) return { before: null, records: [] };
    const seqs = [...new Set([first.seq - 1, ...others.map((row) => row.seq)])];
    const stored = await recordsAt(this.#db, { unit, epoch }, seqs);
    const records = others.map((row) => ({
      seq: row.seq,
      stored: stored.get(row.seq)?.text ?? null,
      other: row.text,
      received: rfc3339(row.received_utc_ms),
      signed: row.signed === 1,
    }));
    return { before: stored.get(first.seq - 1)?.text ?? null, records };
  }
}

function shape(row: AlarmTable): AlarmShape {
  const { id, code, message, epoch, count } = row;
  return {
    ...{ id, code, message, epoch, count, first: rfc3339(row.first_utc_ms), last: rfc3339(row.last_utc_ms) },
    ...(row.closed_utc_ms === null
      ? {}
      : { closed: { at: rfc3339(row.closed_utc_ms), person: row.closed_by ?? '', reason: row.closed_reason ?? '' } }),
  };
}
