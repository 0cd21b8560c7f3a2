/**
 * What is here of the streams that a connection sends: read for many fragments at once, as fragments of a stream come in a row. That one
 * is not here may be out of date, and then it is stored once more, which changes nothing.
 */
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { Db } from '../store/open.js';

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

  /** False where nothing stands under this name. */
  async mayBeStored(db: Db, meta: FragmentMeta): Promise<boolean> {
    const name = streamOf(meta);
    const page = Math.floor(meta.seq / PAGE_FRAGMENTS);
    let known = this.#pages.get(name);
    if (known?.page !== page) {
      known = { page, stored: new Set() };
      for (const seq of await storedSeqs(db, meta, page * PAGE_FRAGMENTS)) known.stored.add(seq);
      keep(this.#pages, name, known, STREAMS_MAX);
    }
    return known.stored.has(meta.seq);
  }

  noteStored(meta: FragmentMeta): void {
    const known = this.#pages.get(streamOf(meta));
    if (known?.page === Math.floor(meta.seq / PAGE_FRAGMENTS)) known.stored.add(meta.seq);
  }

  /** As the journal tells of it; undefined where it does not yet. */
  async reel(db: Db, meta: FragmentMeta, seqFirst: number): Promise<ReelRoot | undefined> {
    const name = `${streamOf(meta)} ${seqFirst}`;
    const known = this.#reels.get(name);
    if (known) return known;
    const reel = await db
      .selectFrom('reel')
      .select(['root', 'count'])
      .where('unit', '=', meta.unit)
      .where('epoch', '=', meta.epoch)
      .where('camera', '=', meta.camera)
      .where('rendition', '=', meta.rendition)
      .where('run', '=', meta.run)
      .where('seq_first', '=', seqFirst)
      .executeTakeFirst();
    if (reel) keep(this.#reels, name, reel, REELS_MAX);
    return reel;
  }
}

function streamOf(meta: FragmentMeta): string {
  return `${meta.unit} ${meta.epoch} ${meta.camera} ${meta.rendition} ${meta.run}`;
}

function keep<T>(map: Map<string, T>, name: string, value: T, max: number): void {
  map.delete(name);
  if (map.size >= max) map.delete(map.keys().next().value as string);
  map.set(name, value);
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
