/**
 * Access units become fragments: one ends in front of each key frame, or after 1 s, whichever comes first. The payload stays where
 * capture put it: a fragment takes the arenas' memory over, so that nothing is copied here.
 */
import type { MonoMs } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';
import type { StreamName } from '@longroof/protocol/fragment';
import { type ArenaMemory, ByteArena } from '../capture/arena.js';
import type { AccessUnit, CaptureSink, TrackInfo } from '../capture/engine.js';
import type { FragmentSink, InitSegment, OpenFragmentMeta } from './fragment.js';
import { makeInit, TIMESCALE_90K, trackId } from './init.js';
import { type Sample, type TrackRun, writeFragmentHead } from './moof.js';

export interface FragmentBuilderOptions {
  stream: StreamName;
  sink: FragmentSink;
  /** Of payload; by default fresh from the system. */
  memory?: ArenaMemory;
}

/** A fragment ends in front of the unit that would make it longer. */
const FRAGMENT_90K_MAX = TIMESCALE_90K;
/** Sound alone, while the picture stands still, waits a little longer. */
const SOUND_90K_MAX = 2 * TIMESCALE_90K;
const FRAGMENT_BYTES_MAX = 32 * 1024 * 1024;
const FRAGMENT_SAMPLES_MAX = 10_000;
/** A frame lasts until the next; beyond this the time behind it is no footage. */
const FRAME_90K_MAX = 1.5 * TIMESCALE_90K;
/** Of a frame with nothing to measure by: 25 a second. */
const FRAME_90K = 3600;

interface OpenTrack {
  info: TrackInfo;
  arena: ByteArena;
  samples: Sample[];
  bytes: number;
  lastDuration90k: number;
}

export class FragmentBuilder implements Pick<CaptureSink, 'arena' | 'tracks' | 'accessUnit' | 'sessionEnded'> {
  readonly #options: FragmentBuilderOptions;
  readonly #arenas: { video: ByteArena; audio: ByteArena };
  #tracks: OpenTrack[] = [];
  #init: InitSegment | undefined;
  #first: AccessUnit | undefined;
  /** When the first unit was, by the unit that arrived with the least delay: a session's first frames often wait for its start. */
  #startMonoMs: MonoMs = 0;
  #facts = { frames: 0, keyFrames: 0, lostPackets: 0, damaged: false };
  #sequence = 0;

  constructor(options: FragmentBuilderOptions) {
    this.#options = options;
    this.#arenas = { video: new ByteArena(options.memory), audio: new ByteArena(options.memory, 4096) };
  }

  arena(kind: 'video' | 'audio'): ByteArena {
    return this.#arenas[kind];
  }

  tracks(tracks: readonly TrackInfo[]): void {
    this.#close(undefined);
    this.#init = makeInit(tracks);
    this.#tracks = [...tracks]
      .sort((a, b) => trackId(a) - trackId(b))
      .map((info) => ({ info, arena: this.#arenas[info.kind], samples: [], bytes: 0, lastDuration90k: FRAME_90K }));
  }

  accessUnit(unit: AccessUnit): void {
    const track = this.#tracks.find((one) => one.info.kind === unit.track.kind);
    assert(track, 'an access unit of a track that was not told');
    if (this.#first && this.#endsBefore(unit, track)) this.#close(unit);
    // What is handed over moves the unit to the start of new memory.
    const end = track.arena.length;
    assert(end - unit.length === track.bytes, 'an access unit stands right behind the one before');
    // Sound may come first behind a cut, but a fragment begins with its picture.
    if (!this.#first || (this.#first.track.kind === 'audio' && unit.track.kind === 'video')) {
      this.#first = unit;
      this.#startMonoMs = unit.monoMs;
    }
    if (unit.track.kind === this.#first.track.kind)
      this.#startMonoMs = Math.min(this.#startMonoMs, unit.monoMs - (unit.pts90k - this.#first.pts90k) / 90);
    const last = track.samples.at(-1);
    if (last) track.lastDuration90k = unit.dts90k - last.dts90k;
    track.samples.push({ dts90k: unit.dts90k, pts90k: unit.pts90k, bytes: unit.length, key: unit.key });
    track.bytes = end;
    this.#facts.lostPackets += unit.lostPackets;
    if (unit.damaged) this.#facts.damaged = true;
    if (unit.track.kind !== 'video') return;
    this.#facts.frames += 1;
    if (unit.key) this.#facts.keyFrames += 1;
  }

  /** Hands on what is under construction; an access unit that is not whole is dropped. */
  sessionEnded(): void {
    this.#close(undefined);
    for (const arena of Object.values(this.#arenas)) arena.cut(0);
  }

  /** No session follows: the memory goes back. */
  close(): void {
    this.sessionEnded();
    for (const arena of Object.values(this.#arenas)) arena.close();
  }

  #endsBefore(unit: AccessUnit, track: OpenTrack): boolean {
    const first = this.#first as AccessUnit;
    const hasVideo = this.#tracks[0]?.info.kind === 'video';
    const isVideo = track.info.kind === 'video';
    if (isVideo && unit.key && track.samples.length > 0) return true;
    const span90k = unit.dts90k - first.dts90k;
    if (span90k >= (isVideo || !hasVideo ? FRAGMENT_90K_MAX : SOUND_90K_MAX)) return true;
    const bytes = this.#tracks.reduce((sum, one) => sum + one.bytes, unit.length);
    return bytes > FRAGMENT_BYTES_MAX || track.samples.length >= FRAGMENT_SAMPLES_MAX;
  }

  /** `next` is the unit in front of which the fragment ends: it tells how long the last frame lasted. */
  #close(next: AccessUnit | undefined): void {
    const first = this.#first;
    const init = this.#init;
    this.#first = undefined;
    if (!first || !init) return;
    const used = this.#tracks.filter((track) => track.samples.length > 0);
    const runs = used.map((track) => this.#run(track, next));
    const head = writeFragmentHead(++this.#sequence, runs);
    const payload = used.map((track) => track.arena.take(track.bytes));
    const lead = used.find((track) => track.info.kind === 'video') ?? (used[0] as OpenTrack);
    const run = runs[used.indexOf(lead)] as TrackRun;
    const start90k = run.samples[0]?.dts90k ?? 0;
    const duration90k = (run.samples.at(-1)?.dts90k ?? 0) + run.lastDuration90k - start90k;
    const meta: OpenFragmentMeta = {
      v: 1,
      ...this.#options.stream,
      startMonoMs: this.#startMonoMs,
      arrivalMonoMs: first.arrivalMonoMs,
      start90k,
      duration90k,
      cameraUtcMs: first.cameraUtcMs,
      bytes: head.length + payload.reduce((sum, part) => sum + part.length, 0),
      initSha256: init.sha256,
      codec: init.codec,
      ...this.#facts,
      independent: lead.info.kind === 'video' && lead.samples[0]?.key === true,
    };
    for (const track of used) {
      track.samples = [];
      track.bytes = 0;
    }
    this.#facts = { frames: 0, keyFrames: 0, lostPackets: 0, damaged: false };
    this.#options.sink.fragment({ meta, init, parts: [head, ...payload] });
  }

  #run(track: OpenTrack, next: AccessUnit | undefined): TrackRun {
    const last = track.samples.at(-1) as Sample;
    const toNext90k = next?.track.kind === track.info.kind ? next.dts90k - last.dts90k : undefined;
    const known = toNext90k !== undefined && toNext90k > 0 && toNext90k <= Math.max(FRAME_90K_MAX, 4 * track.lastDuration90k);
    const lastDuration90k = known ? toNext90k : track.lastDuration90k;
    track.lastDuration90k = lastDuration90k;
    return { trackId: trackId(track.info), samples: track.samples, lastDuration90k, bytes: track.bytes };
  }
}
