/**
 * Where the wagon points. While it drives, its course over ground; a parked one keeps the last, with a doubt that grows: a wagon that
 * manoeuvres too slowly for a course turns within a few metres, and one that stands may be towed. Pure.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { Fix } from '@longroof/protocol/track';
import { distanceM } from './jumps.js';

export interface Heading {
  headingDeg: number;
  /** One standard deviation; 180 is no knowledge at all, and then there is no heading. */
  errorDeg: number;
}

/** Below this speed receivers tell noise for a course. */
const COURSE_MPS_MIN = 2.5;
const MOVING_MPS = 0.5;
/** A turning circle of 11 m: 10 degrees a metre. */
const TURN_DEG_PER_M = 10;
const STANDING_DEG_PER_HOUR = 0.5;
const NONE_DEG = 180;

/** Farther from where it was last, it was moved meanwhile. */
const SAME_PLACE_M = 30;
const UNSEEN_DEG = 10;

/** After a start: the heading of the last fix that was written, where the wagon still stands there. What happened meanwhile adds to its doubt. */
export function headingFrom(last: Fix | undefined, fix: Fix): Heading | undefined {
  if (!last?.heading || distanceM(last, fix) > SAME_PLACE_M + (last.errorM ?? 0) + (fix.errorM ?? 0)) return undefined;
  const errorDeg = last.heading.errorDeg + UNSEEN_DEG;
  return errorDeg < NONE_DEG ? { headingDeg: last.heading.headingDeg, errorDeg } : undefined;
}

export class HeadingKeeper {
  readonly #courseErrorDeg: number;
  #heading: Heading | undefined;
  #atMonoMs: MonoMs = 0;

  constructor(courseErrorDeg: number, kept?: Heading) {
    this.#courseErrorDeg = courseErrorDeg;
    this.#heading = kept;
  }

  take({ monoMs, speedMps, courseDeg }: Pick<Fix, 'monoMs' | 'speedMps' | 'courseDeg'>): Heading | undefined {
    const passedMs = Math.max(0, monoMs - this.#atMonoMs);
    const isFirst = this.#atMonoMs === 0;
    this.#atMonoMs = monoMs;
    if (courseDeg !== null && speedMps !== null && speedMps >= COURSE_MPS_MIN) {
      // Half as fast, twice as wrong.
      const errorDeg = Math.max(this.#courseErrorDeg, (this.#courseErrorDeg * 2 * COURSE_MPS_MIN) / speedMps);
      this.#heading = { headingDeg: courseDeg, errorDeg };
    } else if (this.#heading && !isFirst) {
      const metres = speedMps !== null && speedMps > MOVING_MPS ? (speedMps * passedMs) / 1000 : 0;
      const errorDeg = this.#heading.errorDeg + metres * TURN_DEG_PER_M + (passedMs / 3_600_000) * STANDING_DEG_PER_HOUR;
      this.#heading = errorDeg >= NONE_DEG ? undefined : { ...this.#heading, errorDeg };
    }
    return this.#heading;
  }
}
