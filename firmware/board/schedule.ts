/** Times of day (UTC) at which a watch is due. Pure; a clock that jumps by more than a few minutes makes nothing due. */
import type { UtcMs } from '@longroof/base/clock';

const DAY_MS = 86_400_000;
const JUMP_MS = 5 * 60_000;

/** `22:30` as milliseconds since midnight; undefined where it is no time of day. */
export function parseTimeOfDay(text: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  return match ? (Number(match[1]) * 60 + Number(match[2])) * 60_000 : undefined;
}

/** Whether one of the times lies in (before, now]. */
export function isDue(timesOfDayMs: readonly number[], beforeUtcMs: UtcMs, nowUtcMs: UtcMs): boolean {
  if (nowUtcMs <= beforeUtcMs || nowUtcMs - beforeUtcMs > JUMP_MS) return false;
  return timesOfDayMs.some((timeMs) => {
    const latestMs = Math.floor((nowUtcMs - timeMs) / DAY_MS) * DAY_MS + timeMs;
    return latestMs > beforeUtcMs;
  });
}
