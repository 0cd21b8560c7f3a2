/** All journal records at a centre, or those of one unit, in order, as it reads them. */
import { recordsOf } from '@longroof/controller/store/journal';
import type { Store } from '@longroof/controller/store/open';
import type { KeptRecord } from '@longroof/controller/store/segment';

export async function storedJournal({ db }: Pick<Store, 'db'>, unit?: string): Promise<KeptRecord[]> {
  const stored: KeptRecord[] = [];
  const lives = await db.selectFrom('epoch').select(['unit', 'epoch']).orderBy('started_utc_ms').execute();
  for (const life of lives) {
    if (unit !== undefined && life.unit !== unit) continue;
    for await (const records of recordsOf(db, life)) stored.push(...records);
  }
  return stored;
}

/** A bit of the segment that holds a record changes on the disk; once more, and it is as it was. */
export async function damageJournal({ db }: Pick<Store, 'db'>, unit: string, seq: number): Promise<void> {
  const rows = db.selectFrom('segment').selectAll().where('unit', '=', unit).where('seq_first', '<=', seq);
  const { seq_first: first, packed } = await rows.orderBy('seq_first', 'desc').limit(1).executeTakeFirstOrThrow();
  const changed = Buffer.from(packed);
  changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
  await db.updateTable('segment').set({ packed: changed }).where('unit', '=', unit).where('seq_first', '=', first).execute();
}
