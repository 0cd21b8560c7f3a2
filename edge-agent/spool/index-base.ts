/**
 * The index's general part: state, boots, runs, streams, gaps, clock anchors, holds. Ids of boots and streams
 * and what was set are cached, and forgotten when a transaction that may have made them fails.
 */
import type { MonoMs } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';
import type { WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { Statement } from 'better-sqlite3';
import type { GapRow, StreamRow } from './rows.js';
import { openSqlite, type Sqlite } from './schema.js';

type Value = string | number | null;

export interface StreamState {
  open: boolean;
  boot: number | null;
  accounted: MonoMs | null;
  wall: WallClaim | null;
  cause: GapCause;
  causeAt: MonoMs;
  detail: string | null;
}

export class IndexBase {
  readonly db: Sqlite;
  readonly #statements = new Map<string, Statement>();
  readonly #boots = new Map<string, number>();
  readonly #streams = new Map<string, number>();
  /** What stands in `state` already: most of it changes seldom, and every commit says all of it. */
  readonly #state = new Map<string, Value>();

  constructor(file: string, options: { existing?: boolean } = {}) {
    this.db = openSqlite(file, options);
  }

  protected sql(text: string): Statement {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  protected first<T>(text: string, ...values: (Value | Buffer)[]): T | undefined {
    return this.sql(text).get(...values) as T | undefined;
  }

  protected all<T>(text: string, ...values: (Value | Buffer)[]): T[] {
    return this.sql(text).all(...values) as T[];
  }

  transaction(run: () => void): void {
    try {
      this.db.transaction(run)();
    } catch (error) {
      this.#boots.clear();
      this.#streams.clear();
      this.#state.clear();
      throw error;
    }
  }

  get(key: string): Value | undefined {
    return this.first<{ value: Value }>('SELECT value FROM state WHERE key = ?', key)?.value;
  }

  set(key: string, value: Value): void {
    if (this.#state.get(key) === value) return;
    this.sql('INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)').run(key, value);
    this.#state.set(key, value);
  }

  /** Small id of a boot id; made when it is new. */
  bootId(boot: string): number {
    return this.#idOf(this.#boots, 'boots', 'boot', boot, () =>
      Number(this.sql('INSERT INTO boots (boot) VALUES (?)').run(boot).lastInsertRowid),
    );
  }

  boots(): { id: number; boot: string }[] {
    return this.all('SELECT id, boot FROM boots ORDER BY id');
  }

  /** Monotonic time of boot `id` is that of the boot `before` it plus `shiftMs`, as far as the wall clock could tell. */
  setShift(id: number, before: number, shiftMs: number): void {
    this.sql('UPDATE boots SET before = ?, shift = ? WHERE id = ? AND shift IS NULL').run(before, shiftMs, id);
  }

  shift(id: number): { before: number; shiftMs: number } | undefined {
    return this.first('SELECT before, shift AS shiftMs FROM boots WHERE id = ? AND shift IS NOT NULL', id);
  }

  streamId(name: string): number {
    return this.#idOf(this.#streams, 'streams', 'name', name, () =>
      Number(this.sql("INSERT INTO streams (name, open, cause, causeAt) VALUES (?, 0, 'configuration', 0)").run(name).lastInsertRowid),
    );
  }

  /** Undefined for a stream that was never recorded or configured. */
  knownStreamId(name: string): number | undefined {
    return this.#streams.get(name) ?? this.first<{ id: number }>('SELECT id FROM streams WHERE name = ?', name)?.id;
  }

  #idOf(cache: Map<string, number>, table: string, column: string, key: string, make: () => number): number {
    let id = cache.get(key);
    if (id === undefined) {
      id = this.first<{ id: number }>(`SELECT id FROM ${table} WHERE ${column} = ?`, key)?.id ?? make();
      cache.set(key, id);
    }
    return id;
  }

  streams(): StreamRow[] {
    return this.all('SELECT * FROM streams ORDER BY id');
  }

  saveStream(id: number, state: StreamState): void {
    this.sql('UPDATE streams SET open = ?, boot = ?, accounted = ?, wall = ?, cause = ?, causeAt = ?, detail = ? WHERE id = ?').run(
      state.open ? 1 : 0,
      state.boot,
      state.accounted,
      state.wall === null ? null : JSON.stringify(state.wall),
      state.cause,
      state.causeAt,
      state.detail,
      id,
    );
  }

  setRun(epoch: string, run: number, boot: number): void {
    this.sql('INSERT OR REPLACE INTO runs (epoch, run, boot) VALUES (?, ?, ?)').run(epoch, run, boot);
  }

  bootOfRun(epoch: string, run: number): number | undefined {
    return this.first<{ boot: number }>('SELECT boot FROM runs WHERE epoch = ? AND run = ?', epoch, run)?.boot;
  }

  lastRun(epoch: string): { run: number; boot: number } | undefined {
    return this.first('SELECT run, boot FROM runs WHERE epoch = ? ORDER BY run DESC LIMIT 1', epoch);
  }

  addGap(row: Omit<GapRow, 'id'>): void {
    this.sql(
      `INSERT INTO gaps (stream, boot, fromMono, duration, fromUtc, claimOffset, claimSource, claimError, cause, detail)
       VALUES (@stream, @boot, @fromMono, @duration, @fromUtc, @claimOffset, @claimSource, @claimError, @cause, @detail)`,
    ).run(row);
  }

  lastGap(stream: number, cause: string): GapRow | undefined {
    return this.first('SELECT * FROM gaps WHERE stream = ? AND cause = ? ORDER BY id DESC LIMIT 1', stream, cause);
  }

  stretchGap(id: number, fromMono: number, duration: number): void {
    this.sql('UPDATE gaps SET fromMono = ?, duration = ? WHERE id = ?').run(fromMono, duration, id);
  }

  gaps(stream: number): IterableIterator<GapRow> {
    return this.db.prepare('SELECT * FROM gaps WHERE stream = ?').iterate(stream) as IterableIterator<GapRow>;
  }

  addAnchor(boot: number, anchor: ClockAnchor): void {
    this.sql('INSERT OR REPLACE INTO anchors (boot, atMono, offset, source, error) VALUES (?, ?, ?, ?, ?)').run(
      ...[boot, anchor.atMonoMs, anchor.offsetMs, anchor.source, anchor.errorMs],
    );
  }

  anchors(boot: number): ClockAnchor[] {
    return this.all<ClockAnchor>(
      'SELECT atMono AS atMonoMs, offset AS offsetMs, source, error AS errorMs FROM anchors WHERE boot = ? ORDER BY atMono',
      boot,
    );
  }

  putHold(id: string, body: string): void {
    this.sql('INSERT OR REPLACE INTO holds (id, body) VALUES (?, ?)').run(id, body);
  }

  hold(id: string): string | undefined {
    return this.first<{ body: string }>('SELECT body FROM holds WHERE id = ?', id)?.body;
  }

  holds(): { id: string; body: string }[] {
    return this.all('SELECT id, body FROM holds ORDER BY id');
  }

  deleteHold(id: string): void {
    this.sql('DELETE FROM held WHERE hold = ?').run(id);
    this.sql('DELETE FROM holds WHERE id = ?').run(id);
  }

  close(): void {
    assert(this.db.open, 'index open');
    this.db.close();
  }
}
