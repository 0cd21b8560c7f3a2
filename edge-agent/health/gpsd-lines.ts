/** Reads what gpsd says (JSON lines, gpsd_json(5)): fixes and the count of satellites. Anything else, and anything wrong, gives nothing. */
import type { UtcMs } from '@longroof/base/clock';
import { parseRfc3339 } from '@longroof/base/clock';
import { type ReceiverState, readRawLine, readTpvState } from './receiver-state.js';

/** A TPV report with a position. */
export interface Position {
  kind: 'position';
  utcMs: UtcMs;
  mode: 2 | 3;
  latDeg: number;
  lonDeg: number;
  errorM: number | null;
  speedMps: number | null;
  courseDeg: number | null;
}
/** A TPV report without one, or a device that went away. */
export interface NoPosition {
  kind: 'none';
}
export interface Sky {
  kind: 'sky';
  satellites: number;
}
/** Of antenna and jamming. */
export interface Receiver {
  kind: 'receiver';
  told: Partial<ReceiverState>;
}
export type GpsdReport = Position | NoPosition | Sky | Receiver;

/** A longer line is cut off and lost. */
export const GPSD_LINE_BYTES_MAX = 16 * 1024;

const real = (value: unknown, min: number, max: number): number | null =>
  typeof value === 'number' && value >= min && value <= max ? value : null;

/** All that a line tells: a position, and what it says of the receiver besides. */
export function parseGpsdReports(line: string): GpsdReport[] {
  if (line.length > GPSD_LINE_BYTES_MAX) return [];
  if (!line.startsWith('{')) {
    const told = readRawLine(line);
    return told ? [{ kind: 'receiver', told }] : [];
  }
  const report = parseGpsdLine(line);
  if (report?.kind !== 'position' && report?.kind !== 'none') return report ? [report] : [];
  const told = readTpvState(JSON.parse(line) as Record<string, unknown>);
  return Object.keys(told).length > 0 ? [{ kind: 'receiver', told }, report] : [report];
}

export function parseGpsdLine(line: string): GpsdReport | undefined {
  if (line.length > GPSD_LINE_BYTES_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const report = value as Record<string, unknown>;
  if (report['class'] === 'TPV') return readPosition(report);
  if (report['class'] === 'SKY') {
    const used = real(report['uSat'], 0, 1000) ?? (Array.isArray(report['satellites']) ? countUsed(report['satellites']) : null);
    return used === null ? undefined : { kind: 'sky', satellites: Math.round(used) };
  }
  if (report['class'] === 'DEVICE' && report['activated'] === 0) return { kind: 'none' };
  return undefined;
}

function countUsed(satellites: readonly unknown[]): number {
  return satellites.filter((one) => (one as { used?: unknown } | null)?.used === true).length;
}

function readPosition(report: Record<string, unknown>): Position | NoPosition {
  const latDeg = real(report['lat'], -90, 90);
  const lonDeg = real(report['lon'], -180, 180);
  const utcMs = typeof report['time'] === 'string' ? parseRfc3339(report['time']) : Number.NaN;
  const mode = report['mode'];
  if ((mode !== 2 && mode !== 3) || latDeg === null || lonDeg === null || !Number.isFinite(utcMs)) return { kind: 'none' };
  const eph = real(report['eph'], 0, 1e7);
  const epx = real(report['epx'], 0, 1e7);
  const epy = real(report['epy'], 0, 1e7);
  return {
    kind: 'position',
    utcMs,
    mode,
    latDeg,
    lonDeg,
    errorM: eph ?? (epx !== null && epy !== null ? Math.hypot(epx, epy) : null),
    speedMps: real(report['speed'], 0, 1000),
    courseDeg: real(report['track'], 0, 360),
  };
}
