/**
 * Third part of opening: what the time between the last run and this one was, per stream. Times of an earlier boot are carried into
 * this boot's monotonic time by one shift, taken from the wall clock at both ends, so that a gap across a power cut has a length.
 */
import type { MonoMs } from '@longroof/base/clock';
import { parseStreamText, type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import { type GapCause, isGapCause } from '@longroof/protocol/gap';
import type { GapBody } from '@longroof/protocol/journal';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';
import { Coverage, type GapPiece } from './coverage.js';
import type { StreamFindings } from './recover-reels.js';
import type { StreamRow } from './rows.js';

/** Last sign of life of the run before. */
export interface Heartbeat {
  boot: string;
  monoMs: MonoMs;
  wall: WallClaim;
  spoolMs: number;
}

/** Wall time of the time before this boot. */
export interface Before {
  shiftMs: number;
  wallAt(monoMs: MonoMs): WallClaim;
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

/**
 * Undefined where the last run was of this boot: its times are this run's times. `footageMonoMs`: where footage of the boot before ends
 * that came to the disk behind its last sign of life.
 */
export function beforeBoot(
  beat: Heartbeat | undefined,
  footageMonoMs: MonoMs,
  boot: string,
  anchors: readonly ClockAnchor[],
  nowMonoMs: MonoMs,
  nowWall: WallClaim,
): Before | undefined {
  if (!beat || beat.boot === boot) return undefined;
  const old = (monoMs: MonoMs): WallClaim => bestWall(monoMs, { ...beat.wall, utcMs: beat.wall.utcMs + (monoMs - beat.monoMs) }, anchors);
  // All that is known of the boot before was before this boot, whatever the clocks say.
  const lastMonoMs = Math.max(beat.monoMs, footageMonoMs);
  const shiftMs = Math.min(0, nowMonoMs - (nowWall.utcMs - old(lastMonoMs).utcMs)) - lastMonoMs;
  return { shiftMs, wallAt: (monoMs) => old(monoMs - shiftMs) };
}

export function gapBody(stream: StreamName, piece: GapPiece, before: Before | undefined): GapBody {
  return {
    camera: stream.camera,
    rendition: stream.rendition,
    fromMonoMs: rounded(piece.fromMonoMs),
    durationMs: rounded(piece.toMonoMs - piece.fromMonoMs),
    ...(before && piece.fromMonoMs < 0 ? { fromWall: before.wallAt(piece.fromMonoMs) } : {}),
    cause: piece.cause,
    ...(piece.detail === undefined ? {} : { detail: piece.detail }),
  };
}

/** The agent ran, and the disk did not let the spool be opened: why, from then on. */
export interface Waited {
  sinceMonoMs: MonoMs;
  cause: GapCause;
  detail: string;
}

export interface RecoveredCoverage {
  coverage: Coverage;
  gaps: GapPiece[];
}

/** `restart` is why the last run ended; `isConfigured` whether this run records the stream. */
export function recoverStream(
  row: StreamRow,
  found: StreamFindings | undefined,
  at: {
    beat: Heartbeat | undefined;
    beatBoot: number | undefined;
    before: Before | undefined;
    nowMonoMs: MonoMs;
    restart: GapCause;
    waited: readonly Waited[] | undefined;
  },
  isConfigured: boolean,
): RecoveredCoverage {
  const shift = at.before?.shiftMs ?? 0;
  const ofLastBoot = row.boot !== null && row.boot === at.beatBoot;
  const cause: GapCause = isGapCause(row.cause) ? row.cause : 'configuration';
  const ends = [found?.endMono, ofLastBoot ? row.accounted : undefined].filter((end) => typeof end === 'number');
  const accounted = ends.length > 0 ? Math.max(...ends) : at.beat?.monoMs;
  const waited = isConfigured && at.waited?.[0] ? at.waited : undefined;
  if (accounted === undefined) {
    const unknown = new Coverage(waited?.[0]?.sinceMonoMs ?? at.nowMonoMs, 'configuration');
    return waited ? waitedFor(unknown, waited, at.nowMonoMs) : { coverage: unknown, gaps: [] };
  }
  const detail = row.detail ?? undefined;
  // Footage behind a close: the stream was open again, and that did not come to the index.
  if (!row.open && !found?.added.length) {
    const closed = new Coverage(accounted + shift, cause, detail);
    return waited ? waitedFor(closed, waited, at.nowMonoMs) : { coverage: closed, gaps: [] };
  }

  const coverage = Coverage.resume(accounted + shift, cause, row.causeAt + shift, detail);
  const gaps: GapPiece[] = [];
  for (const fragment of found?.added ?? [])
    gaps.push(...coverage.fragment(fragment.from + shift, fragment.to + shift, { adjoins: fragment.adjoins }));
  const aliveMonoMs = (at.beat?.monoMs ?? accounted) + shift;
  const wasInGap = row.causeAt + shift >= coverage.accountedMonoMs && aliveMonoMs > coverage.accountedMonoMs;
  gaps.push(...coverage.close(wasInGap ? Math.min(aliveMonoMs, at.nowMonoMs) : coverage.accountedMonoMs, at.restart));
  if (waited) gaps.push(...waitedFor(coverage, waited, at.nowMonoMs).gaps);
  gaps.push(...coverage.open(at.nowMonoMs));
  if (!isConfigured) gaps.push(...coverage.close(at.nowMonoMs, 'configuration'));
  return { coverage, gaps };
}

/** Closed time ends where the wait for the disk began; the wait is a gap by its causes, and so is what follows until the stream opens. */
export function waitedFor(coverage: Coverage, waited: readonly Waited[], nowMonoMs: MonoMs): RecoveredCoverage {
  const gaps = coverage.open(Math.min(waited[0]!.sinceMonoMs, nowMonoMs));
  for (const { cause, sinceMonoMs, detail } of waited) coverage.note(cause, sinceMonoMs, detail);
  gaps.push(...coverage.close(nowMonoMs, waited.at(-1)!.cause));
  return { coverage, gaps };
}

/** Names of the streams of a configuration, as text. */
export function configuredStreams(cameras: readonly { camera: string; renditions: readonly StreamName['rendition'][] }[]): Set<string> {
  return new Set(cameras.flatMap(({ camera, renditions }) => renditions.map((rendition) => streamText({ camera, rendition }))));
}

export function streamOf(text: string): StreamName {
  const stream = parseStreamText(text);
  if (!stream) throw new RangeError(`stream ${text}`);
  return stream;
}
