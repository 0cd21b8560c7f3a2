/**
 * What is here of the streams that a connection sends: read for many fragments at once, as fragments of a stream come in a row. That one
 * is not here may be out of date, and then it is stored once more, which changes nothing.
 */
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { Db } from '../store/open.js';
import { keepNewest } from './keep-newest.js';

const PAGE_FRAGMENTS = 64;
/** Of one connection; beyond this the oldest are read again. */
const STREAMS_MAX = 8;
const REELS_MAX = 8;

export interface ReelRoot {
  /** Lower-case hex. */
  root: string;
  count: number;
}

export class StreamBook {
  /** Sequence numbers that are stored, of the page of a stream that was last asked for. */
  readonly #pages = new Map<string, { page: number; stored: Set<number> }>();
  readonly #reels = new Map<string, ReelRoot>();
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** False where nothing stands under this name. */
  async mayBeStored(meta: FragmentMeta): Promise<boolean> {
    const name = nameOfRun(meta);
    const page = Math.floor(meta.seq / PAGE_FRAGMENTS);
    let known = this.#pages.get(name);
    if (known?.page !== page) {
      known = { page, stored: new Set(await storedSeqs(this.#db, meta, page * PAGE_FRAGMENTS)) };
      keepNewest(this.#pages, name, known, STREAMS_MAX);
    }
    return known.stored.has(meta.seq);
  }

  noteStored(meta: FragmentMeta): void {
    const known = this.#pages.get(nameOfRun(meta));
    if (known?.page === Math.floor(meta.seq / PAGE_FRAGMENTS)) known.stored.add(meta.seq);
  }

  /** As the journal tells of it; undefined where it does not yet. */
  async reel(meta: FragmentMeta, seqFirst: number): Promise<ReelRoot | undefined> {
    const name = `${nameOfRun(meta)} ${seqFirst}`;
    const known = this.#reels.get(name);
    if (known) return known;
    const reel = await this.#db
      .selectFrom('reel')
      .select(['root', 'count'])
      .where('unit', '=', meta.unit)
      .where('epoch', '=', meta.epoch)
      .where('camera', '=', meta.camera)
      .where('rendition', '=', meta.rendition)
      .where('run', '=', meta.run)
      .where('seq_first', '=', seqFirst)
      .executeTakeFirst();
    if (reel) keepNewest(this.#reels, name, reel, REELS_MAX);
    return reel;
  }
}

/** Of what a stream wrote in one run of its unit. */
export function nameOfRun(meta: FragmentMeta): string {
  return `${meta.unit} ${meta.epoch} ${meta.camera} ${meta.rendition} ${meta.run}`;
}

async function storedSeqs(db: Db, meta: FragmentMeta, from: number): Promise<number[]> {
  const rows = await db
    .selectFrom('fragment')
    .select('seq')
    .where('unit', '=', meta.unit)
    .where('epoch', '=', meta.epoch)
    .where('camera', '=', meta.camera)
    .where('rendition', '=', meta.rendition)
    .where('run', '=', meta.run)
    .where('seq', '>=', from)
    .where('seq', '<', from + PAGE_FRAGMENTS)
    .execute();
  return rows.map(({ seq }) => Number(seq));
}
