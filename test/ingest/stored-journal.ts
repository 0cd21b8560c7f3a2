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
