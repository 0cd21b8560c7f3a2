/** Positions in a `track` record: one row of whole numbers per fix, so that a day of them stays small on the wire. */
import type { MonoMs, UtcMs } from '@longroof/base/clock';

export interface Fix {
  /** When it was read from the receiver. */
  monoMs: MonoMs;
  /** The receiver's own time of the fix; its age is what lies between. */
  utcMs: UtcMs;
  /** 2: no height, 3: full (gpsd TPV `mode`). */
  mode: 2 | 3;
  latDeg: number;
  lonDeg: number;
  /** Horizontal error, 95 %, in metres; null where the receiver does not say. */
  errorM: number | null;
  speedMps: number | null;
  courseDeg: number | null;
  satellites: number | null;
  /** Milliseconds from the fix to its being read, by the unit's clock at that time. */
  ageMs: number;
  /** Where the wagon points, kept while it stands, and how far that may be wrong (one standard deviation). */
  heading?: { headingDeg: number; errorDeg: number };
  /** No wagon gets here from the fix before in that time, or its time runs backwards. */
  jump?: true;
}

/** Fixes that one record carries. */
export const TRACK_POINTS_MAX = 120;
const NONE = -1;
const JUMP = 1;

/**
 * [monoMs, utcMs, ageMs, mode, lat x 1e6, lon x 1e6, error dm, speed cm/s, course deg, satellites], and where there is something to tell of it
 * [... heading deg, its error deg, flags: 1 jump]; -1 for what is not known.
 */
export function encodeFix(fix: Fix): number[] {
  const scaled = (value: number | null, by: number): number => (value === null ? NONE : Math.max(0, Math.round(value * by)));
  const row = [
    Math.round(fix.monoMs),
    Math.round(fix.utcMs),
    Math.round(fix.ageMs),
    fix.mode,
    Math.round(fix.latDeg * 1e6),
    Math.round(fix.lonDeg * 1e6),
    scaled(fix.errorM, 10),
    scaled(fix.speedMps, 100),
    scaled(fix.courseDeg, 1),
    scaled(fix.satellites, 1),
  ];
  if (!fix.heading && !fix.jump) return row;
  return [...row, scaled(fix.heading?.headingDeg ?? null, 1), scaled(fix.heading?.errorDeg ?? null, 1), fix.jump ? JUMP : 0];
}

/** Undefined for a row that cannot be a fix. */
export function decodeFix(row: unknown): Fix | undefined {
  if (!Array.isArray(row) || (row.length !== 10 && row.length !== 13) || !row.every(Number.isSafeInteger)) return undefined;
  const [monoMs, utcMs, ageMs, mode, lat, lon, error, speed, course, satellites] = row as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if ((mode !== 2 && mode !== 3) || Math.abs(lat) > 90e6 || Math.abs(lon) > 180e6) return undefined;
  const known = (value: number, by: number): number | null => (value < 0 ? null : value / by);
  const [heading = NONE, headingError = NONE, flags = 0] = row.slice(10) as number[];
  return {
    monoMs,
    utcMs,
    ageMs,
    mode,
    latDeg: lat / 1e6,
    lonDeg: lon / 1e6,
    errorM: known(error, 10),
    speedMps: known(speed, 100),
    courseDeg: known(course, 1),
    satellites: known(satellites, 1),
    ...(heading < 0 || headingError < 0 ? {} : { heading: { headingDeg: heading, errorDeg: headingError } }),
    ...((flags & JUMP) === 0 ? {} : { jump: true as const }),
  };
}
