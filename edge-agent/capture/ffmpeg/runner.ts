/**
 * The second engine: ffmpeg takes the camera's stream apart and gives fragmented MP4 without touching the bits (`-c copy`); sound
 * that is not AAC becomes AAC. It speaks to the camera through our relay, which holds the password.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { CaptureOptions, CaptureSink } from '../engine.js';
import { captureFault } from '../faults.js';
import type { MediaAxis } from '../media-axis.js';
import { readHub } from '../own/read-hub.js';
import { Authenticator } from '../rtsp/auth.js';
import { type CameraUrl, parseCameraUrl } from '../rtsp/url.js';
import type { Runner, SessionHooks } from '../runner.js';
import { FfmpegProcess } from './process.js';
import { Relay } from './relay.js';
import { FfmpegSamples } from './samples.js';

const REDIRECTS_MAX = 5;
const KEY_FRAME_MS = 15_000;
const WATCH_MS = 500;
/** ffmpeg looks at the stream for a while before it gives anything. */
const FIRST_OUTPUT_MS = 20_000;
/** To start ffmpeg and set up the session. */
const START_MS = 10_000;
const COPIED_AUDIO = /^a=rtpmap:\d+ +mpeg4-generic\//im;

export interface FfmpegDeps {
  options: CaptureOptions;
  sink: CaptureSink;
  axis: MediaAxis;
  clock: Clock;
}

export class FfmpegRunner implements Runner {
  readonly engine = 'ffmpeg';
  readonly #deps: FfmpegDeps;

  constructor(deps: FfmpegDeps) {
    this.#deps = deps;
  }

  async run(signal: AbortSignal, hooks: SessionHooks): Promise<Fault> {
    try {
      let url = parseCameraUrl(this.#deps.options.url);
      for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
        const end = await new FfmpegSession(url, this.#deps, hooks).run(signal);
        if (end instanceof Fault) return end;
        url = end;
      }
      return captureFault('LR_RTSP_REDIRECT', `more than ${REDIRECTS_MAX} redirections`);
    } catch (error) {
      return toFault(error, 'recording with ffmpeg');
    }
  }
}

function ffmpegArguments(url: string, sdp: string, wantAudio: boolean): string[] {
  const audio = wantAudio && /^m=audio /m.test(sdp);
  const copyAudio = COPIED_AUDIO.test(sdp);
  const input = ['-rtsp_transport', 'tcp', '-allowed_media_types', audio ? 'video+audio' : 'video', '-fflags', '+genpts'];
  const probe = ['-analyzeduration', '3000000', '-probesize', '4000000', '-fpsprobesize', '0'];
  const map = ['-map', '0:v:0', ...(audio ? ['-map', '0:a:0'] : [])];
  // From the first packet on, so that we know when the first sample arrived; what is in front of a key frame we leave out ourselves.
  const codecs = ['-c:v', 'copy', '-copyinkf', ...(audio ? ['-c:a', copyAudio ? 'copy' : 'aac'] : [])];
  const muxer = ['-f', 'mp4', '-movflags', '+empty_moov+default_base_moof+frag_every_frame', '-use_editlist', '0'];
  const common = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error', '-threads', '1'];
  return [
    ...common,
    ...input,
    ...probe,
    '-i',
    url,
    ...map,
    ...codecs,
    '-max_interleave_delta',
    '500000',
    ...muxer,
    '-flush_packets',
    '1',
    'pipe:1',
  ];
}

class FfmpegSession {
  readonly #url: CameraUrl;
  readonly #deps: FfmpegDeps;
  readonly #hooks: SessionHooks;
  #fault: Fault | undefined;
  #finish: () => void = () => undefined;
  #packets = 0;
  #packetSilenceMs = 0;
  #samples = 0;
  #sampleSilenceMs = 0;
  #noKeyFrame = false;
  /** When the first sample came out. */
  #sampleMonoMs: number | undefined;

  constructor(url: CameraUrl, deps: FfmpegDeps, hooks: SessionHooks) {
    this.#url = url;
    this.#deps = deps;
    this.#hooks = hooks;
  }

  /** Gives why it ended, or where the camera redirects to. */
  async run(signal: AbortSignal): Promise<Fault | CameraUrl> {
    const { clock, options } = this.#deps;
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const { allowBasic } = options;
    const clientNonce = (): string => randomBytes(8).toString('hex');
    const auth = new Authenticator({ credentials: this.#url.credentials, allowBasic, clientNonce });
    const relay = new Relay(this.#url, { hub: readHub(clock), auth, ended: (fault) => this.#end(fault) });
    const stop = (): void => {
      this.#end(new Fault('cancelled', 'LR_CANCELLED', 'stopped'));
      if (this.#sampleMonoMs === undefined) relay.end(new Fault('cancelled', 'LR_CANCELLED', 'stopped'));
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) stop();
      const described = await relay.describe();
      if ('redirect' in described) return described.redirect;
      await this.#record(relay, described.sdp, finished);
    } catch (error) {
      this.#end(toFault(error, 'starting ffmpeg'));
    } finally {
      signal.removeEventListener('abort', stop);
      relay.end(new Fault('cancelled', 'LR_CANCELLED', 'the session is over'));
    }
    return this.#fault ?? captureFault('LR_FFMPEG_EXIT', 'ffmpeg ended');
  }

  async #record(relay: Relay, sdp: string, finished: Promise<void>): Promise<void> {
    const { clock, options, sink, axis } = this.#deps;
    const copiesAudio = COPIED_AUDIO.test(sdp);
    const samples = new FfmpegSamples({ sink, axis, clock, watch: relay.watch, started: this.#hooks.footage, copiesAudio });
    const local = await relay.listen();
    const child = new FfmpegProcess(ffmpegArguments(local, sdp, options.audio), clock, {
      output: (bytes) => {
        samples.push(bytes);
        if (samples.videoSamples === 0 || this.#sampleMonoMs !== undefined) return;
        this.#sampleMonoMs = clock.mono();
        this.#hooks.playing();
      },
      failed: (error) => this.#end(toFault(error, 'reading from ffmpeg')),
      exited: (how, started) => {
        const told = `ffmpeg: ${how}${child.complaints ? `: ${child.complaints}` : ''}`;
        // Its connection is seen to close first, but only its end says why.
        if (this.#fault?.code === 'LR_FFMPEG_EXIT') this.#fault = undefined;
        this.#end(captureFault(started ? 'LR_FFMPEG_EXIT' : 'LR_FFMPEG_START', told));
      },
    });
    const watch = clock.every(WATCH_MS, () => this.#watch(relay, samples));
    await finished;
    watch.cancel();
    await child.stop();
    samples.end();
  }

  /** Silence is counted in turns of this watch, so that a time in which we did not run ourselves is none. */
  #watch(relay: Relay, samples: FfmpegSamples): void {
    const { clock, options } = this.#deps;
    this.#packetSilenceMs = relay.watch.packets === this.#packets ? this.#packetSilenceMs + WATCH_MS : 0;
    this.#packets = relay.watch.packets;
    this.#sampleSilenceMs = samples.videoSamples === this.#samples ? this.#sampleSilenceMs + WATCH_MS : 0;
    this.#samples = samples.videoSamples;
    if (this.#packetSilenceMs > options.stallMs + (this.#packets === 0 ? START_MS : 0))
      this.#end(captureFault('LR_RTSP_STALLED', `the camera has sent no video for ${options.stallMs} ms`));
    if (this.#sampleSilenceMs > FIRST_OUTPUT_MS)
      this.#end(captureFault('LR_FFMPEG_OUTPUT', `ffmpeg has made nothing of what the camera sends for ${FIRST_OUTPUT_MS / 1000} s`));
    const waitsSince = samples.started || this.#noKeyFrame ? undefined : this.#sampleMonoMs;
    if (waitsSince === undefined || clock.mono() - waitsSince <= KEY_FRAME_MS) return;
    this.#noKeyFrame = true;
    this.#hooks.trouble(captureFault('LR_CAPTURE_NO_KEY_FRAME', `no key frame within ${KEY_FRAME_MS / 1000} s; waiting for one`));
  }

  #end(fault: Fault): void {
    this.#fault ??= fault;
    this.#finish();
  }
}
