/** The whole rows of fragments, some hundred at a time. */
import { Fault } from '@longroof/base/errors';
import type { StoredFragment } from '../playback/stored-fragment.js';
import type { Db } from '../store/open.js';
import type { FragmentTable } from '../store/tables.js';

const TOGETHER = 250;

/** In the order of the fragments. Throws `corrupt` (LR_BLOB_MISSING) where one is gone. */
export async function* rowsOf(db: Db, fragments: readonly StoredFragment[]): AsyncGenerator<FragmentTable, void, undefined> {
  for (let at = 0; at < fragments.length; ) {
    const first = fragments[at] as StoredFragment;
    let to = at + 1;
    while (to < fragments.length && to - at < TOGETHER && sameRun(first, fragments[to] as StoredFragment)) to += 1;
    const seqs = fragments.slice(at, to).map((fragment) => fragment.seq);
    const rows = await db
      .selectFrom('fragment')
      .selectAll()
      .where('unit', '=', first.unit)
      .where('epoch', '=', first.epoch)
      .where('camera', '=', first.camera)
      .where('rendition', '=', first.rendition)
      .where('run', '=', first.run)
      .where('seq', 'in', seqs)
      .execute();
    const bySeq = new Map(rows.map((row) => [row.seq, row]));
    for (const seq of seqs) {
      const row = bySeq.get(seq);
      if (!row) throw new Fault('corrupt', 'LR_BLOB_MISSING', `the row of fragment ${first.camera}/${first.run}/${seq} is gone`);
      yield row;
    }
    at = to;
  }
}

function sameRun(a: StoredFragment, b: StoredFragment): boolean {
  return a.epoch === b.epoch && a.run === b.run;
}
