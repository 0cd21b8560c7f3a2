/** What must hold after any fault, apart from the faults themselves. Each check throws an Error that says what it found. */
import { fsck } from '../peers/wagon.js';
import type { Row } from './rows.js';
import { rowKey } from './rows.js';
import type { FaultWagon, Gap } from './wagon.js';

/** Frames come 40 ms apart and their times are estimates. */
const TOLERANCE_MS = 150;

export function check(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

export async function fsckClean(wagon: FaultWagon): Promise<void> {
  const answer = await fsck(wagon.spool);
  check(answer.code === 0, `fsck ended with ${answer.code}: ${answer.text.slice(0, 3000)}`);
}

/** Every row of `before` is there still, unchanged. */
export function nothingLost(before: readonly Row[], after: readonly Row[]): void {
  const now = new Map(after.map((row) => [rowKey(row), row.sha256]));
  for (const row of before) {
    const sha256 = now.get(rowKey(row));
    check(sha256 === row.sha256, `durable fragment ${rowKey(row)} is ${sha256 === undefined ? 'missing' : 'changed'}`);
  }
}

interface Stretch {
  from: number;
  to: number;
  what: string;
}

/** Every instant from `fromMonoMs` to `toMonoMs` is footage or a gap with a cause, and no gap lies over footage. */
export function accountedFor(wagon: FaultWagon, fromMonoMs: number, toMonoMs: number): void {
  const rows = wagon.rows();
  const gaps = wagon.gaps();
  for (const camera of wagon.cameras) {
    const stretches: Stretch[] = [
      ...rows.filter((row) => row.camera === camera).map((row) => ({ from: row.startMonoMs, to: row.endMonoMs, what: 'footage' })),
      ...gaps
        .filter((gap) => gap.camera === camera)
        .map((gap) => ({ from: gap.fromMonoMs, to: gap.fromMonoMs + gap.durationMs, what: gap.cause })),
    ].sort((a, b) => a.from - b.from);
    let at = fromMonoMs;
    let last: Stretch | undefined;
    for (const stretch of stretches) {
      if (stretch.to <= at) continue;
      check(
        stretch.from <= at + TOLERANCE_MS || at >= toMonoMs,
        `${camera}: ${Math.round(stretch.from - at)} ms without footage or a gap, after ${last?.what ?? 'the start'}, before ${stretch.what}`,
      );
      const overlapMs = last && (last.what === 'footage') !== (stretch.what === 'footage') ? last.to - stretch.from : 0;
      check(overlapMs <= 2 * TOLERANCE_MS, `${camera}: a gap of ${stretch.what} and ${last?.what} overlap by ${Math.round(overlapMs)} ms`);
      at = Math.max(at, stretch.to);
      last = stretch;
    }
    check(at >= toMonoMs - TOLERANCE_MS, `${camera}: ${Math.round(toMonoMs - at)} ms at the end without footage or a gap`);
  }
}

/** Time of a camera between two instants that is a gap of the cause. */
export function gapMs(gaps: readonly Gap[], camera: string, cause: string, fromMonoMs: number, toMonoMs: number): number {
  return gaps
    .filter((gap) => gap.camera === camera && gap.cause === cause)
    .reduce((sum, gap) => sum + Math.max(0, Math.min(toMonoMs, gap.fromMonoMs + gap.durationMs) - Math.max(fromMonoMs, gap.fromMonoMs)), 0);
}
