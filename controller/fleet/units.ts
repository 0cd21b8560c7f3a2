/** Units as the API tells of them: what each said last, where it was, and what was refused of it. */
import { type Clock, rfc3339 } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Db } from '../store/open.js';
import type { RefusalTable, UnitTable } from '../store/tables.js';
import { openAlarms } from './alarms.js';
import { lastConfigurations } from './configurations.js';
import { shapeLink } from './link-shape.js';
import { powerOf } from './power.js';
import type { AlarmShape, ConfigurationShape, UnitShape } from './shapes.js';
import { newestRuns, readStatusJson, streamsIn } from './streams.js';
import { cameraStatesOf, stateOf } from './unit-state.js';

const REFUSALS_MAX = 50;
const UNITS_MAX = 5000;
/** Asked about at once. */
const TOGETHER = 500;

export class UnitReader {
  readonly #db: Db;
  readonly #clock: Pick<Clock, 'utc'>;

  constructor(db: Db, clock: Pick<Clock, 'utc'>) {
    this.#db = db;
    this.#clock = clock;
  }

  /** In order of name. */
  async list(): Promise<UnitShape[]> {
    const rows = await this.#db.selectFrom('unit').selectAll().orderBy('unit').limit(UNITS_MAX).execute();
    const units: UnitShape[] = [];
    for (let at = 0; at < rows.length; at += TOGETHER) units.push(...(await this.#shapes(rows.slice(at, at + TOGETHER))));
    return units;
  }

  /** Throws LR_UNIT_UNKNOWN. */
  async get(id: string): Promise<UnitShape> {
    const rows = await this.#db.selectFrom('unit').selectAll().where('unit', '=', id).execute();
    const [unit] = await this.#shapes(rows);
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${id}`);
    return unit;
  }

  /** With as many questions for all of them as for one. */
  async #shapes(rows: readonly UnitTable[]): Promise<UnitShape[]> {
    const names = rows.map(({ unit }) => unit);
    if (names.length === 0) return [];
    const runs = await newestRuns(this.#db, names);
    const refusals = new Map<string, RefusalTable[]>();
    for (const refusal of await this.#refusals(names)) refusals.set(refusal.unit, [...(refusals.get(refusal.unit) ?? []), refusal]);
    const epochs = await this.#db.selectFrom('epoch').select(['unit', 'epoch', 'next_seq']).where('unit', 'in', names).execute();
    const next = new Map(epochs.map((row) => [`${row.unit} ${row.epoch}`, row.next_seq]));
    const alarms = await openAlarms(this.#db, names);
    const configurations = await lastConfigurations(this.#db, names);
    const nowMs = this.#clock.utc();
    return rows.map((row) => {
      const { unit, epoch } = row;
      const run = runs.get(unit);
      const told = { runs: run === undefined ? [] : [run], refusals: (refusals.get(unit) ?? []).slice(0, REFUSALS_MAX) };
      const asked = { alarms: alarms.get(unit) ?? [], configuration: configurations.get(unit) ?? null };
      return shape(row, { ...told, ...asked, nowMs, next: next.get(`${unit} ${epoch}`) ?? 0 });
    });
  }

  #refusals(units: readonly string[]): Promise<RefusalTable[]> {
    return this.#db.selectFrom('refusal').selectAll().where('unit', 'in', units).orderBy('last_utc_ms', 'desc').execute();
  }
}

interface Told {
  /** Body of its newest `run` record. */
  runs: readonly string[];
  /** Newest first. */
  refusals: readonly RefusalTable[];
  /** Records of its journal that are here. */
  next: number;
  /** Open ones, newest first. */
  alarms: AlarmShape[];
  /** The last one asked for. */
  configuration: ConfigurationShape | null;
  nowMs: number;
}

function shape(row: UnitTable, { runs, refusals, next, alarms, configuration, nowMs }: Told): UnitShape {
  const status = readStatusJson(row.status_json);
  const streams = streamsIn(status?.online ? status : undefined, runs);
  const online = row.online === 1;
  const power = powerOf(row);
  const known = { online, streams, status, power, nowMs };
  return {
    id: row.unit,
    online,
    state: stateOf(known),
    lastSeen: rfc3339(row.last_seen_utc_ms),
    version: row.version,
    epoch: row.epoch,
    cameras: cameraStatesOf(known),
    position:
      row.lat_deg === null || row.lon_deg === null || row.fix_utc_ms === null
        ? null
        : { latDeg: row.lat_deg, lonDeg: row.lon_deg, at: rfc3339(row.fix_utc_ms) },
    power,
    journal: { next, whole: !refusals.some((refusal) => refusal.code === 'LR_JOURNAL_FORK') },
    refusals: refusals.map((refusal) => ({
      code: refusal.code,
      count: refusal.count,
      last: rfc3339(refusal.last_utc_ms),
      message: refusal.last_message,
    })),
    ...{ alarms, configuration },
    ...(online && status?.link ? { link: shapeLink(status.link) } : {}),
  };
}
