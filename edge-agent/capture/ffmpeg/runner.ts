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
  const copyAudio = /^a=rtpmap:\d+ +mpeg4-generic\//im.test(sdp);
  const input = ['-rtsp_transport', 'tcp', '-allowed_media_types', audio ? 'video+audio' : 'video', '-fflags', '+genpts'];
  const probe = ['-analyzeduration', '3000000', '-probesize', '4000000', '-fpsprobesize', '0'];
  const map = ['-map', '0:v:0', ...(audio ? ['-map', '0:a:0'] : [])];
  const codecs = ['-c:v', 'copy', ...(audio ? ['-c:a', copyAudio ? 'copy' : 'aac'] : [])];
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
  #playing = false;
  #silentMs = 0;
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
      if (!this.#playing) relay.end(new Fault('cancelled', 'LR_CANCELLED', 'stopped'));
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
    const samples = new FfmpegSamples({
      sink,
      axis,
      clock,
      watch: relay.watch,
      started: this.#hooks.footage,
      copiesAudio: /mpeg4-generic/i.test(sdp),
    });
    const local = await relay.listen();
    const child = new FfmpegProcess(ffmpegArguments(local, sdp, options.audio), clock, {
      output: (bytes) => {
        samples.push(bytes);
        if (samples.videoSamples === 0) return;
        this.#silentMs = 0;
        if (!this.#playing) this.#hooks.playing();
        this.#playing = true;
        this.#sampleMonoMs ??= clock.mono();
      },
      failed: (error) => this.#end(toFault(error, 'reading from ffmpeg')),
      exited: (how, started) =>
        this.#end(
          captureFault(started ? 'LR_FFMPEG_EXIT' : 'LR_FFMPEG_START', `ffmpeg: ${how}${child.complaints ? `: ${child.complaints}` : ''}`),
        ),
    });
    let packets = 0;
    let noKeyFrame = false;
    const watch = clock.every(WATCH_MS, () => {
      this.#silentMs += WATCH_MS;
      if (relay.watch.packets !== packets && !this.#playing && this.#silentMs < FIRST_OUTPUT_MS)
        this.#silentMs = Math.min(this.#silentMs, options.stallMs);
      if (relay.watch.packets === packets && this.#silentMs > options.stallMs)
        this.#end(captureFault('LR_RTSP_STALLED', `the camera has sent no video for ${options.stallMs} ms`));
      packets = relay.watch.packets;
      if (!noKeyFrame && !samples.started && this.#sampleMonoMs !== undefined && clock.mono() - this.#sampleMonoMs > KEY_FRAME_MS) {
        noKeyFrame = true;
        this.#hooks.trouble(captureFault('LR_CAPTURE_NO_KEY_FRAME', `no key frame within ${KEY_FRAME_MS / 1000} s; waiting for one`));
      }
    });
    await finished;
    watch.cancel();
    await child.stop();
    samples.end();
  }

  #end(fault: Fault): void {
    this.#fault ??= fault;
    this.#finish();
  }
}
