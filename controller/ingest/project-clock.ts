/**
 * `clock`: an anchor of the boot's monotonic time. It serves earlier times of the boot too, so what is dated by its own claim is dated
 * again where that is clearly worse, and what another anchor dates where that is worse at all; names and order never depend on it.
 */
import type { JournalRecord } from '@longroof/protocol/journal';
import { type ClockAnchor, DRIFT_PPM, servingAnchors } from '@longroof/protocol/wall';
import { sql } from 'kysely';
import { checkBody } from './body.js';
import type { Projected } from './project.js';
import { correctGaps } from './project-gap.js';
import { correctEvents } from './project-mark.js';
import { isReal } from './read-message.js';
import { datesBetter } from './walls.js';

const SOURCES: ReadonlySet<unknown> = new Set(['gnss', 'ntp', 'camera', 'rtc', 'none']);

export async function projectClock(projected: Projected, record: JournalRecord): Promise<void> {
  const { atMonoMs, offsetMs, source, errorMs } = (record as JournalRecord<'clock'>).body;
  checkBody(record, [
    ['atMonoMs', isReal(atMonoMs)],
    ['offsetMs', isReal(offsetMs)],
    ['source', SOURCES.has(source)],
    ['errorMs', isReal(errorMs) && errorMs >= 0],
  ]);
  const { trx, unit, epoch, walls } = projected;
  const boot = await walls.bootOf(record.run);
  if (boot === undefined) return;
  const anchors = await walls.anchors(boot);
  await trx
    .insertInto('anchor')
    .values({ unit, epoch, boot, at_mono_ms: atMonoMs, offset_ms: offsetMs, source, error_ms: errorMs })
    .onConflict((conflict) =>
      conflict.columns(['unit', 'epoch', 'boot', 'at_mono_ms']).doUpdateSet({ offset_ms: offsetMs, source, error_ms: errorMs }),
    )
    .execute();
  const anchor = { atMonoMs, offsetMs, source, errorMs };
  anchors.push(anchor);
  projected.anchored.set(boot, (projected.anchored.get(boot) ?? new Set()).add(anchor));
}

/** After the batch's own rows are in: the anchors it brought date what they date better. */
export async function correctWalls(projected: Projected): Promise<void> {
  for (const [boot, fresh] of projected.anchored) {
    const serving = servingAnchors(await projected.walls.anchors(boot), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    for (const anchor of serving.filter((one) => fresh.has(one))) {
      await correctReels(projected, boot, anchor);
      await correctEvents(projected, boot, anchor);
    }
    await correctGaps(projected, boot);
  }
}

async function correctReels(projected: Projected, boot: string, anchor: ClockAnchor): Promise<void> {
  const { trx, unit, epoch } = projected;
  const error = sql<number>`${anchor.errorMs} + abs(start_mono_ms - ${anchor.atMonoMs}) * ${DRIFT_PPM / 1e6}`;
  // Copies keep the claims of their originals.
  const streams = trx
    .selectFrom('stream')
    .select('id')
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('rendition', '!=', 'derived');
  const runs = trx.selectFrom('run').select('run').where('unit', '=', unit).where('epoch', '=', epoch).where('boot', '=', boot);
  await trx
    .updateTable('catalog')
    .set({ start_utc_ms: sql<number>`start_mono_ms + ${anchor.offsetMs}`, wall_source: anchor.source, wall_error_ms: error, by_clock: 1 })
    .where('stream', 'in', streams)
    .where('run', 'in', runs)
    .where('wall_error_ms', '>=', anchor.errorMs)
    .where(datesBetter(error))
    .execute();
  await trx
    .updateTable('fragment')
    .set({ start_utc_ms: sql<number>`start_mono_ms + ${anchor.offsetMs}`, wall_source: anchor.source, wall_error_ms: error, by_clock: 1 })
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('run', 'in', runs)
    .where('rendition', '!=', 'derived')
    .where('wall_error_ms', '>=', anchor.errorMs)
    .where(datesBetter(error))
    .execute();
}
