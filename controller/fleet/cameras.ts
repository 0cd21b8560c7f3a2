/** Names of the cameras that a unit has or ever had, as far as it has told. */
import type { Db } from '../store/open.js';
import { readStatusJson, streamsOf } from './streams.js';

/** Empty while the unit has told nothing yet. */
export async function camerasOf(db: Db, unit: string, statusJson: string | null): Promise<Set<string>> {
  const told = await streamsOf(db, unit, readStatusJson(statusJson));
  const reels = await db.selectFrom('reel').select('camera').distinct().where('unit', '=', unit).execute();
  return new Set([...told, ...reels].map(({ camera }) => camera));
}
