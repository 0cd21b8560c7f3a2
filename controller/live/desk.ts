/**
 * Live looks: who watches which camera now, and why. A look is entered in the audit chain when it begins and when it ends, lasts as long
 * as its browser asks for more and never beyond half an hour, and only while there is one the unit is told to show the camera.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, type MonoMs, rfc3339, type Timer, type UtcMs } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { LIVE_CAMERAS_MAX } from '@longroof/protocol/live';
import { camerasOf } from '../fleet/cameras.js';
import type { LiveShape } from '../fleet/shapes.js';
import { appendAudit } from '../store/audit.js';
import type { Store } from '../store/open.js';
import type { LiveTable } from '../store/tables-kept.js';
import { LiveStream, type ShownPiece } from './stream.js';

/** A look that nobody moves on is over after so long: its process has died. */
const UNTIL_MS = 20_000;
const RENEW_MS = 5_000;
/** A browser that asks for nothing for so long watches no more. */
export const GONE_MS = 6_000;
export const LOOK_MS_MAX = 30 * 60_000;
/** How long a browser is kept waiting for the next piece. */
const HOLD_MS = 4_000;
const TICK_MS = 1_000;
const REASON_CHARS_MIN = 3;
/** At one process: each camera keeps some megabytes of pieces. */
const LOOKS_MAX = 64;

/** What the desk needs of ingest. */
export interface LiveLink {
  sendDesired(unit: string): Promise<void>;
  watchLive(unit: string, on: boolean): void;
  acknowledgeLive(unit: string, handle: number, offset: number): void;
}

export interface LiveDeskOptions {
  store: Store;
  link: LiveLink;
  clock: Clock;
  log: Log;
}

type End = 'closed' | 'gone' | 'time' | 'centre-stopped' | 'centre-lost';

interface Look {
  row: LiveTable;
  stream: LiveStream;
  begunMonoMs: MonoMs;
  askedMonoMs: MonoMs;
  /** Requests that wait for a piece. */
  waiting: number;
  ended: AbortController;
}

export class LiveDesk {
  readonly #options: LiveDeskOptions;
  readonly #looks = new Map<string, Look>();
  readonly #streams = new Map<string, LiveStream>();
  #tick: Timer | undefined;
  #renewedMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: LiveDeskOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, log } = this.#options;
    this.#tick = clock.every(TICK_MS, () => {
      this.#running ??= this.#look()
        .catch((error: unknown) => log.error({ error: toFault(error, 'live looks') }, 'live looks could not be kept up'))
        .finally(() => {
          this.#running = undefined;
        });
    });
  }

  async stop(): Promise<void> {
    this.#tick?.cancel();
    await this.#running;
    for (const look of [...this.#looks.values()]) await this.#end(look, 'centre-stopped');
  }

  /** Throws LR_VIEW_REASON, LR_UNIT_UNKNOWN, LR_CAMERA_UNKNOWN, LR_LIVE_OFFLINE, LR_LIVE_COUNT. */
  async begin(person: string, wanted: { unitId: string; camera: string; reason: string }): Promise<LiveShape> {
    const { store, link, clock } = this.#options;
    const { unitId: unit, camera } = wanted;
    const reason = wanted.reason.trim();
    if (reason.length < REASON_CHARS_MIN)
      throw new Fault('invalid', 'LR_VIEW_REASON', `a look needs a reason, of at least ${REASON_CHARS_MIN} characters`);
    await this.#checkCamera(unit, camera);
    const nowMs = Math.round(clock.utc());
    const row = { id: randomUUID(), unit, camera, person, reason, begun_utc_ms: nowMs, until_utc_ms: nowMs + UNTIL_MS };
    await store.db.transaction().execute(async (trx) => {
      const shown = await trx.selectFrom('live').select('camera').distinct().where('unit', '=', unit).execute();
      if (this.#looks.size >= LOOKS_MAX || (shown.length >= LIVE_CAMERAS_MAX && !shown.some((one) => one.camera === camera)))
        throw new Fault('unavailable', 'LR_LIVE_COUNT', `of one wagon at most ${LIVE_CAMERAS_MAX} cameras are shown at once`);
      await trx.insertInto('live').values(row).execute();
      const detail = { look: row.id };
      await appendAudit(trx, { utcMs: nowMs, person, action: 'live', subject: subjectOf(row), reason, detail });
    });
    const key = `${unit}/${camera}`;
    const stream = this.#streams.get(key) ?? new LiveStream(unit, camera);
    this.#streams.set(key, stream);
    const ended = new AbortController();
    this.#looks.set(row.id, { row, stream, begunMonoMs: clock.mono(), askedMonoMs: clock.mono(), waiting: 0, ended });
    link.watchLive(unit, true);
    await link.sendDesired(unit);
    return shape(row);
  }

  /**
   * Pieces behind number `after`; none where there was none for a while. Throws LR_LIVE_OVER for a look that has ended or is another
   * person's, LR_LIVE_OFFLINE while the unit is away, and what the unit refused with (LR_LIVE_CAMERA, LR_LIVE_NOT_RECORDING, LR_LIVE_BUDGET).
   */
  async pieces(id: string, person: string, after: number, gone: AbortSignal): Promise<ShownPiece[]> {
    const look = this.#mine(id, person);
    const { clock } = this.#options;
    const over = new AbortController();
    const late = clock.after(HOLD_MS, () => over.abort());
    look.waiting += 1;
    try {
      const signal = AbortSignal.any([gone, look.ended.signal, over.signal]);
      let found = look.stream.since(after);
      while (found.length === 0 && !look.stream.refused && !signal.aborted) {
        await look.stream.news(signal);
        found = look.stream.since(after);
      }
      if (look.ended.signal.aborted) throw ended();
      if (found.length > 0) return found;
      if (look.stream.refused) throw refusal(look.stream.refused);
      await this.#checkOnline(look.row.unit);
      return [];
    } finally {
      late.cancel();
      look.waiting -= 1;
      look.askedMonoMs = clock.mono();
    }
  }

  /** Throws LR_LIVE_OVER. */
  async end(id: string, person: string): Promise<void> {
    await this.#end(this.#mine(id, person), 'closed');
  }

  /** A chunk from a unit. What nobody watches any more is left unanswered. */
  take(unit: string, camera: string, payload: Uint8Array): void {
    const stream = this.#streams.get(`${unit}/${camera}`);
    if (!stream) return;
    try {
      const { handle, offset } = stream.take(payload);
      this.#options.link.acknowledgeLive(unit, handle, offset);
    } catch (error) {
      this.#options.log.warn({ unit, camera, error: toFault(error, 'live') }, 'what a unit sent to be shown is no piece');
    }
  }

  /** All that are watched now, also by way of other processes, the oldest first. */
  async list(): Promise<LiveShape[]> {
    const { store, clock } = this.#options;
    const rows = await store.db.selectFrom('live').selectAll().where('until_utc_ms', '>', clock.utc()).orderBy('begun_utc_ms').execute();
    return rows.map(shape);
  }

  #mine(id: string, person: string): Look {
    const look = this.#looks.get(id);
    if (!look || look.row.person !== person) throw ended();
    return look;
  }

  async #checkCamera(unit: string, camera: string): Promise<void> {
    const { db } = this.#options.store;
    const row = await db.selectFrom('unit').select('status_json').where('unit', '=', unit).executeTakeFirst();
    if (!row) throw new Fault('not-found', 'LR_UNIT_UNKNOWN', `no wagon is known by the name of ${unit}`);
    const known = await camerasOf(db, unit, row.status_json);
    if (!known.has(camera)) throw new Fault('not-found', 'LR_CAMERA_UNKNOWN', `${unit} never had a camera by the name of ${camera}`);
    await this.#checkOnline(unit);
  }

  async #checkOnline(unit: string): Promise<void> {
    const row = await this.#options.store.db.selectFrom('unit').select(['online']).where('unit', '=', unit).executeTakeFirst();
    if (row?.online !== 1)
      throw new Fault('unavailable', 'LR_LIVE_OFFLINE', `${unit} is out of reach`, { hint: 'It can be watched when it is back.' });
  }

  async #look(): Promise<void> {
    const { store, clock } = this.#options;
    const monoMs = clock.mono();
    for (const look of [...this.#looks.values()]) {
      if (monoMs - look.begunMonoMs >= LOOK_MS_MAX) await this.#end(look, 'time');
      else if (look.waiting === 0 && monoMs - look.askedMonoMs >= GONE_MS) await this.#end(look, 'gone');
    }
    if (monoMs - this.#renewedMonoMs < RENEW_MS) return;
    this.#renewedMonoMs = monoMs;
    const ids = [...this.#looks.keys()];
    const nowMs = Math.round(clock.utc());
    if (ids.length > 0)
      await store.db
        .updateTable('live')
        .set({ until_utc_ms: nowMs + UNTIL_MS })
        .where('id', 'in', ids)
        .execute();
    const lost = await store.db.selectFrom('live').selectAll().where('until_utc_ms', '<', nowMs).execute();
    for (const row of lost) if (!this.#looks.has(row.id)) await this.#enterEnd(row, 'centre-lost', row.until_utc_ms);
  }

  async #end(look: Look, why: End): Promise<void> {
    const { link, clock, log } = this.#options;
    const { row } = look;
    if (!this.#looks.delete(row.id)) return;
    look.ended.abort();
    const others = [...this.#looks.values()].filter((one) => one.row.unit === row.unit);
    if (!others.some((one) => one.row.camera === row.camera)) this.#streams.delete(`${row.unit}/${row.camera}`);
    if (others.length === 0) link.watchLive(row.unit, false);
    await this.#enterEnd(row, why, Math.round(clock.utc()));
    await link.sendDesired(row.unit).catch((error: unknown) => {
      // The unit ends it by itself when it is not told again.
      log.warn({ unit: row.unit, error: toFault(error) }, 'a unit could not be told that nobody watches any more');
    });
  }

  async #enterEnd(row: LiveTable, why: End, atUtcMs: UtcMs): Promise<void> {
    await this.#options.store.db.transaction().execute(async (trx) => {
      const { numDeletedRows } = await trx.deleteFrom('live').where('id', '=', row.id).executeTakeFirst();
      if (numDeletedRows === 0n) return;
      const detail = { look: row.id, why, begun: rfc3339(row.begun_utc_ms), ended: rfc3339(atUtcMs) };
      const { person, reason } = row;
      await appendAudit(trx, { utcMs: this.#options.clock.utc(), person, action: 'live-end', subject: subjectOf(row), reason, detail });
    });
  }
}

function subjectOf(row: LiveTable): string {
  return `unit:${row.unit}/${row.camera}`;
}

function shape(row: LiveTable): LiveShape {
  const { id, unit: unitId, camera, person, reason } = row;
  return { id, unitId, camera, person, reason, begun: rfc3339(row.begun_utc_ms), endsBy: rfc3339(row.begun_utc_ms + LOOK_MS_MAX) };
}

function ended(): Fault {
  return new Fault('conflict', 'LR_LIVE_OVER', 'this look is over', { hint: 'Begin another, with a reason.' });
}

const REFUSAL_WORDS = {
  LR_LIVE_CAMERA: 'the wagon has no such camera now',
  LR_LIVE_NOT_RECORDING: 'the camera does not record now, so there is nothing to show',
  LR_LIVE_BUDGET: "the wagon's data budget of the month is used up",
} as const;

function refusal(code: keyof typeof REFUSAL_WORDS): Fault {
  return new Fault('conflict', code, REFUSAL_WORDS[code]);
}
