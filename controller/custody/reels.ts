/** How the fragments of an export hang on the Merkle roots of their reels: by all leaves where the centre has them, by paths otherwise. */
import { merkleRoot, merkleVerify } from '@longroof/protocol/merkle';
import type { StoredFragment } from '../playback/stored-fragment.js';
import type { Db } from '../store/open.js';
import type { ReelTable } from '../store/tables.js';
import type { ExportReel } from './statement.js';

const HASH_HEX = 64;
const REELS_MAX = 50_000;

/** Reels that hold any of these fragments, which are of one camera and in order. */
export async function reelsOf(db: Db, fragments: readonly StoredFragment[]): Promise<ReelTable[]> {
  const reels: ReelTable[] = [];
  for (const { first, last } of runsOf(fragments)) {
    const rows = await db
      .selectFrom('reel')
      .selectAll()
      .where('unit', '=', first.unit)
      .where('epoch', '=', first.epoch)
      .where('camera', '=', first.camera)
      .where('rendition', '=', first.rendition)
      .where('run', '=', first.run)
      .where('seq_first', '<=', last.seq)
      .where((eb) => eb(eb('seq_first', '+', eb.ref('count')), '>', first.seq))
      .orderBy('seq_first')
      .limit(REELS_MAX)
      .execute();
    for (const row of rows) reels.push(row);
  }
  return reels;
}

/** First and last of each stretch of one run. */
export function runsOf(fragments: readonly StoredFragment[]): { first: StoredFragment; last: StoredFragment }[] {
  const runs: { first: StoredFragment; last: StoredFragment }[] = [];
  for (const fragment of fragments) {
    const run = runs.at(-1);
    if (run && run.first.epoch === fragment.epoch && run.first.run === fragment.run && run.last.seq < fragment.seq) run.last = fragment;
    else runs.push({ first: fragment, last: fragment });
  }
  return runs;
}

/** Undefined where nothing here binds a fragment of the reel. */
export async function proveReel(db: Db, reel: ReelTable, mine: ReadonlySet<number>): Promise<ExportReel | undefined> {
  const { unit, epoch, camera, rendition, run, count, root } = reel;
  const rows = await db
    .selectFrom('fragment')
    .select(['seq', 'sha256', 'place'])
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('camera', '=', camera)
    .where('rendition', '=', rendition)
    .where('run', '=', run)
    .where('seq', '>=', reel.seq_first)
    .where('seq', '<', reel.seq_first + count)
    .orderBy('seq')
    .execute();
  const proof: ExportReel = { epoch, camera, rendition, run, seqFirst: reel.seq_first, count, root };
  const leaves = rows.map((row) => row.sha256);
  if (leaves.length === count && merkleRoot(leaves.map((leaf) => Buffer.from(leaf, 'hex'))).toString('hex') === root)
    return { ...proof, leaves };
  const paths: Record<string, string[]> = {};
  for (const row of rows) {
    const path = mine.has(row.seq) ? pathOf(reel, row) : undefined;
    if (path) paths[row.seq] = path;
  }
  return Object.keys(paths).length > 0 ? { ...proof, paths } : undefined;
}

/** The path as its manifest gave it, where it leads to the root. */
function pathOf(reel: ReelTable, { seq, sha256, place }: { seq: number; sha256: string; place: string | null }): string[] | undefined {
  const [index, count, text = ''] = place?.split('/') ?? [];
  if (Number(index) !== seq - reel.seq_first || Number(count) !== reel.count) return undefined;
  const path = Array.from({ length: text.length / HASH_HEX }, (_, at) => text.slice(at * HASH_HEX, (at + 1) * HASH_HEX));
  const steps = path.map((step) => Buffer.from(step, 'hex'));
  return merkleVerify(Buffer.from(sha256, 'hex'), Number(index), reel.count, steps, Buffer.from(reel.root, 'hex')) ? path : undefined;
}
