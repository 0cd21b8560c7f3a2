/** Events that protect footage in a span of time, as the API tells of them. */
import { rfc3339, type UtcMs } from '@longroof/base/clock';
import type { Db } from '../store/open.js';
import type { CoverageShape } from './shapes.js';

const EVENTS_MAX = 2000;

/** In order of time; the newest where there are too many. */
export async function eventsIn(db: Db, unit: string, fromMs: UtcMs, toMs: UtcMs): Promise<CoverageShape['events']> {
  const rows = await db
    .selectFrom('event')
    .leftJoin('hold', 'hold.id', 'event.hold')
    .select(['event.kind', 'event.at_utc_ms', 'event.wall_error_ms', 'event.turned_on', 'event.value', 'event.hold', 'hold.state'])
    .where('event.unit', '=', unit)
    .where('event.at_utc_ms', '>=', fromMs)
    .where('event.at_utc_ms', '<', toMs)
    .orderBy('event.at_utc_ms', 'desc')
    .limit(EVENTS_MAX)
    .execute();
  return rows.reverse().map((row) => ({
    kind: row.kind,
    at: rfc3339(row.at_utc_ms),
    errorMs: Math.round(row.wall_error_ms),
    on: row.turned_on === 1,
    ...(row.value === null ? {} : { value: row.value }),
    ...(row.hold === null ? {} : { hold: { id: row.hold, state: row.state ?? 'queued' } }),
  }));
}
