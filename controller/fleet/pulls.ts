/**
 * Pulls: what people ask of wagons. Made here, carried out by the unit, ended by its journal; asked of a wagon that is away they wait
 * until it is back.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { isCameraRendition, isPullRendition, type PullRendition } from '@longroof/protocol/fragment';
import { isRateBps, RATE_CAMERA_MS_MAX } from '@longroof/protocol/messages';
import type { Ingest } from '../ingest/ingest.js';
import type { Store } from '../store/open.js';
import type { PullTable } from '../store/tables.js';
import { camerasOf } from './cameras.js';
import { type Reach, shapePull } from './pull-shape.js';
import type { PullShape } from './shapes.js';
import { readStatusJson } from './streams.js';

export interface PullRequest {
  unitId: string;
  cameras: string[];
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  rendition: PullRendition;
  reason: string;
  caseNumber?: string;
  /** A copy of that rate, made on the wagon, instead of the rendition itself. */
  rateBps?: number;
  /** Before all that are not, by the same wagon. */
  urgent?: boolean;
}

export interface PullsOptions {
  store: Store;
  ingest: Pick<Ingest, 'isOnline' | 'sendDesired'>;
  clock: Clock;
}

export const PULL_SPAN_MS_MAX = 24 * 3_600_000;
const FUTURE_MS_MAX = 60_000;
const CAMERAS_MAX = 16;
const REASON_CHARS_MIN = 3;
const REASON_CHARS_MAX = 500;
const CASE_CHARS_MAX = 100;
const LIST_MAX = 500;
const ENDED_MAX = 2000;

export class Pulls {
  readonly #store: Store;
  readonly #ingest: PullsOptions['ingest'];
  readonly #clock: Clock;
  readonly #ended = new Map<string, PullShape>();

  constructor(options: PullsOptions) {
    this.#store = options.store;
    this.#ingest = options.ingest;
    this.#clock = options.clock;
  }

  /**
   * Resolves with the pull's id once it is stored; an online unit has been told by then.
   * Throws LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN, LR_PULL_SPAN, LR_PULL_FUTURE, LR_PULL_REASON, LR_PULL_RATE, LR_PULL_RATE_SPAN.
   */
  async create(person: string, request: PullRequest): Promise<string> {
    const nowMs = Math.round(this.#clock.utc());
    checkRequest(request, nowMs);
    const { unitId, fromUtcMs, toUtcMs, rendition, reason, caseNumber, rateBps, urgent } = request;
    const cameras = [...new Set(request.cameras)];
    const unit = await this.#store.db.selectFrom('unit').select(['unit', 'status_json']).where('unit', '=', unitId).executeTakeFirst();
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unitId}`);
    const known = await camerasOf(this.#store.db, unitId, unit.status_json);
    const unknown = cameras.find((camera) => known.size > 0 && !known.has(camera));
    if (unknown !== undefined) throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `${unitId} never had a camera by the name of ${unknown}`);
    const pull: PullTable = {
      id: randomUUID(),
      unit: unitId,
      cameras_json: JSON.stringify(cameras),
      rendition,
      from_utc_ms: Math.floor(fromUtcMs),
      to_utc_ms: Math.ceil(toUtcMs),
      reason: reason.trim(),
      case_number: caseNumber?.trim() || null,
      person,
      state: 'queued',
      final: null,
      code: null,
      created_utc_ms: nowMs,
      planned_utc_ms: null,
      ended_utc_ms: null,
      bytes_total: null,
      rate_bps: rateBps ?? null,
      derived_json: null,
      urgent: urgent ? 1 : 0,
      withdrawn_generation: null,
    };
    await this.#store.db.insertInto('pull').values(pull).execute();
    await this.#ingest.sendDesired(unitId);
    return pull.id;
  }

  /** What has arrived stays; the wagon is told, at once or when it is back. Throws LR_PULL_UNKNOWN, LR_PULL_ENDED. */
  async cancel(id: string): Promise<void> {
    const { db } = this.#store;
    const ended = { state: 'cancelled' as const, ended_utc_ms: Math.round(this.#clock.utc()) };
    const { numUpdatedRows } = await db
      .updateTable('pull')
      .set(ended)
      .where('id', '=', id)
      .where('ended_utc_ms', 'is', null)
      .executeTakeFirst();
    const pull = await db.selectFrom('pull').select('unit').where('id', '=', id).executeTakeFirst();
    if (!pull) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${id}`);
    if (numUpdatedRows === 0n) throw new Fault('conflict', 'LR_PULL_ENDED', 'the pull has ended already');
    await this.#ingest.sendDesired(pull.unit);
  }

  /** Cameras that a wagon has or ever had; for whoever asks many wagons and names none. Throws LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN. */
  async camerasOf(unitId: string): Promise<string[]> {
    const unit = await this.#store.db.selectFrom('unit').select('status_json').where('unit', '=', unitId).executeTakeFirst();
    if (!unit) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unitId}`);
    const cameras = [...(await camerasOf(this.#store.db, unitId, unit.status_json))].sort().slice(0, CAMERAS_MAX);
    if (cameras.length === 0) throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `no camera of ${unitId} is known`);
    return cameras;
  }

  async get(id: string): Promise<PullShape | undefined> {
    const pull = await this.#store.db.selectFrom('pull').selectAll().where('id', '=', id).executeTakeFirst();
    return pull && this.#shape(pull);
  }

  /** Newest first; the newest 500. */
  async list(): Promise<PullShape[]> {
    const rows = await this.#store.db
      .selectFrom('pull')
      .selectAll()
      .orderBy('created_utc_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(LIST_MAX)
      .execute();
    const shapes: PullShape[] = [];
    for (const row of rows) shapes.push(await this.#shape(row));
    return shapes;
  }

  /** What has ended no longer changes, and a list is asked for every few seconds. */
  async #shape(pull: PullTable): Promise<PullShape> {
    const known = this.#ended.get(pull.id);
    if (known) return known;
    const shape = await this.#shapeNow(pull);
    if (pull.ended_utc_ms === null) return shape;
    if (this.#ended.size >= ENDED_MAX) this.#ended.clear();
    this.#ended.set(pull.id, shape);
    return shape;
  }

  async #shapeNow(pull: PullTable): Promise<PullShape> {
    const { db } = this.#store;
    return shapePull(db, pull, pull.ended_utc_ms === null ? await this.#reach(pull.unit) : {}, this.#clock.utc());
  }

  async #reach(unit: string): Promise<Reach> {
    const { db } = this.#store;
    const row = await db.selectFrom('unit').select(['last_seen_utc_ms', 'status_json']).where('unit', '=', unit).executeTakeFirst();
    if (!row) return {};
    if (!this.#ingest.isOnline(unit)) return { awaySince: rfc3339(row.last_seen_utc_ms) };
    return { link: readStatusJson(row.status_json)?.link };
  }
}

function checkRequest(request: PullRequest, nowMs: UtcMs): void {
  const { cameras, fromUtcMs, toUtcMs, rendition, reason, caseNumber, rateBps } = request;
  const spanMs = toUtcMs - fromUtcMs;
  if (!(spanMs > 0 && spanMs <= PULL_SPAN_MS_MAX))
    throw new Fault('invalid', 'LR_PULL_SPAN', 'a pull takes more than no time and at most 24 hours', {
      hint: 'Ask for a shorter time, or make several pulls.',
    });
  if (fromUtcMs >= nowMs || toUtcMs > nowMs + FUTURE_MS_MAX)
    throw new Fault('invalid', 'LR_PULL_FUTURE', 'a pull of time that is still to come');
  const text = reason.trim();
  if (text.length < REASON_CHARS_MIN || text.length > REASON_CHARS_MAX || (caseNumber?.length ?? 0) > CASE_CHARS_MAX)
    throw new Fault('invalid', 'LR_PULL_REASON', `a pull needs a reason, of ${REASON_CHARS_MIN} to ${REASON_CHARS_MAX} characters`);
  if (cameras.length === 0 || cameras.length > CAMERAS_MAX || !cameras.every(isId))
    throw new Fault('invalid', 'LR_CAMERA_UNKNOWN', `a pull names 1 to ${CAMERAS_MAX} cameras`);
  if (!isPullRendition(rendition)) throw new Fault('invalid', 'LR_RENDITION_UNKNOWN', 'no such rendition');
  if (rateBps === undefined) return;
  if (!isRateBps(rateBps) || !isCameraRendition(rendition))
    throw new Fault('invalid', 'LR_PULL_RATE', 'a copy has 50k to 8M bits a second, and there is none of strips');
  if (spanMs * new Set(cameras).size > RATE_CAMERA_MS_MAX)
    throw new Fault('invalid', 'LR_PULL_RATE_SPAN', 'copies are made of at most 4 hours, all cameras of a pull together', {
      hint: 'Ask for a shorter time or fewer cameras, or without a rate.',
    });
}
