/** `power`: what the unit last said of its power, with the reason; the newest counts. A record of a flush says nothing of the state. */
import { type BatteryLeft, POWER_MODES, POWER_REASONS } from '@longroof/protocol/board';
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { isReal } from './read-message.js';

const MODES: ReadonlySet<unknown> = new Set([...POWER_MODES, 'unknown']);
const REASONS: ReadonlySet<unknown> = new Set([...POWER_REASONS, 'board-gone']);
const isRealOrNone = (value: unknown): boolean => value === null || value === undefined || isReal(value);

export async function projectPower({ trx, unit }: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'power'>;
  const { mode, reason, sentence, supplyV, nextContactUtcMs } = body;
  if (mode === undefined) return;
  const left = body['left'] as unknown as Partial<BatteryLeft> | null | undefined;
  checkBody(record, [
    ['mode', MODES.has(mode)],
    ['reason', REASONS.has(reason)],
    ['sentence', sentence === undefined || isText(sentence, 1000)],
    ['supplyV', isRealOrNone(supplyV)],
    ['nextContactUtcMs', isRealOrNone(nextContactUtcMs)],
    ['left', left === null || left === undefined || (isReal(left.cameraHours) && isReal(left.errorCameraHours))],
  ]);
  const json = JSON.stringify({
    ...{ mode, reason, sentence: sentence ?? '', supplyV: supplyV ?? null, nextContactUtcMs: nextContactUtcMs ?? null },
    left: left ? { cameraHours: left.cameraHours, errorCameraHours: left.errorCameraHours } : null,
  });
  await trx.updateTable('unit').set({ power_json: json, power_utc_ms: record.wall.utcMs }).where('unit', '=', unit).execute();
}
