/** `done`: what a unit makes of a pull: its plan first, then how it ended. */

import { isRendition } from '@longroof/protocol/fragment';
import { isGapCause } from '@longroof/protocol/gap';
import type { DerivedBy, DerivedFrom, DoneBody, JournalRecord } from '@longroof/protocol/journal';
import type { PullTable } from '../store/tables.js';
import { absentOf, addMissing } from './absent.js';
import { adoptPull } from './adopt-pull.js';
import { checkBody, isText, streamRules } from './body.js';
import type { Projected } from './project.js';
import { finishPull } from './pull-end.js';
import { isCount, isHex64, isReal } from './read-message.js';

const STATES: ReadonlySet<unknown> = new Set(['planned', 'complete', 'partial', 'refused']);
const PIECES_MAX = 1000;

function isPart(part: NonNullable<DoneBody['parts']>[number]): boolean {
  return (
    typeof part === 'object' &&
    part !== null &&
    streamRules(part).every(([, ok]) => ok) &&
    [part.run, part.seqFirst, part.seqLast, part.bytes].every(isCount) &&
    part.seqLast >= part.seqFirst &&
    isListOf(part.from, isFrom)
  );
}

function isFrom(from: DerivedFrom): boolean {
  return (
    typeof from === 'object' &&
    from !== null &&
    isRendition(from.rendition) &&
    [from.run, from.seqFirst, from.seqLast].every(isCount) &&
    isHex64(from.root)
  );
}

function isDerived(derived: DerivedBy): boolean {
  return (
    typeof derived === 'object' &&
    derived !== null &&
    isText(derived.tool, 128) &&
    [derived.rateBps, derived.heightMax, derived.keyMs].every(isCount) &&
    typeof derived.audio === 'boolean'
  );
}

function isMissing(missing: NonNullable<DoneBody['missing']>[number]): boolean {
  return (
    typeof missing === 'object' &&
    missing !== null &&
    streamRules(missing).every(([, ok]) => ok) &&
    isReal(missing.fromUtcMs) &&
    isReal(missing.toUtcMs) &&
    isGapCause(missing.cause)
  );
}

function isListOf<T>(value: T[] | undefined, ok: (item: T) => boolean): boolean {
  return value === undefined || (Array.isArray(value) && value.length <= PIECES_MAX && value.every(ok));
}

export async function projectDone(projected: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'done'>;
  checkBody(record, [
    ['pullId', isText(body.pullId, 64)],
    ['state', STATES.has(body.state)],
    ['parts', isListOf(body.parts, isPart)],
    ['missing', isListOf(body.missing, isMissing)],
    ['derived', body.derived === undefined || isDerived(body.derived)],
    ['code', body.code === undefined || isText(body.code, 64)],
  ]);
  const { trx, unit, nowMs } = projected;
  const known = await trx.selectFrom('pull').selectAll().where('id', '=', body.pullId).where('unit', '=', unit).executeTakeFirst();
  const pull = known ?? (await adoptPull(projected, record, body));
  checkBody(record, [['pullId', pull !== undefined]]);
  if (!pull || pull.ended_utc_ms !== null) return;
  if (body.state === 'planned') await plan(projected, pull, body);
  else if (body.state === 'refused') {
    await trx
      .updateTable('pull')
      .set({ state: 'failed', code: body.code ?? 'LR_PULL_REFUSED', ended_utc_ms: nowMs })
      .where('id', '=', pull.id)
      .execute();
  } else {
    const absent = body.state === 'partial' ? await absentOf(trx, pull) : [];
    await addMissing(trx, pull.id, [...(body.missing ?? []), ...absent]);
    await trx.updateTable('pull').set({ state: 'running', final: body.state }).where('id', '=', pull.id).execute();
    await finishPull(trx, pull.id, nowMs);
  }
  projected.endedPulls ||= body.state !== 'planned';
}

/** A new plan replaces the one before: a unit with a new disk plans again. */
async function plan(projected: Projected, pull: PullTable, body: DoneBody): Promise<void> {
  const { trx, epoch, nowMs } = projected;
  await trx.deleteFrom('pull_part').where('pull', '=', pull.id).execute();
  await trx.deleteFrom('pull_missing').where('pull', '=', pull.id).execute();
  const parts = (body.parts ?? []).map((part, ordinal) => ({
    pull: pull.id,
    ordinal,
    camera: part.camera,
    rendition: part.rendition,
    epoch,
    run: part.run,
    seq_first: part.seqFirst,
    seq_last: part.seqLast,
    bytes: part.bytes,
    from_json: part.from === undefined ? null : JSON.stringify(part.from),
  }));
  if (parts.length > 0) await trx.insertInto('pull_part').values(parts).execute();
  await addMissing(trx, pull.id, body.missing ?? []);
  await trx
    .updateTable('pull')
    .set({
      state: 'running',
      final: null,
      planned_utc_ms: nowMs,
      bytes_total: parts.reduce((sum, part) => sum + part.bytes, 0),
      derived_json: body.derived === undefined ? null : JSON.stringify(body.derived),
    })
    .where('id', '=', pull.id)
    .execute();
}
