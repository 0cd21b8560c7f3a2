/** What of a pull has come home: its fragments at the centre, in the order in which they were recorded. Reads the database only. */

import type { Db } from '../store/open.js';
import type { PullPartTable, PullTable } from '../store/tables.js';
import type { Footage } from './playlist.js';
import type { StoredFragment } from './stored-fragment.js';

export interface PullInfo {
  id: string;
  unit: string;
  person: string;
  reason: string;
  /** Nothing more will come. */
  ended: boolean;
}

const COLUMNS = [
  'unit',
  'epoch',
  'camera',
  'rendition',
  'run',
  'seq',
  'sha256',
  'init_sha256',
  'bytes',
  'start90k',
  'duration90k',
  'start_utc_ms',
  'independent',
  'codec',
] as const;

export class FootageReader {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async pull(id: string): Promise<PullInfo | undefined> {
    const row = await this.#db
      .selectFrom('pull')
      .select(['id', 'unit', 'person', 'reason', 'state'])
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { id: row.id, unit: row.unit, person: row.person, reason: row.reason, ended: isEnded(row.state) };
  }

  /** Parts of one camera in order of time; neighbours are one, so that no segment lies in two. */
  async parts(pull: PullInfo, camera: string): Promise<PullPartTable[]> {
    const rows = await this.#db
      .selectFrom('pull_part')
      .selectAll()
      .where('pull', '=', pull.id)
      .where('camera', '=', camera)
      .orderBy('ordinal')
      .execute();
    const parts: PullPartTable[] = [];
    for (const row of rows) {
      const last = parts.at(-1);
      const joins = last?.epoch === row.epoch && last.run === row.run && last.rendition === row.rendition;
      if (last && joins && row.seq_first === last.seq_last + 1) parts[parts.length - 1] = { ...last, seq_last: row.seq_last };
      else parts.push(row);
    }
    return parts;
  }

  async fragments(pull: PullInfo, part: PullPartTable, seqFirst = part.seq_first, seqLast = part.seq_last): Promise<StoredFragment[]> {
    const rows = await this.#db
      .selectFrom('fragment')
      .select(COLUMNS)
      .where('unit', '=', pull.unit)
      .where('epoch', '=', part.epoch)
      .where('camera', '=', part.camera)
      .where('rendition', '=', part.rendition)
      .where('run', '=', part.run)
      .where('seq', '>=', Math.max(seqFirst, part.seq_first))
      .where('seq', '<=', Math.min(seqLast, part.seq_last))
      .orderBy('seq')
      .execute();
    return rows.map((row) => ({
      unit: row.unit,
      epoch: row.epoch,
      camera: row.camera,
      rendition: row.rendition,
      run: row.run,
      seq: row.seq,
      sha256: row.sha256,
      initSha256: row.init_sha256,
      bytes: row.bytes,
      start90k: row.start90k,
      duration90k: row.duration90k,
      startUtcMs: row.start_utc_ms,
      independent: row.independent === 1,
      codec: row.codec,
    }));
  }

  /** All that is here of one camera. */
  async all(pull: PullInfo, camera: string): Promise<StoredFragment[]> {
    const fragments: StoredFragment[] = [];
    for (const part of await this.parts(pull, camera)) for (const fragment of await this.fragments(pull, part)) fragments.push(fragment);
    return fragments;
  }

  /** What can be played now: while the pull runs up to the first fragment that is still on its way, so that a playlist only grows. */
  async playable(pull: PullInfo, camera: string): Promise<Footage> {
    if (pull.ended) return { fragments: await this.all(pull, camera), whole: true };
    const fragments: StoredFragment[] = [];
    for (const part of await this.parts(pull, camera)) {
      let next = part.seq_first;
      for (const fragment of await this.fragments(pull, part)) {
        if (fragment.seq !== next) return { fragments, whole: false };
        fragments.push(fragment);
        next += 1;
      }
      if (next <= part.seq_last) break;
    }
    return { fragments, whole: false };
  }

  /** An init segment, only where footage of the pull and camera needs it. */
  async initOf(pull: PullInfo, camera: string, sha256: string): Promise<Buffer | undefined> {
    const used = await this.#db
      .selectFrom('pull_part as p')
      .innerJoin('fragment as f', (join) =>
        join
          .onRef('f.epoch', '=', 'p.epoch')
          .onRef('f.camera', '=', 'p.camera')
          .onRef('f.rendition', '=', 'p.rendition')
          .onRef('f.run', '=', 'p.run')
          .onRef('f.seq', '>=', 'p.seq_first')
          .onRef('f.seq', '<=', 'p.seq_last'),
      )
      .select('f.seq')
      .where('p.pull', '=', pull.id)
      .where('p.camera', '=', camera)
      .where('f.unit', '=', pull.unit)
      .where('f.init_sha256', '=', sha256)
      .limit(1)
      .executeTakeFirst();
    return used && this.init(sha256);
  }

  async init(sha256: string): Promise<Buffer | undefined> {
    const row = await this.#db.selectFrom('init').select('base64').where('sha256', '=', sha256).executeTakeFirst();
    return row && Buffer.from(row.base64, 'base64');
  }
}

function isEnded(state: PullTable['state']): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}
