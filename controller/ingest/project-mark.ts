/**
 * `event`, where it is a mark: an event that protects footage. It is dated by the best clock of its boot, and dated again when a better one
 * becomes known. Where the unit's policy wants its footage here, a pull is made of it, once, under the name that the unit gave.
 */
import type { JournalRecord } from '@longroof/protocol/journal';
import { type MarkDetail, readMark } from '@longroof/protocol/marks';
import { type ClockAnchor, DRIFT_PPM } from '@longroof/protocol/wall';
import { sql } from 'kysely';
import type { PullTable } from '../store/tables.js';
import { checkBody } from './body.js';
import type { Projected } from './project.js';
import { carried, datesBetter } from './walls.js';

/** Who asks in a unit's name: its own policy did. */
export const POLICY_PERSON = 'policy of the wagon';
/** Policies may not fill the list of what people ask for. */
const PULLS_OPEN_MAX = 32;

export async function projectMark(projected: Projected, record: JournalRecord): Promise<void> {
  const { event, detail } = (record as JournalRecord<'event'>).body;
  if (event !== 'mark') return;
  const mark = readMark(detail);
  checkBody(record, [['detail', mark !== undefined]]);
  if (!mark) return;
  const { trx, unit, epoch, walls } = projected;
  const boot = await walls.bootOf(record.run);
  const claim = carried(record.wall, record.monoMs, mark.atMonoMs);
  const wall = boot === undefined ? claim : await walls.best(boot, mark.atMonoMs, claim);
  await trx
    .insertInto('event')
    .values({
      ...{ unit, epoch, seq: record.seq, run: record.run, kind: mark.kind, at_mono_ms: mark.atMonoMs, at_utc_ms: wall.utcMs },
      ...{
        wall_error_ms: wall.errorMs,
        by_clock: wall === claim ? 0 : 1,
        turned_on: mark.on ? 1 : 0,
        value: mark.value ?? null,
        hold: mark.hold?.holdId ?? null,
      },
    })
    .onConflict((conflict) => conflict.columns(['unit', 'epoch', 'seq']).doNothing())
    .execute();
  if (mark.upload) await askFor(projected, mark, mark.upload);
}

async function askFor(projected: Projected, { kind }: MarkDetail, upload: NonNullable<MarkDetail['upload']>): Promise<void> {
  const { trx, unit, nowMs } = projected;
  const open = await trx
    .selectFrom('pull')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('unit', '=', unit)
    .where('person', '=', POLICY_PERSON)
    .where('ended_utc_ms', 'is', null)
    .executeTakeFirst();
  if (Number(open?.count ?? 0) >= PULLS_OPEN_MAX || upload.cameras.length === 0) return;
  const pull: PullTable = {
    ...{ id: upload.id, unit, cameras_json: JSON.stringify(upload.cameras), rendition: upload.rendition },
    ...{ from_utc_ms: upload.fromUtcMs, to_utc_ms: upload.toUtcMs, reason: `event: ${kind}`, case_number: null },
    ...{ person: POLICY_PERSON, state: 'queued', final: null, urgent: upload.urgent ? 1 : 0, withdrawn_generation: null, code: null },
    ...{
      created_utc_ms: Math.round(nowMs),
      planned_utc_ms: null,
      ended_utc_ms: null,
      bytes_total: null,
      rate_bps: null,
      derived_json: null,
    },
  };
  await trx
    .insertInto('pull')
    .values(pull)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  // What is to be asked for goes out as when others end: with the next desired state.
  projected.endedPulls = true;
}

/** A clearly better clock of a boot dates its events again. */
export async function correctEvents(projected: Projected, boot: string, anchor: ClockAnchor): Promise<void> {
  const { trx, unit, epoch } = projected;
  const error = sql<number>`${anchor.errorMs} + abs(at_mono_ms - ${anchor.atMonoMs}) * ${DRIFT_PPM / 1e6}`;
  const runs = trx.selectFrom('run').select('run').where('unit', '=', unit).where('epoch', '=', epoch).where('boot', '=', boot);
  await trx
    .updateTable('event')
    .set({ at_utc_ms: sql<number>`at_mono_ms + ${anchor.offsetMs}`, wall_error_ms: error, by_clock: 1 })
    .where('unit', '=', unit)
    .where('epoch', '=', epoch)
    .where('run', 'in', runs)
    .where(datesBetter(error))
    .execute();
}
