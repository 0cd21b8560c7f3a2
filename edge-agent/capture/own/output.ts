/**
 * What the receivers of one session hand to the sink: nothing before the first key frame, times on the media axis of the run, tracks
 * told anew when their parameter sets change.
 */
import type { Media90k, MonoMs } from '@longroof/base/clock';
import type { ParameterSets } from '../codec/parameter-sets.js';
import type { CaptureSink, TrackInfo } from '../engine.js';
import type { MediaAxis } from '../media-axis.js';
import type { FinishedFrame } from '../rtp/audio-receiver.js';
import { DecodeTimes } from '../rtp/decode-times.js';
import type { TrackClock } from '../rtp/track-clock.js';
import type { FinishedUnit } from '../rtp/video-receiver.js';

/** Where video units come from. */
export interface VideoSource {
  readonly codec: 'h264' | 'h265';
  readonly sets: ParameterSets;
  readonly clock: TrackClock;
}

/** Sender reports of two tracks that disagree with arrival by more than this tell nothing about lip sync. */
const REPORT_TRUST_MS = 1000;

export class SessionOutput {
  readonly #sink: CaptureSink;
  readonly #axis: MediaAxis;
  readonly #started: () => void;
  readonly #decodeTimes = new DecodeTimes();
  #video: TrackInfo | undefined;
  #audio: TrackInfo | undefined;
  /** Axis time less session time, of each track; undefined until its first unit, and again after a discontinuity. */
  #videoOffset: number | undefined;
  #audioOffset: number | undefined;
  /** The newest video unit, which audio is put beside. */
  #beside: { pts90k: Media90k; monoMs: MonoMs; utcMs: number | null } | undefined;

  constructor(sink: CaptureSink, axis: MediaAxis, audio: TrackInfo | undefined, started: () => void) {
    this.#sink = sink;
    this.#axis = axis;
    this.#audio = audio;
    this.#started = started;
  }

  /** True from the first key frame on. */
  get started(): boolean {
    return this.#video !== undefined;
  }

  videoDiscontinuity(): void {
    this.#videoOffset = undefined;
    this.#decodeTimes.reset();
    this.#beside = undefined;
    this.#audioOffset = undefined;
  }

  audioDiscontinuity(): void {
    this.#audioOffset = undefined;
  }

  video(finished: FinishedUnit, source: VideoSource): void {
    const { unit, ticks, arrivalMonoMs } = finished;
    const { clock, sets } = source;
    if (!this.#video && !(unit.key && unit.pictureBegins && sets.complete)) {
      unit.drop();
      return;
    }
    if (!this.#video || unit.setsChanged) this.#tellTracks(source);
    const track = this.#video as TrackInfo;
    const sessionPts90k = Math.round((ticks * 90_000) / clock.clockRate);
    const sessionDts90k = this.#decodeTimes.next(sessionPts90k, sets.facts?.frame90k);
    this.#videoOffset ??= Math.max(this.#axis.at(arrivalMonoMs), this.#axis.free('video')) - sessionDts90k;
    const pts90k = sessionPts90k + this.#videoOffset;
    const dts90k = this.#axis.take('video', sessionDts90k + this.#videoOffset);
    const monoMs = clock.monoAt(ticks);
    const cameraUtcMs = clock.utcAt(ticks);
    this.#beside = { pts90k, monoMs, utcMs: cameraUtcMs };
    this.#sink.accessUnit({
      track,
      offset: unit.arena.length - unit.bytes,
      length: unit.bytes,
      pts90k,
      dts90k,
      monoMs,
      arrivalMonoMs,
      cameraUtcMs,
      key: unit.key,
      damaged: unit.damaged,
      lostPackets: finished.lostPackets,
    });
  }

  audio(frame: FinishedFrame, clock: TrackClock): void {
    const { ticks, arena, bytes } = frame;
    if (!this.#beside || !this.#audio) {
      arena.cut(arena.length - bytes);
      return;
    }
    const sessionPts90k = Math.round((ticks * 90_000) / clock.clockRate);
    const monoMs = clock.monoAt(ticks);
    const cameraUtcMs = clock.utcAt(ticks);
    this.#audioOffset ??= this.#besideVideo(this.#beside, monoMs, cameraUtcMs) - sessionPts90k;
    const dts90k = this.#axis.take('audio', Math.max(0, sessionPts90k + this.#audioOffset));
    this.#sink.accessUnit({
      track: this.#audio,
      offset: arena.length - bytes,
      length: bytes,
      pts90k: dts90k,
      dts90k,
      monoMs,
      arrivalMonoMs: frame.arrivalMonoMs,
      cameraUtcMs,
      key: true,
      damaged: frame.damaged,
      lostPackets: frame.lostPackets,
    });
  }

  /** By the camera's own clock where both tracks have it, else by arrival. */
  #besideVideo(video: { pts90k: Media90k; monoMs: MonoMs; utcMs: number | null }, monoMs: MonoMs, utcMs: number | null): Media90k {
    const byArrivalMs = monoMs - video.monoMs;
    const byReportMs = utcMs === null || video.utcMs === null ? Number.NaN : utcMs - video.utcMs;
    const distanceMs = Math.abs(byReportMs - byArrivalMs) <= REPORT_TRUST_MS ? byReportMs : byArrivalMs;
    return Math.round(video.pts90k + distanceMs * 90);
  }

  #tellTracks(source: VideoSource): void {
    const first = !this.#video;
    const { sets } = source;
    const { facts } = sets;
    this.#decodeTimes.setDepth(facts?.reorderFrames);
    this.#video = {
      kind: 'video',
      codec: source.codec,
      clockRate: source.clock.clockRate,
      parameterSets: sets.list(),
      ...(facts ? { width: facts.width, height: facts.height } : {}),
    };
    this.#sink.tracks(this.#audio ? [this.#video, this.#audio] : [this.#video]);
    if (first) this.#started();
  }
}
