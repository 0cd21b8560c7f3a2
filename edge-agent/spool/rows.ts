/** Rows of the index and what they mean as metadata. A fragment's row leaves out what its reel already says. */

import { assert } from '@longroof/base/errors';
import type { FragmentMeta, Rendition, WallSource } from '@longroof/protocol/fragment';
import { parseStreamText } from '@longroof/protocol/fragment';
import { RUNG_DERIVED, RUNG_ORIGINAL, RUNG_PROXY, RUNG_STRIP } from './schema.js';

export interface ReelRow {
  id: number;
  stream: number;
  rung: number;
  epoch: string;
  run: number;
  seqFirst: number;
  boot: number;
  state: number;
  count: number;
  released: number;
  fileBytes: number;
  /** Sum of `moof` + `mdat`. */
  bytes: number;
  startMono: number;
  endMono: number;
  /** Least and greatest of wall claim minus monotonic time over its fragments. */
  offsetMin: number;
  offsetMax: number;
  /** Wall time of its first fragment where GNSS or NTP vouched for it. */
  trustedUtc: number | null;
  /** Age clock of the spool when it was born: see `SpoolTime`. */
  bornMs: number;
  initSha: Buffer;
  initBytes: number;
  codec: string;
  lostPackets: number;
  rowFirst: number | null;
  rowLast: number | null;
  root: Buffer | null;
}

export interface FragmentRow {
  id: number;
  reel: number;
  seq: number;
  /** Offset of the `moof` in the reel. */
  at: number;
  startMono: number;
  arrivalMono: number;
  start90k: number;
  duration90k: number;
  wallUtc: number;
  wallSource: string;
  wallError: number;
  cameraUtc: number | null;
  bytes: number;
  sha: Buffer;
  frames: number;
  keyFrames: number;
  lostPackets: number;
  flags: number;
  released: number;
}

export interface GapRow {
  id: number;
  stream: number;
  boot: number;
  fromMono: number;
  duration: number;
  fromUtc: number | null;
  claimOffset: number;
  claimSource: string;
  claimError: number;
  cause: string;
  detail: string | null;
}

export interface StreamRow {
  id: number;
  name: string;
  open: number;
  boot: number | null;
  accounted: number | null;
  wall: string | null;
  cause: string;
  causeAt: number;
  detail: string | null;
}

const INDEPENDENT = 1;
const DAMAGED = 2;

export function fragmentRow(meta: FragmentMeta, reel: number, at: number): Omit<FragmentRow, 'id'> {
  return {
    reel,
    seq: meta.seq,
    at,
    startMono: meta.startMonoMs,
    arrivalMono: meta.arrivalMonoMs,
    start90k: meta.start90k,
    duration90k: meta.duration90k,
    wallUtc: meta.wall.utcMs,
    wallSource: meta.wall.source,
    wallError: meta.wall.errorMs,
    cameraUtc: meta.cameraUtcMs,
    bytes: meta.bytes,
    sha: Buffer.from(meta.sha256, 'hex'),
    frames: meta.frames,
    keyFrames: meta.keyFrames,
    lostPackets: meta.lostPackets,
    flags: (meta.independent ? INDEPENDENT : 0) | (meta.damaged ? DAMAGED : 0),
    released: 0,
  };
}

/** `stream` is the stream's name as text. */
export function fragmentMeta(row: FragmentRow, reel: ReelRow, unit: string, stream: string, boot: string): FragmentMeta {
  const name = parseStreamText(stream);
  assert(name, `stream ${stream}`);
  return {
    v: 1,
    unit,
    camera: name.camera,
    rendition: name.rendition,
    epoch: reel.epoch,
    run: reel.run,
    seq: row.seq,
    boot,
    startMonoMs: row.startMono,
    arrivalMonoMs: row.arrivalMono,
    start90k: row.start90k,
    duration90k: row.duration90k,
    wall: { utcMs: row.wallUtc, source: row.wallSource as WallSource, errorMs: row.wallError },
    cameraUtcMs: row.cameraUtc,
    bytes: row.bytes,
    sha256: row.sha.toString('hex'),
    initSha256: reel.initSha.toString('hex'),
    codec: reel.codec,
    frames: row.frames,
    keyFrames: row.keyFrames,
    lostPackets: row.lostPackets,
    independent: (row.flags & INDEPENDENT) !== 0,
    damaged: (row.flags & DAMAGED) !== 0,
  };
}

/** Runs of fragments for which a receipt came once, as a disposal record tells of them; nothing where there is none. */
export function receiptedRuns(rows: readonly FragmentRow[]): { receipted?: [number, number, number][] } {
  const runs: [number, number, number][] = [];
  for (const { seq, bytes, released } of rows) {
    const last = runs.at(-1);
    if (released === 0) continue;
    if (last && last[1] === seq - 1) {
      last[1] = seq;
      last[2] += bytes;
    } else runs.push([seq, seq, bytes]);
  }
  return runs.length > 0 ? { receipted: runs } : {};
}

const RUNGS: Readonly<Record<Rendition, number>> = { original: RUNG_ORIGINAL, proxy: RUNG_PROXY, derived: RUNG_DERIVED, strip: RUNG_STRIP };

export function rungOf(stream: string): number {
  return RUNGS[parseStreamText(stream)?.rendition ?? 'original'];
}

export function rungOfRendition(rendition: Rendition): number {
  return RUNGS[rendition];
}

/** Monotonic times of fragments that adjoin differ by jitter; more is a camera that held its clock while it stood still. */
const ADJOIN_MS_MAX = 2000;

export interface MediaSpan extends Pick<FragmentMeta, 'run' | 'initSha256' | 'start90k' | 'duration90k' | 'startMonoMs'> {}

/** The second goes on where the first ends by the camera's own clock: no time is missing between them. */
export function adjoins(last: MediaSpan | undefined, next: MediaSpan): boolean {
  return (
    last !== undefined &&
    last.run === next.run &&
    last.initSha256 === next.initSha256 &&
    last.start90k + last.duration90k === next.start90k &&
    Math.abs(next.startMonoMs - last.startMonoMs - durationMs(last)) <= ADJOIN_MS_MAX
  );
}

export function durationMs(meta: Pick<FragmentMeta, 'duration90k'>): number {
  return meta.duration90k / 90;
}
