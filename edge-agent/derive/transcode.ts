/**
 * Some consecutive fragments of one init segment, encoded anew at a lower rate: H.264 without sound, a key frame each second, in
 * fragments of our own. Every picture keeps its time: on the media axis, on the monotonic one and on the wall.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { StreamName, WallClaim } from '@longroof/protocol/fragment';
import type { TrackInfo } from '../capture/engine.js';
import { Mp4Reader, type Mp4Sample } from '../capture/ffmpeg/mp4-reader.js';
import { FragmentBuilder } from '../fragment/builder.js';
import type { BuiltFragment } from '../fragment/fragment.js';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { type RunAs, runLow } from './low-child.js';

export interface TranscodeOptions {
  spool: Pick<Spool, 'read' | 'init' | 'identity'>;
  clock: Clock;
  runAs: RunAs | undefined;
  signal: AbortSignal;
}

export interface Copy {
  fragment: BuiltFragment;
  wall: WallClaim;
}

export const KEY_MS = 1000;
/** A slow board at idle priority takes many times as long as the footage lasts. */
const TIME_FACTOR = 30;
const TIME_MS_MIN = 60_000;
/** Over what the rate says: a scene full of leaves, and a container. */
const OUTPUT_FACTOR = 4;
const OUTPUT_BYTES_MIN = 4 * 1024 * 1024;
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;
/** By rate, in lines: fewer pixels look better than many that the rate does not carry. */
const HEIGHTS: readonly (readonly [number, number])[] = [
  [400_000, 360],
  [1_000_000, 480],
  [3_000_000, 720],
  [Number.POSITIVE_INFINITY, 1080],
];

export function heightFor(rateBps: number): number {
  return (HEIGHTS.find(([most]) => rateBps <= most) ?? [0, 1080])[1];
}

export function transcodeArgs(rateBps: number): string[] {
  const lines = `trunc(min(${heightFor(rateBps)}\\,ih)/2)*2`;
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostats', '-protocol_whitelist', 'pipe', '-threads', '1', '-f', 'mov', '-i', 'pipe:0'],
    ...['-map', '0:v:0', '-map_metadata', '-1', '-an', '-vf', `scale=-2:${lines}`, '-pix_fmt', 'yuv420p', '-fps_mode', 'passthrough'],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1', '-bf', '0', '-g', '250'],
    ...['-force_key_frames', `expr:gte(t,n_forced*${KEY_MS / 1000})`],
    ...['-b:v', `${rateBps}`, '-maxrate', `${Math.round(rateBps * 1.5)}`, '-bufsize', `${rateBps * 2}`],
    ...['-video_track_timescale', '90000', '-movflags', '+empty_moov+default_base_moof+frag_keyframe', '-f', 'mp4', 'pipe:1'],
  ];
}

/**
 * `originals` begin with one that is independent. Throws LR_COPY_*, LR_SPOOL_CORRUPT for an original that is not what was recorded,
 * LR_FFMPEG_OUTPUT, LR_CANCELLED.
 */
export async function transcode(originals: readonly StoredFragment[], rateBps: number, options: TranscodeOptions): Promise<Copy[]> {
  const first = originals[0];
  if (!first?.meta.independent) throw new Fault('corrupt', 'LR_COPY_FAILED', 'footage without a key frame at its beginning');
  const durationMs = originals.reduce((sum, { meta }) => sum + meta.duration90k / 90, 0);
  const wantedBytes = ((rateBps * durationMs) / 8000) * OUTPUT_FACTOR;
  const frames = new CopyFrames(originals, options);
  const reader = new Mp4Reader({
    tracks: (tracks) => frames.parameterSets(tracks[0]?.parameterSets ?? []),
    sample: (sample) => frames.sample(sample),
  });
  await runLow({
    program: 'ffmpeg',
    args: transcodeArgs(rateBps),
    input: bytesOf(originals, options.spool),
    output: (bytes) => reader.push(bytes),
    outputBytesMax: Math.min(Math.max(wantedBytes, OUTPUT_BYTES_MIN), OUTPUT_BYTES_MAX),
    timeMs: Math.max(TIME_MS_MIN, durationMs * TIME_FACTOR),
    clock: options.clock,
    signal: options.signal,
    runAs: options.runAs,
  });
  return frames.end();
}

async function* bytesOf(originals: readonly StoredFragment[], spool: TranscodeOptions['spool']): AsyncGenerator<Uint8Array> {
  const sha256 = originals[0]?.meta.initSha256 ?? '';
  const init = await spool.init(sha256);
  if (!init) throw new Fault('corrupt', 'LR_COPY_FAILED', `init segment ${sha256} is not on the disk any more`);
  yield init;
  for (const original of originals) yield await spool.read(original);
}

interface Point {
  start90k: number;
  startMonoMs: MonoMs;
  wall: WallClaim;
  cameraUtcMs: number | null;
}

/** Takes the encoder's pictures and gives each the time that it had in the original. */
class CopyFrames {
  readonly #copies: Copy[] = [];
  readonly #points: Point[];
  readonly #builder: FragmentBuilder;
  #track: TrackInfo | undefined;
  #first: number | undefined;
  #point = 0;

  constructor(originals: readonly StoredFragment[], { spool, clock }: Pick<TranscodeOptions, 'spool' | 'clock'>) {
    const offsetMs = clock.utc() - clock.mono();
    this.#points = originals.map(({ meta, wall }) => ({
      start90k: meta.start90k,
      // Monotonic time does not reach across boots: what is older is put where its wall time would be in this one.
      startMonoMs: meta.boot === spool.identity.boot ? meta.startMonoMs : wall.utcMs - offsetMs,
      wall,
      cameraUtcMs: meta.cameraUtcMs,
    }));
    const stream: StreamName = { camera: originals[0]?.meta.camera ?? '', rendition: 'derived' };
    this.#builder = new FragmentBuilder({ stream, sink: { fragment: (fragment) => this.#take(fragment) } });
  }

  parameterSets(parameterSets: Uint8Array[]): void {
    this.#track = { kind: 'video', codec: 'h264', clockRate: 90_000, parameterSets };
    this.#builder.tracks([this.#track]);
  }

  sample({ track, pts, bytes, start, end }: Mp4Sample): void {
    const info = this.#track;
    if (!info || track.codec !== 'h264') throw new Fault('corrupt', 'LR_COPY_FAILED', 'ffmpeg made something else than H.264');
    const ticks = Math.round((pts * 90_000) / track.timescale);
    this.#first ??= ticks;
    const at90k = ticks - this.#first + (this.#points[0]?.start90k ?? 0);
    const arena = this.#builder.arena('video');
    const offset = arena.length;
    arena.appendRange(bytes, start, end);
    const point = this.#pointAt(at90k);
    const sinceMs = (at90k - point.start90k) / 90;
    this.#builder.accessUnit({
      ...{ track: info, offset, length: end - start, pts90k: at90k, dts90k: at90k, key: isKey(bytes, start, end) },
      ...{ monoMs: point.startMonoMs + sinceMs, arrivalMonoMs: point.startMonoMs + sinceMs },
      ...{ cameraUtcMs: point.cameraUtcMs === null ? null : point.cameraUtcMs + sinceMs, damaged: false, lostPackets: 0 },
    });
  }

  end(): Copy[] {
    this.#builder.sessionEnded();
    return this.#copies;
  }

  #take(fragment: BuiltFragment): boolean {
    const point = this.#points.findLast((one) => one.start90k <= fragment.meta.start90k) ?? (this.#points[0] as Point);
    const sinceMs = (fragment.meta.start90k - point.start90k) / 90;
    this.#copies.push({ fragment, wall: { ...point.wall, utcMs: point.wall.utcMs + sinceMs } });
    return true;
  }

  /** Pictures come in order. */
  #pointAt(at90k: number): Point {
    while ((this.#points[this.#point + 1]?.start90k ?? Number.POSITIVE_INFINITY) <= at90k) this.#point += 1;
    return this.#points[this.#point] as Point;
  }
}

/** Whether a slice of an IDR picture is in it (ISO/IEC 14496-10, 7.4.1: type 5); NAL units stand behind their lengths. */
function isKey(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at + 5 <= end; at += 4 + bytes.readUInt32BE(at)) if (((bytes[at + 4] ?? 0) & 31) === 5) return true;
  return false;
}
