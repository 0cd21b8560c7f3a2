/** `track`: the newest of its fixes is where the unit was last seen. */
import type { JournalRecord } from '@longroof/protocol/journal';
import { decodeFix, TRACK_POINTS_MAX } from '@longroof/protocol/track';
import { checkBody } from './body.js';
import type { Projected } from './project.js';

export function projectTrack(projected: Projected, record: JournalRecord): void {
  const { points } = (record as JournalRecord<'track'>).body;
  checkBody(record, [['points', Array.isArray(points) && points.length <= TRACK_POINTS_MAX]]);
  const fixes = points.map((point) => decodeFix(point));
  checkBody(record, [['points', fixes.every((fix) => fix !== undefined)]]);
  for (const fix of fixes)
    if (fix && fix.utcMs >= (projected.position?.utcMs ?? Number.NEGATIVE_INFINITY))
      projected.position = { latDeg: fix.latDeg, lonDeg: fix.lonDeg, utcMs: fix.utcMs };
}

export async function writePosition({ trx, unit, position }: Projected): Promise<void> {
  if (!position) return;
  await trx
    .updateTable('unit')
    .set({ lat_deg: position.latDeg, lon_deg: position.lonDeg, fix_utc_ms: position.utcMs })
    .where('unit', '=', unit)
    .where((eb) => eb.or([eb('fix_utc_ms', 'is', null), eb('fix_utc_ms', '<=', position.utcMs)]))
    .execute();
}
