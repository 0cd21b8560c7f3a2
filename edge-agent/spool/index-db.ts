/**
 * Statements over the index. All writes of a commit happen inside one `transaction`; ids of reels and rows are given by the caller,
 * so that a transaction that fails leaves nothing to undo in memory.
 */
import type { MonoMs } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';
import type { WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { Statement } from 'better-sqlite3';
import type { FragmentRow, GapRow, ReelRow, StreamRow } from './rows.js';
import { openSqlite, REEL_GONE, type Sqlite } from './schema.js';

type Value = string | number | null;

const REEL_COLUMNS = [
  ...[
    'id',
    'stream',
    'rung',
    'epoch',
    'run',
    'seqFirst',
    'boot',
    'state',
    'count',
    'released',
    'fileBytes',
    'bytes',
    'startMono',
    'endMono',
  ],
  ...['offsetMin', 'offsetMax', 'trustedUtc', 'bornMs', 'initSha', 'initBytes', 'codec', 'lostPackets', 'rowFirst', 'rowLast', 'root'],
];
const FRAGMENT_COLUMNS = [
  ...['id', 'reel', 'seq', 'at', 'startMono', 'arrivalMono', 'start90k', 'duration90k', 'wallUtc', 'wallSource', 'wallError', 'cameraUtc'],
  ...['bytes', 'sha', 'frames', 'keyFrames', 'lostPackets', 'flags', 'released'],
];
const insertInto = (table: string, columns: readonly string[]): string =>
  `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`;

export interface StreamState {
  open: boolean;
  boot: number | null;
  accounted: MonoMs | null;
  wall: WallClaim | null;
  cause: GapCause;
  causeAt: MonoMs;
  detail: string | null;
}

export class IndexDb {
  readonly db: Sqlite;
  readonly #statements = new Map<string, Statement>();
  readonly #boots = new Map<string, number>();
  readonly #streams = new Map<string, number>();

  constructor(file: string, options: { existing?: boolean } = {}) {
    this.db = openSqlite(file, options);
  }

  #sql(text: string): Statement {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  #get<T>(text: string, ...values: (Value | Buffer)[]): T | undefined {
    return this.#sql(text).get(...values) as T | undefined;
  }

  #all<T>(text: string, ...values: (Value | Buffer)[]): T[] {
    return this.#sql(text).all(...values) as T[];
  }

  transaction(run: () => void): void {
    try {
      this.db.transaction(run)();
    } catch (error) {
      this.#boots.clear();
      this.#streams.clear();
      throw error;
    }
  }

  get(key: string): Value | undefined {
    return this.#get<{ value: Value }>('SELECT value FROM state WHERE key = ?', key)?.value;
  }

  set(key: string, value: Value): void {
    this.#sql('INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)').run(key, value);
  }

  /** Small id of a boot id; made when it is new. */
  bootId(boot: string): number {
    return this.#idOf(this.#boots, 'boots', 'boot', boot, () =>
      Number(this.#sql('INSERT INTO boots (boot) VALUES (?)').run(boot).lastInsertRowid),
    );
  }

  boots(): { id: number; boot: string }[] {
    return this.#all('SELECT id, boot FROM boots ORDER BY id');
  }

  /** Monotonic time of boot `id` is that of the boot `before` it plus `shiftMs`, as far as the wall clock could tell. */
  setShift(id: number, before: number, shiftMs: number): void {
    this.#sql('UPDATE boots SET before = ?, shift = ? WHERE id = ? AND shift IS NULL').run(before, shiftMs, id);
  }

  shift(id: number): { before: number; shiftMs: number } | undefined {
    return this.#get('SELECT before, shift AS shiftMs FROM boots WHERE id = ? AND shift IS NOT NULL', id);
  }

  streamId(name: string): number {
    return this.#idOf(this.#streams, 'streams', 'name', name, () =>
      Number(this.#sql("INSERT INTO streams (name, open, cause, causeAt) VALUES (?, 0, 'configuration', 0)").run(name).lastInsertRowid),
    );
  }

  /** Undefined for a stream that was never recorded or configured. */
  knownStreamId(name: string): number | undefined {
    return this.#streams.get(name) ?? this.#get<{ id: number }>('SELECT id FROM streams WHERE name = ?', name)?.id;
  }

  #idOf(cache: Map<string, number>, table: string, column: string, key: string, make: () => number): number {
    let id = cache.get(key);
    if (id === undefined) {
      id = this.#get<{ id: number }>(`SELECT id FROM ${table} WHERE ${column} = ?`, key)?.id ?? make();
      cache.set(key, id);
    }
    return id;
  }

  streams(): StreamRow[] {
    return this.#all('SELECT * FROM streams ORDER BY id');
  }

  saveStream(id: number, state: StreamState): void {
    this.#sql('UPDATE streams SET open = ?, boot = ?, accounted = ?, wall = ?, cause = ?, causeAt = ?, detail = ? WHERE id = ?').run(
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
    this.#sql('INSERT OR REPLACE INTO runs (epoch, run, boot) VALUES (?, ?, ?)').run(epoch, run, boot);
  }

  bootOfRun(epoch: string, run: number): number | undefined {
    return this.#get<{ boot: number }>('SELECT boot FROM runs WHERE epoch = ? AND run = ?', epoch, run)?.boot;
  }

  lastRun(epoch: string): { run: number; boot: number } | undefined {
    return this.#get('SELECT run, boot FROM runs WHERE epoch = ? ORDER BY run DESC LIMIT 1', epoch);
  }

  maxIds(): { reel: number; fragment: number } {
    return {
      reel: this.#get<{ id: number | null }>('SELECT max(id) AS id FROM reels')?.id ?? 0,
      fragment: this.#get<{ id: number | null }>('SELECT max(id) AS id FROM fragments')?.id ?? 0,
    };
  }

  putReel(row: ReelRow): void {
    this.#sql(insertInto('reels', REEL_COLUMNS)).run(row);
  }

  reel(id: number): ReelRow | undefined {
    return this.#get('SELECT * FROM reels WHERE id = ?', id);
  }

  reelAt(stream: number, epoch: string, run: number, seqFirst: number): ReelRow | undefined {
    return this.#get('SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst = ?', stream, epoch, run, seqFirst);
  }

  /** The reel that would hold a fragment. */
  reelOf(stream: number, epoch: string, run: number, seq: number): ReelRow | undefined {
    return this.#get(
      'SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst <= ? ORDER BY seqFirst DESC LIMIT 1',
      ...[stream, epoch, run, seq],
    );
  }

  /** Of any epoch: ids of fragments repeat across epochs, their hashes do not. */
  reelsOf(stream: number, run: number, seq: number): ReelRow[] {
    return this.#all(
      'SELECT * FROM reels WHERE stream = ? AND run = ? AND seqFirst <= ? AND seqFirst + count > ? AND state <> 2',
      ...[stream, run, seq, seq],
    );
  }

  reelsOfStream(stream: number): IterableIterator<ReelRow> {
    return this.db.prepare('SELECT * FROM reels WHERE stream = ? ORDER BY id').iterate(stream) as IterableIterator<ReelRow>;
  }

  /** Names of a stream's reels, and whether the rows of each are whole. */
  reelKeys(stream: number): (Pick<ReelRow, 'id' | 'epoch' | 'run' | 'seqFirst' | 'state'> & { filled: number })[] {
    return this.#all('SELECT id, epoch, run, seqFirst, state, rowLast IS NOT NULL AS filled FROM reels WHERE stream = ?', stream);
  }

  /** When and by which clock each reel of a stream was, for a first choice by time. */
  reelTimes(stream: number): IterableIterator<Pick<ReelRow, 'id' | 'boot' | 'startMono' | 'endMono' | 'offsetMin' | 'offsetMax'>> {
    return this.#sql('SELECT id, boot, startMono, endMono, offsetMin, offsetMax FROM reels WHERE stream = ? AND state <> 2').iterate(
      stream,
    ) as IterableIterator<ReelRow>;
  }

  firstReel(stream: number): ReelRow | undefined {
    return this.#get('SELECT * FROM reels WHERE stream = ? ORDER BY id LIMIT 1', stream);
  }

  endOfClosed(stream: number, boot: number): number | undefined {
    const text = 'SELECT max(endMono) AS end FROM reels WHERE stream = ? AND boot = ? AND state = 1 AND rowLast IS NOT NULL';
    return this.#get<{ end: number | null }>(text, stream, boot)?.end ?? undefined;
  }

  reelsInRange(stream: number, epoch: string, run: number, seqFirst: number, count: number): ReelRow[] {
    return this.#all(
      'SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst >= ? AND seqFirst < ? ORDER BY seqFirst',
      ...[stream, epoch, run, seqFirst, seqFirst + count],
    );
  }

  goneReels(): ReelRow[] {
    return this.#all('SELECT * FROM reels WHERE state = ?', REEL_GONE);
  }

  /** Grows an open reel's row; touches no index. */
  updateReel(row: ReelRow): void {
    this.#sql(
      `UPDATE reels SET count = @count, fileBytes = @fileBytes, bytes = @bytes, startMono = @startMono, endMono = @endMono,
       offsetMin = @offsetMin, offsetMax = @offsetMax, lostPackets = @lostPackets, rowLast = @rowLast, root = @root WHERE id = @id`,
    ).run(row);
  }

  /** Closed reels that no hold keeps, oldest first: those wholly released. */
  releasedReels(limit: number): ReelRow[] {
    return this.#all(
      'SELECT * FROM reels WHERE state = 1 AND released = count AND id NOT IN (SELECT reel FROM held) ORDER BY id LIMIT ?',
      limit,
    );
  }

  /** Closed reels of a rung that no hold keeps, oldest first. */
  oldestReels(rung: number, limit: number): ReelRow[] {
    return this.#all(
      'SELECT * FROM reels WHERE state = 1 AND rung = ? AND id NOT IN (SELECT reel FROM held) ORDER BY id LIMIT ?',
      rung,
      limit,
    );
  }

  reelWithInit(initSha: Buffer): ReelRow | undefined {
    return this.#get('SELECT * FROM reels WHERE initSha = ? AND state <> 2 ORDER BY id DESC LIMIT 1', initSha);
  }

  deleteReel(id: number): void {
    this.#sql('DELETE FROM held WHERE reel = ?').run(id);
    this.#sql('DELETE FROM reels WHERE id = ?').run(id);
  }

  totals(): { fileBytes: number; fragments: number; released: number } {
    return this.#get(
      'SELECT coalesce(sum(fileBytes), 0) AS fileBytes, coalesce(sum(count), 0) AS fragments, coalesce(sum(released), 0) AS released FROM reels WHERE state <> 2',
    )!;
  }

  putFragment(row: FragmentRow): void {
    this.#sql(insertInto('fragments', FRAGMENT_COLUMNS)).run(row);
  }

  /** Rows of a reel in order of seq. */
  fragments(reel: ReelRow): FragmentRow[] {
    if (reel.rowFirst === null) return [];
    const last = reel.rowLast ?? Number.MAX_SAFE_INTEGER;
    return this.#all('SELECT * FROM fragments WHERE id BETWEEN ? AND ? AND reel = ? ORDER BY seq', reel.rowFirst, last, reel.id);
  }

  deleteFragments(reel: ReelRow, fromSeq = 0): void {
    if (reel.rowFirst === null) return;
    const last = reel.rowLast ?? Number.MAX_SAFE_INTEGER;
    this.#sql('DELETE FROM fragments WHERE id BETWEEN ? AND ? AND reel = ? AND seq >= ?').run(reel.rowFirst, last, reel.id, fromSeq);
  }

  setReleased(fragment: number, reel: number): void {
    if (this.#sql('UPDATE fragments SET released = 1 WHERE id = ? AND released = 0').run(fragment).changes > 0)
      this.#sql('UPDATE reels SET released = released + 1 WHERE id = ?').run(reel);
  }

  addGap(row: Omit<GapRow, 'id'>): void {
    this.#sql(
      `INSERT INTO gaps (stream, boot, fromMono, duration, fromUtc, claimOffset, claimSource, claimError, cause, detail)
       VALUES (@stream, @boot, @fromMono, @duration, @fromUtc, @claimOffset, @claimSource, @claimError, @cause, @detail)`,
    ).run(row);
  }

  lastGap(stream: number, cause: string): GapRow | undefined {
    return this.#get('SELECT * FROM gaps WHERE stream = ? AND cause = ? ORDER BY id DESC LIMIT 1', stream, cause);
  }

  stretchGap(id: number, fromMono: number, duration: number): void {
    this.#sql('UPDATE gaps SET fromMono = ?, duration = ? WHERE id = ?').run(fromMono, duration, id);
  }

  gaps(stream: number): IterableIterator<GapRow> {
    return this.db.prepare('SELECT * FROM gaps WHERE stream = ?').iterate(stream) as IterableIterator<GapRow>;
  }

  addAnchor(boot: number, anchor: ClockAnchor): void {
    this.#sql('INSERT OR REPLACE INTO anchors (boot, atMono, offset, source, error) VALUES (?, ?, ?, ?, ?)').run(
      ...[boot, anchor.atMonoMs, anchor.offsetMs, anchor.source, anchor.errorMs],
    );
  }

  anchors(boot: number): ClockAnchor[] {
    return this.#all<ClockAnchor>(
      'SELECT atMono AS atMonoMs, offset AS offsetMs, source, error AS errorMs FROM anchors WHERE boot = ? ORDER BY atMono',
      boot,
    );
  }

  putHold(id: string, body: string): void {
    this.#sql('INSERT OR REPLACE INTO holds (id, body) VALUES (?, ?)').run(id, body);
  }

  hold(id: string): string | undefined {
    return this.#get<{ body: string }>('SELECT body FROM holds WHERE id = ?', id)?.body;
  }

  holds(): { id: string; body: string }[] {
    return this.#all('SELECT id, body FROM holds ORDER BY id');
  }

  deleteHold(id: string): void {
    this.#sql('DELETE FROM held WHERE hold = ?').run(id);
    this.#sql('DELETE FROM holds WHERE id = ?').run(id);
  }

  addHeld(reel: number, hold: string): void {
    this.#sql('INSERT OR IGNORE INTO held (reel, hold) VALUES (?, ?)').run(reel, hold);
  }

  isHeld(reel: number): boolean {
    return this.#get('SELECT 1 FROM held WHERE reel = ? LIMIT 1', reel) !== undefined;
  }

  heldBytes(): number {
    return this.#get<{ bytes: number }>(
      'SELECT coalesce(sum(fileBytes), 0) AS bytes FROM reels WHERE id IN (SELECT reel FROM held) AND state <> 2',
    )!.bytes;
  }

  close(): void {
    assert(this.db.open, 'index open');
    this.db.close();
  }
}
