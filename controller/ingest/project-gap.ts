/**
 * `gap`: a stretch of time without footage, and why. Its times are monotonic ones of the run that wrote it; where a boot lies between,
 * its beginning is given as wall time, since monotonic time does not reach there.
 */

import { isWallClaim, type WallClaim } from '@longroof/protocol/fragment';
import { isGapCause } from '@longroof/protocol/gap';
import type { GapBody, JournalRecord } from '@longroof/protocol/journal';
import { insertMany } from '../store/many.js';
import { checkBody, isText, streamRules } from './body.js';
import type { Projected } from './project.js';
import { isReal } from './read-message.js';
import { carried, type Walls } from './walls.js';

/** Gaps of one boot that a better clock dates again; a boot has fewer by far. */
const CORRECTED_MAX = 5000;

/** What a gap's times are made of. */
interface SaidGap {
  body: Pick<GapBody, 'fromMonoMs' | 'durationMs' | 'fromWall'>;
  monoMs: number;
  wall: WallClaim;
}

export function saidGap({ body: { fromMonoMs, durationMs, fromWall }, monoMs, wall }: JournalRecord<'gap'>): string {
  const said: SaidGap = { body: { fromMonoMs, durationMs, ...(fromWall && { fromWall }) }, monoMs, wall };
  return JSON.stringify(said);
}

type Dated = SaidGap & { boot: string | undefined };

async function gapTimes(walls: Walls, { body, boot, monoMs, wall }: Dated): Promise<{ from_utc_ms: number; to_utc_ms: number }> {
  const at = async (mono: number): Promise<number> => {
    const claim = carried(wall, monoMs, mono);
    return (boot === undefined ? claim : await walls.best(boot, mono, claim)).utcMs;
  };
  const from = body.fromWall?.utcMs ?? (await at(body.fromMonoMs));
  const toMono = body.fromMonoMs + body.durationMs;
  // Below zero lies the time before this boot: only the distance from the beginning is known there.
  const to = body.fromWall && toMono < 0 ? from + body.durationMs : await at(toMono);
  return { from_utc_ms: from, to_utc_ms: Math.max(from, to) };
}

export async function projectGap(projected: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'gap'>;
  checkBody(record, [
    ...streamRules(body),
    ['fromMonoMs', isReal(body.fromMonoMs)],
    ['durationMs', isReal(body.durationMs) && body.durationMs >= 0],
    ['fromWall', body.fromWall === undefined || isWallClaim(body.fromWall)],
    ['cause', isGapCause(body.cause)],
    ['detail', body.detail === undefined || isText(body.detail, 1000)],
  ]);
  const { walls, unit, epoch } = projected;
  const boot = await walls.bootOf(record.run);
  const times = await gapTimes(walls, { body, boot, monoMs: record.monoMs, wall: record.wall });
  projected.gaps.push({
    unit,
    epoch,
    seq: record.seq,
    camera: body.camera,
    rendition: body.rendition,
    run: record.run,
    ...times,
    cause: body.cause,
    detail: body.detail ?? null,
    said_json: saidGap(record as JournalRecord<'gap'>),
  });
}

export async function writeGaps({ trx, gaps }: Projected): Promise<void> {
  await insertMany(trx, 'gap', gaps);
}

/** A better clock for a boot dates its gaps again, from what the unit said of them. */
export async function correctGaps(projected: Projected, boot: string): Promise<void> {
  const { trx, unit, epoch, walls } = projected;
  const rows = await trx
    .selectFrom('gap')
    .innerJoin('run', (join) =>
      join.onRef('run.unit', '=', 'gap.unit').onRef('run.epoch', '=', 'gap.epoch').onRef('run.run', '=', 'gap.run'),
    )
    .select(['gap.seq', 'gap.from_utc_ms', 'gap.to_utc_ms', 'gap.said_json'])
    .where('gap.unit', '=', unit)
    .where('gap.epoch', '=', epoch)
    .where('run.boot', '=', boot)
    .orderBy('gap.seq', 'desc')
    .limit(CORRECTED_MAX)
    .execute();
  for (const row of rows) {
    if (row.said_json === null) continue;
    const times = await gapTimes(walls, { ...(JSON.parse(row.said_json) as SaidGap), boot });
    if (Math.abs(times.from_utc_ms - row.from_utc_ms) < 1 && Math.abs(times.to_utc_ms - row.to_utc_ms) < 1) continue;
    await trx.updateTable('gap').set(times).where('unit', '=', unit).where('epoch', '=', epoch).where('seq', '=', row.seq).execute();
  }
}
