/** Names of the cameras that a unit has or ever had, as far as it has told. */
import { parseStreamText } from '@longroof/protocol/fragment';
import type { JournalBodies } from '@longroof/protocol/journal';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Db } from '../store/open.js';

/** Runs whose cameras are looked at: older ones have left reels, or nothing. */
const RUNS_MAX = 20;

/** Empty while the unit has told nothing yet. */
export async function camerasOf(db: Db, unit: string, statusJson: string | null): Promise<Set<string>> {
  const cameras = new Set<string>();
  const streams = statusJson === null ? {} : (JSON.parse(statusJson) as StatusMessage).streams;
  for (const name of Object.keys(streams)) {
    const stream = parseStreamText(name);
    if (stream) cameras.add(stream.camera);
  }
  const runs = await db
    .selectFrom('journal')
    .select('body_json')
    .where('unit', '=', unit)
    .where('type', '=', 'run')
    .orderBy('received_utc_ms', 'desc')
    .orderBy('seq', 'desc')
    .limit(RUNS_MAX)
    .execute();
  for (const { body_json } of runs) {
    const named = (JSON.parse(body_json) as Partial<JournalBodies['run']>).cameras;
    if (Array.isArray(named)) for (const one of named) if (typeof one?.camera === 'string') cameras.add(one.camera);
  }
  for (const { camera } of await db.selectFrom('reel').select('camera').distinct().where('unit', '=', unit).execute()) cameras.add(camera);
  return cameras;
}
