/** From when to when the parts of an export were recorded, on the unit's own clock. */
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { StoredFragment } from '../playback/stored-fragment.js';
import type { Db } from '../store/open.js';
import type { FragmentTable } from '../store/tables.js';
import { rowsOf } from './fragment-rows.js';
import type { PartTimes } from './records.js';
import { runsOf } from './reels.js';

/** Of one life of its spool. */
export async function partTimes(
  db: Db,
  epoch: string,
  items: readonly { camera: string; stored: readonly StoredFragment[] }[],
): Promise<PartTimes[]> {
  const parts: PartTimes[] = [];
  for (const { camera, stored } of items) {
    for (const { first, last } of runsOf(stored)) {
      if (first.epoch !== epoch) continue;
      const rows: FragmentTable[] = [];
      for await (const row of rowsOf(db, [first, last])) rows.push(row);
      const [startMonoMs = 0, endMonoMs = startMonoMs] = rows.map((row) => row.start_mono_ms);
      const { boot } = JSON.parse(rows[0]?.meta_json ?? '{}') as FragmentMeta;
      parts.push({ camera, run: first.run, boot, startMonoMs, endMonoMs });
    }
  }
  return parts;
}
