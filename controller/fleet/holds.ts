/**
 * Holds: footage on a wagon that must not be recycled, with an owner who answers for it and a date at which it is looked at again. The
 * wagon keeps them within half of its spool (S6), and refuses what is beyond.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { HOLDS_MAX } from '@longroof/protocol/messages';
import type { Ingest } from '../ingest/ingest.js';
import type { Store } from '../store/open.js';
import type { HoldTable } from '../store/tables-kept.js';
import { camerasOf } from './cameras.js';
import type { HoldShape } from './shapes.js';

export interface HoldRequest {
  unitId: string;
  /** All where left out. */
  cameras?: string[];
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  owner: string;
  reviewUtcMs: UtcMs;
  /** Also copies and strips that the wagon made. */
  made?: boolean;
  reason: string;
}

const CAMERAS_MAX = 16;
const REVIEW_MS_MAX = 366 * 86_400_000;
const LIST_MAX = 1000;
const STANDING = ['queued', 'placed'] as const;

export class Holds {
  readonly #store: Store;
  readonly #ingest: Pick<Ingest, 'sendDesired'>;
  readonly #clock: Pick<Clock, 'utc'>;

  constructor(options: { store: Store; ingest: Pick<Ingest, 'sendDesired'>; clock: Pick<Clock, 'utc'> }) {
    this.#store = options.store;
    this.#ingest = options.ingest;
    this.#clock = options.clock;
  }

  /** Throws LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN, LR_HOLD_TIME, LR_HOLD_COUNT. */
  async place(person: string, request: HoldRequest): Promise<HoldShape> {
    const { db } = this.#store;
    const { unitId, fromUtcMs, toUtcMs, reviewUtcMs, owner, reason, made } = request;
    const nowMs = Math.round(this.#clock.utc());
    if (!(toUtcMs > fromUtcMs) || !(reviewUtcMs > nowMs && reviewUtcMs - nowMs <= REVIEW_MS_MAX))
      throw new Fault('invalid', 'LR_HOLD_TIME', 'a hold ends after it begins, and is reviewed within a year from now');
    const unit = await db.selectFrom('unit').select('status_json').where('unit', '=', unitId).executeTakeFirst();
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unitId}`);
    const known = await camerasOf(db, unitId, unit.status_json);
    const cameras = [...new Set(request.cameras ?? [...known].sort().slice(0, CAMERAS_MAX))];
    const unknown = cameras.find((camera) => known.size > 0 && !known.has(camera));
    if (cameras.length === 0 || unknown !== undefined)
      throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `${unitId} never had a camera by the name of ${unknown ?? 'any'}`);
    const standing = await db
      .selectFrom('hold')
      .select('id')
      .where('unit', '=', unitId)
      .where('state', 'in', STANDING)
      .where('id', 'not like', 'event-%')
      .execute();
    if (standing.length >= HOLDS_MAX) throw new Fault('too-large', 'LR_HOLD_COUNT', `a wagon keeps at most ${HOLDS_MAX} holds`);
    const row: HoldTable = {
      ...{ id: randomUUID(), unit: unitId, cameras_json: JSON.stringify(cameras), from_utc_ms: fromUtcMs, to_utc_ms: toUtcMs },
      ...{ owner: owner.trim(), review_utc_ms: reviewUtcMs, made: made ? 1 : 0, reason: reason.trim(), person, state: 'queued' },
      ...{ bytes: null, problem: null, created_utc_ms: nowMs, ended_utc_ms: null },
    };
    await db.insertInto('hold').values(row).execute();
    await this.#ingest.sendDesired(unitId);
    return shape(row, nowMs);
  }

  /** The wagon lets go of it when it is reached. Throws LR_HOLD_UNKNOWN, LR_HOLD_ENDED. */
  async lift(id: string): Promise<HoldShape> {
    const { db } = this.#store;
    const { numUpdatedRows } = await db
      .updateTable('hold')
      .set({ state: 'lifting' })
      .where('id', '=', id)
      .where('state', 'in', STANDING)
      .executeTakeFirst();
    const row = await db.selectFrom('hold').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) throw new Fault('not-found', 'LR_HOLD_UNKNOWN', `there is no hold ${id}`);
    if (numUpdatedRows === 0n) throw new Fault('conflict', 'LR_HOLD_ENDED', 'the hold has been lifted or refused already');
    await this.#ingest.sendDesired(row.unit);
    return shape(row, this.#clock.utc());
  }

  /** Those that stand first, the review that is due soonest on top. */
  async list(): Promise<HoldShape[]> {
    const rows = await this.#store.db
      .selectFrom('hold')
      .selectAll()
      .orderBy('ended_utc_ms')
      .orderBy('review_utc_ms')
      .limit(LIST_MAX)
      .execute();
    const nowMs = this.#clock.utc();
    return rows.map((row) => shape(row, nowMs));
  }
}

function shape(row: HoldTable, nowMs: UtcMs): HoldShape {
  return {
    id: row.id,
    unitId: row.unit,
    cameras: JSON.parse(row.cameras_json) as string[],
    from: rfc3339(row.from_utc_ms),
    to: rfc3339(row.to_utc_ms),
    owner: row.owner,
    review: rfc3339(row.review_utc_ms),
    reviewDue: row.ended_utc_ms === null && row.review_utc_ms <= nowMs,
    made: row.made === 1,
    reason: row.reason,
    person: row.person,
    state: row.state,
    bytes: row.bytes,
    ...(row.problem === null ? {} : { problem: row.problem }),
    created: rfc3339(row.created_utc_ms),
    ...(row.ended_utc_ms === null ? {} : { ended: rfc3339(row.ended_utc_ms) }),
  };
}
