/**
 * When the footage of an export was, by the records that it holds (docs/verification.md, 8): whoever has the file comes to the
 * same times.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { JournalBodies } from '@longroof/protocol/journal';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';
import type { Life } from '../store/journal.js';
import type { Db } from '../store/open.js';
import type { NotedRecordTable } from '../store/tables.js';
import type { Stretch } from './records.js';
import type { ExportEpoch } from './statement.js';

/** By the signed clock records of the stretches that an export holds. */
export class ExportClocks {
  readonly #boots = new Map<string, string>();
  readonly #anchors = new Map<string, ClockAnchor[]>();

  static async read(db: Db, unit: string, epochs: readonly ExportEpoch[]): Promise<ExportClocks> {
    const clocks = new ExportClocks();
    for (const { epoch, journal } of epochs) {
      const rows: SignedRow[] = [];
      for (const stretch of journal) for (const row of await signedRows(db, { unit, epoch }, stretch)) rows.push(row);
      clocks.#take(epoch, rows);
    }
    return clocks;
  }

  #take(epoch: string, rows: readonly SignedRow[]): void {
    for (const { type, run, body_json } of rows)
      if (type === 'run') this.#boots.set(`${epoch} ${run}`, (JSON.parse(body_json) as JournalBodies['run']).boot);
    for (const { type, run, body_json } of rows) {
      if (type !== 'clock') continue;
      const key = `${epoch} ${this.#boots.get(`${epoch} ${run}`)}`;
      const anchors = this.#anchors.get(key) ?? [];
      this.#anchors.set(key, anchors);
      anchors.push(JSON.parse(body_json) as ClockAnchor);
    }
    for (const anchors of this.#anchors.values()) anchors.sort((a, b) => a.atMonoMs - b.atMonoMs);
  }

  /** A copy keeps the claim of its originals, which may be of another boot than the one it was made in. */
  startOf(meta: FragmentMeta): UtcMs {
    const boot = this.#boots.get(`${meta.epoch} ${meta.run}`);
    if (meta.rendition === 'derived' || boot === undefined) return meta.wall.utcMs;
    return bestWall(meta.startMonoMs, meta.wall, this.#anchors.get(`${meta.epoch} ${boot}`) ?? []).utcMs;
  }
}

type SignedRow = Pick<NotedRecordTable, 'type' | 'seq' | 'run' | 'body_json'>;

/** Runs and clocks of a stretch, up to its last checkpoint, in order. */
async function signedRows(db: Db, { unit, epoch }: Life, { first, last }: Stretch): Promise<SignedRow[]> {
  const rows = await db
    .selectFrom('noted_record')
    .select(['type', 'seq', 'run', 'body_json'])
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('type', 'in', ['run', 'clock', 'checkpoint'])
    .where('seq', '>=', first)
    .where('seq', '<=', last)
    .orderBy('seq')
    .execute();
  return rows.slice(0, rows.findLastIndex(({ type }) => type === 'checkpoint') + 1);
}
