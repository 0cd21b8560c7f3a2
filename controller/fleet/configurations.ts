/** Settings that the centre lays over a unit's own file: asked for by a person with a reason, answered by the unit. */
import { randomUUID } from 'node:crypto';
import { type Clock, rfc3339 } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { readSettings, type UnitSettings } from '@longroof/protocol/settings';
import { type Kysely, sql } from 'kysely';
import type { Ingest } from '../ingest/ingest.js';
import type { Store } from '../store/open.js';
import type { Tables } from '../store/tables.js';
import type { ConfigurationTable } from '../store/tables-evidence.js';
import { camerasOf } from './cameras.js';
import type { ConfigurationShape } from './shapes.js';

const LIST_MAX = 100;

export interface ConfigurationRequest {
  unitId: string;
  settings: unknown;
  reason: string;
}

/** The last one that was asked for, of each unit. */
export async function lastConfigurations(db: Kysely<Tables>, units: readonly string[]): Promise<Map<string, ConfigurationShape>> {
  const ranked = db
    .selectFrom('configuration')
    .selectAll()
    .select(sql<number>`row_number() over (partition by unit order by created_utc_ms desc, id)`.as('place'))
    .where('unit', 'in', units);
  const rows = await db.selectFrom(ranked.as('ranked')).selectAll().where('place', '=', 1).execute();
  return new Map(rows.map((row) => [row.unit, shape(row)]));
}

function configurationsOf(db: Kysely<Tables>, unit: string, limit: number): Promise<ConfigurationTable[]> {
  return db
    .selectFrom('configuration')
    .selectAll()
    .where('unit', '=', unit)
    .orderBy('created_utc_ms', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
}

export class Configurations {
  readonly #store: Store;
  readonly #ingest: Pick<Ingest, 'sendDesired'>;
  readonly #clock: Pick<Clock, 'utc'>;

  constructor(options: { store: Store; ingest: Pick<Ingest, 'sendDesired'>; clock: Pick<Clock, 'utc'> }) {
    this.#store = options.store;
    this.#ingest = options.ingest;
    this.#clock = options.clock;
  }

  /** Takes the place of one that was not answered yet. Throws LR_SETTINGS_SHAPE, LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN. */
  async ask(person: string, { unitId, settings, reason }: ConfigurationRequest): Promise<ConfigurationShape> {
    const { db } = this.#store;
    const wanted = readSettings(settings);
    const unit = await db.selectFrom('unit').select('status_json').where('unit', '=', unitId).executeTakeFirst();
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unitId}`);
    const known = await camerasOf(db, unitId, unit.status_json);
    const unknown = Object.keys(wanted.cameras).find((camera) => known.size > 0 && !known.has(camera));
    if (unknown !== undefined) throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `${unitId} never had a camera by the name of ${unknown}`);
    const row: ConfigurationTable = {
      ...{ id: randomUUID(), unit: unitId, settings_json: JSON.stringify(wanted), reason: reason.trim(), person, state: 'queued' },
      ...{ code: null, message: null, created_utc_ms: Math.round(this.#clock.utc()), answered_utc_ms: null },
    };
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('configuration').set({ state: 'replaced' }).where('unit', '=', unitId).where('state', '=', 'queued').execute();
      // Two at the same millisecond would have no order.
      const last = await trx
        .selectFrom('configuration')
        .select((eb) => eb.fn.max<number | null>('created_utc_ms').as('utc_ms'))
        .where('unit', '=', unitId)
        .executeTakeFirst();
      row.created_utc_ms = Math.max(row.created_utc_ms, Number(last?.utc_ms ?? 0) + 1);
      await trx.insertInto('configuration').values(row).execute();
    });
    await this.#ingest.sendDesired(unitId);
    return shape(row);
  }

  /** Newest first. Throws LR_UNIT_UNKNOWN. */
  async list(unitId: string): Promise<ConfigurationShape[]> {
    const { db } = this.#store;
    const unit = await db.selectFrom('unit').select('unit').where('unit', '=', unitId).executeTakeFirst();
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unitId}`);
    return (await configurationsOf(db, unitId, LIST_MAX)).map(shape);
  }
}

function shape(row: ConfigurationTable): ConfigurationShape {
  return {
    ...{ id: row.id, state: row.state, settings: JSON.parse(row.settings_json) as UnitSettings, reason: row.reason, person: row.person },
    asked: rfc3339(row.created_utc_ms),
    ...(row.answered_utc_ms === null ? {} : { answered: rfc3339(row.answered_utc_ms) }),
    ...(row.code === null ? {} : { problem: { code: row.code, message: row.message ?? '' } }),
  };
}
