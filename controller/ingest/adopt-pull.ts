/**
 * Pulls that were made after the backup by which this store began: the wagon's journal tells of them, and nobody here knows who asked or
 * why. Each gets a row that says so, so that its footage, which comes back, can be found and watched, with a reason, like any other.
 */
import { isPullRendition, type PullRendition } from '@longroof/protocol/fragment';
import { isGapCause } from '@longroof/protocol/gap';
import type { DoneBody, JournalRecord } from '@longroof/protocol/journal';
import type { PullTable } from '../store/tables.js';
import type { Projected } from './project.js';

export const ADOPTED_PERSON = 'unknown';
const ADOPTED_REASON = 'asked for after the backup that was restored; known only from the journal of the wagon';
const PULL_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Undefined where this store was never restored, or the record is none of a plan. Its time is as exact as the catalogue is by now. */
export async function adoptPull(projected: Projected, record: JournalRecord, body: DoneBody): Promise<PullTable | undefined> {
  const { trx, unit, storeEpoch } = projected;
  if (body.state !== 'planned' || !PULL_ID.test(body.pullId)) return undefined;
  const restore = await trx.selectFrom('restore').select('store_epoch').where('store_epoch', '=', storeEpoch).executeTakeFirst();
  if (!restore) return undefined;
  const parts = body.parts ?? [];
  const missing = (body.missing ?? []).filter(({ cause }) => isGapCause(cause));
  const times = missing.flatMap(({ fromUtcMs, toUtcMs }) => [fromUtcMs, toUtcMs]);
  for (const part of parts) times.push(...(await timesOf(projected, part)));
  if (times.length === 0) times.push(record.wall.utcMs);
  const pull: PullTable = {
    ...{ id: body.pullId, unit, cameras_json: JSON.stringify([...new Set([...parts, ...missing].map(({ camera }) => camera))].sort()) },
    ...{ rendition: renditionOf(body), from_utc_ms: Math.min(...times), to_utc_ms: Math.max(...times) },
    ...{ reason: ADOPTED_REASON, case_number: null, person: ADOPTED_PERSON, state: 'running', final: null, code: null },
    ...{ created_utc_ms: Math.round(record.wall.utcMs), planned_utc_ms: null, ended_utc_ms: null, bytes_total: null },
    ...{ urgent: 0, withdrawn_generation: null, rate_bps: body.derived?.rateBps ?? null, derived_json: null },
  };
  await trx
    .insertInto('pull')
    .values(pull)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return trx.selectFrom('pull').selectAll().where('id', '=', pull.id).where('unit', '=', unit).executeTakeFirst();
}

/** What was asked for: of copies, the rendition that they were made from. */
function renditionOf({ parts = [], missing = [] }: DoneBody): PullRendition {
  const made = parts.flatMap((part) => [part.rendition, ...(part.from ?? []).map((from) => from.rendition)]);
  return [...made, ...missing.map(({ rendition }) => rendition)].find(isPullRendition) ?? 'original';
}

/** Of the reels that hold a part, as far as they are told of. */
async function timesOf({ trx, unit, epoch }: Projected, part: NonNullable<DoneBody['parts']>[number]): Promise<number[]> {
  const reels = await trx
    .selectFrom('reel')
    .select(['seq_first', 'count', 'start_utc_ms', 'end_utc_ms'])
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('camera', '=', part.camera)
    .where('rendition', '=', part.rendition)
    .where('run', '=', part.run)
    .where('seq_first', '<=', part.seqLast)
    .orderBy('seq_first')
    .execute();
  return reels.flatMap(({ seq_first: first, count, start_utc_ms: start, end_utc_ms: end }) => {
    const from = Math.max(part.seqFirst, first);
    const to = Math.min(part.seqLast + 1, first + count);
    const at = (seq: number): number => start + ((end - start) * (seq - first)) / count;
    return to > from ? [at(from), at(to)] : [];
  });
}
