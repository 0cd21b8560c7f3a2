/** `power`: what the unit last said of its power, with the reason; the newest counts. A record of a flush says nothing of the state. */
import { isId } from '@longroof/base/ids';
import { type BatteryLeft, POWER_MODES, POWER_REASONS } from '@longroof/protocol/board';
import type { JournalRecord } from '@longroof/protocol/journal';
import { checkBody, isText } from './body.js';
import type { Projected } from './project.js';
import { isReal } from './read-message.js';

const MODES: ReadonlySet<unknown> = new Set([...POWER_MODES, 'unknown']);
const REASONS: ReadonlySet<unknown> = new Set([...POWER_REASONS, 'board-gone']);
const CAMERAS_MAX = 64;
const isRealOrNone = (value: unknown): boolean => value === null || value === undefined || isReal(value);

function isShed(value: unknown): value is { proxies: boolean; cameras: string[] } {
  const { proxies, cameras } = (value ?? {}) as { proxies?: unknown; cameras?: unknown };
  return typeof proxies === 'boolean' && Array.isArray(cameras) && cameras.length <= CAMERAS_MAX && cameras.every(isId);
}

export async function projectPower({ trx, unit }: Projected, record: JournalRecord): Promise<void> {
  const { body } = record as JournalRecord<'power'>;
  const { mode, reason, sentence, supplyV, nextContactUtcMs } = body;
  if (mode === undefined) return;
  const left = body['left'] as unknown as Partial<BatteryLeft> | null | undefined;
  const shed = body['shed'] as unknown;
  checkBody(record, [
    ['mode', MODES.has(mode)],
    ['reason', REASONS.has(reason)],
    ['sentence', sentence === undefined || isText(sentence, 1000)],
    ['supplyV', isRealOrNone(supplyV)],
    ['nextContactUtcMs', isRealOrNone(nextContactUtcMs)],
    ['shed', shed === undefined || isShed(shed)],
    ['left', left === null || left === undefined || (isReal(left.cameraHours) && isReal(left.errorCameraHours))],
  ]);
  const json = JSON.stringify({
    ...{ mode, reason, sentence: sentence ?? '', supplyV: supplyV ?? null, nextContactUtcMs: nextContactUtcMs ?? null },
    left: left ? { cameraHours: left.cameraHours, errorCameraHours: left.errorCameraHours } : null,
    shed: isShed(shed) ? { proxies: shed.proxies, cameras: shed.cameras } : null,
  });
  await trx.updateTable('unit').set({ power_json: json, power_utc_ms: record.wall.utcMs }).where('unit', '=', unit).execute();
}
