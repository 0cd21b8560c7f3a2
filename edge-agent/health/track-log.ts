/**
 * Gathers fixes into `track` records: each one while the wagon moves (at most every 5 s), one a minute while it stands. The
 * first makes a record of its own: where a wagon is should be known as soon as it starts.
 */
import type { MonoMs } from '@longroof/base/clock';
import { encodeFix, type Fix, TRACK_POINTS_MAX } from '@longroof/protocol/track';

const MOVING_MS = 5000;
const STANDING_MS = 60_000;
const RECORD_MS = 60_000;
const MOVED_M = 15;
const DEGREE_M = 111_320;

export class TrackLog {
  #points: number[][] = [];
  #kept: Fix | undefined;
  #openedMonoMs: MonoMs = 0;

  /** Takes a fix; gives the points of a record when it is time to write one. */
  take(fix: Fix): number[][] | undefined {
    const first = this.#kept === undefined;
    if (this.#isWorth(fix)) {
      if (this.#points.length === 0) this.#openedMonoMs = fix.monoMs;
      this.#points.push(encodeFix(fix));
      this.#kept = fix;
    }
    const due = first || this.#points.length >= TRACK_POINTS_MAX || fix.monoMs - this.#openedMonoMs >= RECORD_MS;
    return due ? this.flush() : undefined;
  }

  flush(): number[][] | undefined {
    if (this.#points.length === 0) return undefined;
    const points = this.#points;
    this.#points = [];
    return points;
  }

  #isWorth(fix: Fix): boolean {
    const kept = this.#kept;
    if (!kept || fix.jump) return true;
    const sinceMs = fix.monoMs - kept.monoMs;
    const dx = (fix.lonDeg - kept.lonDeg) * DEGREE_M * Math.cos((fix.latDeg * Math.PI) / 180);
    const dy = (fix.latDeg - kept.latDeg) * DEGREE_M;
    const moves = Math.hypot(dx, dy) > MOVED_M || (fix.speedMps ?? 0) > 1;
    return sinceMs >= (moves ? MOVING_MS : STANDING_MS);
  }
}
