/**
 * Statements over reels and fragments. All writes of a commit happen inside one `transaction`; ids of reels and rows are given by the
 * caller, so that a transaction that fails leaves nothing to undo in memory.
 */
import { IndexBase } from './index-base.js';
import type { FragmentRow, ReelRow } from './rows.js';
import { REEL_GONE } from './schema.js';

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

function below(of: number | 'held', id: number): { text: string; values: number[] } {
  const order = 'ORDER BY id DESC';
  if (of === 'held') return { text: `WHERE id IN (SELECT DISTINCT reel FROM held WHERE reel < ?) AND state = 1 ${order}`, values: [id] };
  return { text: `WHERE state = 1 AND rung = ? AND id < ? ${order}`, values: [of, id] };
}

export class IndexDb extends IndexBase {
  maxIds(): { reel: number; fragment: number } {
    return {
      reel: this.first<{ id: number | null }>('SELECT max(id) AS id FROM reels')?.id ?? 0,
      fragment: this.first<{ id: number | null }>('SELECT max(id) AS id FROM fragments')?.id ?? 0,
    };
  }

  putReel(row: ReelRow): void {
    this.sql(insertInto('reels', REEL_COLUMNS)).run(row);
  }

  reel(id: number): ReelRow | undefined {
    return this.first('SELECT * FROM reels WHERE id = ?', id);
  }

  reelAt(stream: number, epoch: string, run: number, seqFirst: number): ReelRow | undefined {
    return this.first('SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst = ?', stream, epoch, run, seqFirst);
  }

  /** The reel that would hold a fragment. */
  reelOf(stream: number, epoch: string, run: number, seq: number): ReelRow | undefined {
    return this.first(
      'SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst <= ? ORDER BY seqFirst DESC LIMIT 1',
      ...[stream, epoch, run, seq],
    );
  }

  /** That hold any of these fragments, in order. */
  reelsWith(stream: number, run: number, seqFirst: number, seqLast: number): ReelRow[] {
    return this.all(
      'SELECT * FROM reels WHERE stream = ? AND run = ? AND seqFirst <= ? AND seqFirst + count > ? AND state <> 2 ORDER BY seqFirst',
      ...[stream, run, seqLast, seqFirst],
    );
  }

  reelsOfStream(stream: number): IterableIterator<ReelRow> {
    return this.db.prepare('SELECT * FROM reels WHERE stream = ? ORDER BY id').iterate(stream) as IterableIterator<ReelRow>;
  }

  /** Names, as `reelName` makes them, of a stream's reels that are finished and whose rows are whole. */
  settledNames(stream: number): string[] {
    const text = `SELECT epoch || printf('-%06d-%010d.mp4', run, seqFirst) FROM reels WHERE stream = ? AND state = 1 AND rowLast IS NOT NULL`;
    return this.db.prepare(text).pluck().all(stream) as string[];
  }

  unsettledReels(stream: number): ReelRow[] {
    return this.all('SELECT * FROM reels WHERE stream = ? AND NOT (state = 1 AND rowLast IS NOT NULL)', stream);
  }

  maxRun(): number {
    return this.first<{ run: number | null }>('SELECT max(run) AS run FROM reels')?.run ?? 0;
  }

  /** When and by which clock each reel of a stream was, for a first choice by time. */
  reelTimes(stream: number): IterableIterator<Pick<ReelRow, 'id' | 'boot' | 'startMono' | 'endMono' | 'offsetMin' | 'offsetMax'>> {
    return this.sql('SELECT id, boot, startMono, endMono, offsetMin, offsetMax FROM reels WHERE stream = ? AND state <> 2').iterate(
      stream,
    ) as IterableIterator<ReelRow>;
  }

  firstReel(stream: number): ReelRow | undefined {
    return this.first('SELECT * FROM reels WHERE stream = ? ORDER BY id LIMIT 1', stream);
  }

  endOfClosed(stream: number, boot: number): number | undefined {
    const text = 'SELECT max(endMono) AS end FROM reels WHERE stream = ? AND boot = ? AND state = 1 AND rowLast IS NOT NULL';
    return this.first<{ end: number | null }>(text, stream, boot)?.end ?? undefined;
  }

  reelsInRange(stream: number, epoch: string, run: number, seqFirst: number, count: number): ReelRow[] {
    return this.all(
      'SELECT * FROM reels WHERE stream = ? AND epoch = ? AND run = ? AND seqFirst >= ? AND seqFirst < ? ORDER BY seqFirst',
      ...[stream, epoch, run, seqFirst, seqFirst + count],
    );
  }

  /** Asked for at each commit: it must say what the partial index says, or SQLite reads all reels. */
  goneReels(): ReelRow[] {
    return this.all('SELECT * FROM reels WHERE state <> 1 AND state = ?', REEL_GONE);
  }

  /** Grows an open reel's row; touches no index. */
  updateReel(row: ReelRow): void {
    this.sql(
      `UPDATE reels SET count = @count, fileBytes = @fileBytes, bytes = @bytes, startMono = @startMono, endMono = @endMono,
       offsetMin = @offsetMin, offsetMax = @offsetMax, lostPackets = @lostPackets, rowLast = @rowLast, root = @root WHERE id = @id`,
    ).run(row);
  }

  /** Closed reels that no hold keeps, oldest first: those wholly released. */
  releasedReels(limit: number): ReelRow[] {
    return this.all(
      'SELECT * FROM reels WHERE state = 1 AND released = count AND id NOT IN (SELECT reel FROM held) ORDER BY id LIMIT ?',
      limit,
    );
  }

  /** Of a rung, as `releasedReels`. */
  releasedReelsOf(rung: number, limit: number): ReelRow[] {
    return this.all(
      'SELECT * FROM reels WHERE state = 1 AND released = count AND rung = ? AND id NOT IN (SELECT reel FROM held) ORDER BY id LIMIT ?',
      ...[rung, limit],
    );
  }

  /** Closed reels of a rung that no hold keeps, oldest first. */
  oldestReels(rung: number, limit: number): ReelRow[] {
    return this.all(
      'SELECT * FROM reels WHERE state = 1 AND rung = ? AND id NOT IN (SELECT reel FROM held) ORDER BY id LIMIT ?',
      rung,
      limit,
    );
  }

  /** By rung: of all reels that are not gone. */
  rungBytes(): number[] {
    const bytes: number[] = [];
    const rows = this.all<{ rung: number; bytes: number }>(
      'SELECT rung, sum(fileBytes) AS bytes FROM reels WHERE state <> 2 GROUP BY rung',
    );
    for (const row of rows) bytes[row.rung] = row.bytes;
    return bytes;
  }

  reelWithInit(initSha: Buffer): ReelRow | undefined {
    return this.first('SELECT * FROM reels WHERE initSha = ? AND state <> 2 ORDER BY id DESC LIMIT 1', initSha);
  }

  deleteReel(id: number): void {
    this.sql('DELETE FROM held WHERE reel = ?').run(id);
    this.sql('DELETE FROM reels WHERE id = ?').run(id);
  }

  totals(): { fileBytes: number; fragments: number; released: number } {
    return this.first(
      'SELECT coalesce(sum(fileBytes), 0) AS fileBytes, coalesce(sum(count), 0) AS fragments, coalesce(sum(released), 0) AS released FROM reels WHERE state <> 2',
    )!;
  }

  putFragment(row: FragmentRow): void {
    this.sql(insertInto('fragments', FRAGMENT_COLUMNS)).run(row);
  }

  /** Rows of a reel in order of seq. */
  fragments(reel: ReelRow): FragmentRow[] {
    if (reel.rowFirst === null) return [];
    const last = reel.rowLast ?? Number.MAX_SAFE_INTEGER;
    return this.all('SELECT * FROM fragments WHERE id BETWEEN ? AND ? AND reel = ? ORDER BY seq', reel.rowFirst, last, reel.id);
  }

  fragment(reel: ReelRow, seq: number): FragmentRow | undefined {
    if (reel.rowFirst === null) return undefined;
    const last = reel.rowLast ?? Number.MAX_SAFE_INTEGER;
    const text = 'SELECT * FROM fragments WHERE id BETWEEN ? AND ? AND reel = ? AND seq = ? LIMIT 1';
    return this.first(text, reel.rowFirst, last, reel.id, seq);
  }

  deleteFragments(reel: ReelRow, fromSeq = 0): void {
    if (reel.rowFirst === null) return;
    const last = reel.rowLast ?? Number.MAX_SAFE_INTEGER;
    this.sql('DELETE FROM fragments WHERE id BETWEEN ? AND ? AND reel = ? AND seq >= ?').run(reel.rowFirst, last, reel.id, fromSeq);
  }

  /** `ordinal`: of the store whose receipt it was. */
  setReleased(fragment: number, reel: number, ordinal: number): void {
    if (this.sql('UPDATE fragments SET released = ? WHERE id = ? AND released <> ?').run(ordinal, fragment, ordinal).changes > 0)
      this.sql('UPDATE reels SET released = released + 1 WHERE id = ?').run(reel);
  }

  storeOrdinal(): number {
    return Number(this.get('storeOrdinal') ?? 1);
  }

  /** What the stores so far have released counts no more. */
  voidReleases(): void {
    this.set('storeOrdinal', this.storeOrdinal() + 1);
    this.sql('UPDATE reels SET released = 0 WHERE released > 0').run();
  }

  reelsAfter(id: number, limit: number): ReelRow[] {
    return this.all('SELECT * FROM reels WHERE id > ? AND state <> 2 ORDER BY id LIMIT ?', id, limit);
  }

  /** The newest closed reel below `id`, of a rung or held, that is not wholly released, among the next `limit`. */
  unsentReel(of: number | 'held', id: number, limit: number): ReelRow | undefined {
    const { text, values } = below(of, id);
    return this.first(`SELECT * FROM (SELECT * FROM reels ${text} LIMIT ?) WHERE released < count LIMIT 1`, ...values, limit);
  }

  /** Of the last of the next `limit`; undefined where there are fewer. */
  unsentAfter(of: number | 'held', id: number, limit: number): number | undefined {
    const { text, values } = below(of, id);
    return this.first<{ id: number }>(`SELECT id FROM reels ${text} LIMIT 1 OFFSET ?`, ...values, limit - 1)?.id;
  }

  addHeld(reel: number, hold: string): void {
    this.sql('INSERT OR IGNORE INTO held (reel, hold) VALUES (?, ?)').run(reel, hold);
  }

  isHeld(reel: number): boolean {
    return this.first('SELECT 1 FROM held WHERE reel = ? LIMIT 1', reel) !== undefined;
  }

  heldBytes(): number {
    return this.first<{ bytes: number }>(
      'SELECT coalesce(sum(fileBytes), 0) AS bytes FROM reels WHERE id IN (SELECT reel FROM held) AND state <> 2',
    )!.bytes;
  }
}
