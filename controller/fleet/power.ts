/** What a wagon last said of its power, as the API tells of it. */
import { rfc3339 } from '@longroof/base/clock';
import type { UnitShape } from './shapes.js';

interface Kept {
  mode: NonNullable<UnitShape['power']>['mode'];
  reason: string;
  sentence: string;
  supplyV: number | null;
  nextContactUtcMs: number | null;
  left: { cameraHours: number; errorCameraHours: number } | null;
  /** Not in what was kept before it was asked for. */
  shed?: { proxies: boolean; cameras: string[] } | null;
}

/** Null where it never said anything: it has no board service. */
export function powerOf(row: { power_json: string | null; power_utc_ms: number | null }): UnitShape['power'] {
  if (row.power_json === null || row.power_utc_ms === null) return null;
  const { mode, reason, sentence, supplyV, nextContactUtcMs, left, shed } = JSON.parse(row.power_json) as Kept;
  return {
    ...{ mode, reason, sentence, at: rfc3339(row.power_utc_ms), supplyV, left, shed: shed ?? null },
    nextContact: nextContactUtcMs === null ? null : rfc3339(nextContactUtcMs),
  };
}
