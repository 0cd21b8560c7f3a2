/** From ffmpeg's fragmented MP4 to access units: the same classification, times and promises as our own client. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { readAudioConfig } from '../codec/aac.js';
import { h264 } from '../codec/h264.js';
import { h265 } from '../codec/h265.js';
import { ParameterSets } from '../codec/parameter-sets.js';
import type { CaptureSink, TrackInfo } from '../engine.js';
import { captureFault } from '../faults.js';
import type { MediaAxis } from '../media-axis.js';
import { SessionOutput } from '../own/output.js';
import { TrackClock } from '../rtp/track-clock.js';
import { VideoUnit } from '../rtp/video-unit.js';
import type { LossWatch } from './loss-watch.js';
import { Mp4Reader, type Mp4Sample } from './mp4-reader.js';
import type { Mp4Track } from './mp4-tracks.js';

export interface FfmpegSamplesDeps {
  sink: CaptureSink;
  axis: MediaAxis;
  clock: Clock;
  watch: LossWatch;
  started: () => void;
  /** False where ffmpeg encodes the sound anew. */
  copiesAudio: boolean;
}

/** 200 frames a second; ffmpeg sets the first two frames of a session a tick apart. */
const FRAME_TICKS_MIN = 450;
/** ffmpeg's time of the first frame may be a frame late; a better estimate is always the smaller one. */
const FIRST_MARGIN_MS = 100;

interface Video {
  track: Mp4Track;
  codec: 'h264' | 'h265';
  sets: ParameterSets;
  unit: VideoUnit;
  clock: TrackClock;
}

export class FfmpegSamples {
  videoSamples = 0;
  readonly #deps: FfmpegSamplesDeps;
  readonly #reader: Mp4Reader;
  /** One clock for both tracks: ffmpeg has put them on one time line. */
  readonly #times = new TrackClock(90_000);
  #reports = 0;
  #lastTicks = Number.POSITIVE_INFINITY;
  #frameTicks = Number.POSITIVE_INFINITY;
  #output: SessionOutput | undefined;
  #video: Video | undefined;

  constructor(deps: FfmpegSamplesDeps) {
    this.#deps = deps;
    this.#reader = new Mp4Reader({
      tracks: (tracks) => this.#tracks(tracks),
      sample: (sample) => this.#sample(sample),
    });
  }

  get started(): boolean {
    return this.#output?.started === true;
  }

  /** Throws LR_FFMPEG_OUTPUT, LR_BOX, LR_RTSP_CODEC. */
  push(bytes: Buffer): void {
    this.#reader.push(bytes);
  }

  end(): void {
    this.#video?.unit.end();
    if (this.#video && !this.#video.unit.hasPicture) this.#video.unit.drop();
    if (this.started) this.#deps.sink.sessionEnded();
  }

  #tracks(tracks: readonly Mp4Track[]): void {
    const { sink, axis, started, copiesAudio } = this.#deps;
    const track = tracks.find((one) => one.codec !== 'aac');
    if (!track || track.codec === 'aac') throw captureFault('LR_RTSP_CODEC', 'ffmpeg found no H.264 or H.265 in the stream');
    const codec = track.codec === 'h265' ? h265 : h264;
    const sets = new ParameterSets(codec);
    for (const set of track.parameterSets) sets.take(set);
    this.#video = { track, codec: track.codec, sets, unit: new VideoUnit(codec, sets, sink.arena('video')), clock: this.#times };
    const audio = tracks.find((one) => one.codec === 'aac');
    this.#output = new SessionOutput(sink, axis, audio ? audioInfo(audio, !copiesAudio) : undefined, started);
  }

  #sample(sample: Mp4Sample): void {
    const { track, bytes, start, end } = sample;
    const video = this.#video;
    const output = this.#output;
    if (!video || !output) return;
    const ticks = Math.round((sample.pts * 90_000) / track.timescale);
    const arrivalMonoMs = this.#deps.clock.mono();
    if (track === video.track) {
      this.#observe(ticks, arrivalMonoMs);
      this.videoSamples += 1;
      this.#videoSample(video, output, ticks, sample);
      return;
    }
    const arena = this.#deps.sink.arena('audio');
    arena.appendRange(bytes, start, end);
    output.audio({ ticks, arrivalMonoMs, lostPackets: 0, damaged: false, bytes: end - start, arena }, this.#times);
  }

  /** A sample comes out when the next one has come in, so what arrived just now is a frame younger. */
  #observe(ticks: number, arrivalMonoMs: MonoMs): void {
    // The first ones were held back while ffmpeg looked at the stream: the first arrived with the first packet.
    const { firstMonoMs } = this.#deps.watch;
    if (this.videoSamples === 0 && firstMonoMs !== undefined) this.#times.observe(ticks, firstMonoMs + FIRST_MARGIN_MS);
    const distance = ticks - this.#lastTicks;
    if (distance > FRAME_TICKS_MIN && distance < this.#frameTicks) this.#frameTicks = distance;
    this.#lastTicks = ticks;
    if (this.#frameTicks < Number.POSITIVE_INFINITY) this.#times.observe(ticks + this.#frameTicks, arrivalMonoMs);
    else this.#times.observe(ticks, arrivalMonoMs);
    // ffmpeg's time line is its own: the camera's clock is put beside it by when its reports arrived.
    const { reports, utcLessMonoMs } = this.#deps.watch;
    if (reports === this.#reports) return;
    this.#reports = reports;
    this.#times.takeReference(ticks, this.#times.monoAt(ticks) + utcLessMonoMs);
  }

  #videoSample(video: Video, output: SessionOutput, ticks: number, sample: Mp4Sample): void {
    const { unit } = video;
    const { bytes, end } = sample;
    unit.begin(this.#deps.sink.arena('video'));
    for (let at = sample.start; at + 4 <= end; ) {
      const next = at + 4 + bytes.readUInt32BE(at);
      if (next > end) throw captureFault('LR_FFMPEG_OUTPUT', 'a NAL unit that lies outside its sample');
      // No NAL unit ends in a zero byte (ISO/IEC 14496-10, 7.4.1); ffmpeg leaves one of the next start code behind.
      let last = next;
      while (last > at + 4 && bytes[last - 1] === 0) last -= 1;
      if (last > at + 4) unit.nal(bytes, at + 4, last);
      at = next;
    }
    unit.end();
    if (!unit.settle()) return;
    const lostPackets = this.#deps.watch.takeLost();
    // Which unit a loss hit is known only about: the one that comes out next.
    if (lostPackets > 0 || !unit.pictureBegins) unit.damaged = true;
    const arrivalMonoMs = Math.min(this.#deps.clock.mono(), this.#times.monoAt(ticks));
    output.video({ ticks, arrivalMonoMs, lostPackets, unit }, video);
  }
}

function audioInfo(track: Mp4Track, derived: boolean): TrackInfo {
  const facts = track.audioConfig ? readAudioConfig(track.audioConfig) : undefined;
  return {
    kind: 'audio',
    codec: 'aac',
    clockRate: track.timescale,
    parameterSets: [],
    ...(track.audioConfig ? { audioConfig: track.audioConfig } : {}),
    ...(facts ? { sampleRate: facts.sampleRate, channels: facts.channels } : {}),
    ...(derived ? { derived: true } : {}),
  };
}
