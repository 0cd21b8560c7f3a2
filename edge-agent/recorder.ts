/** All streams of the unit: starts and stops them as the configuration says, one camera never in another's way. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { CameraConfig } from '@longroof/protocol/unit-config';
import type { CaptureOptions } from './capture/engine.js';
import { Recording } from './recording.js';
import type { DurableStream, Spool } from './spool/spool.js';

export interface RecorderOptions {
  spool: Spool;
  clock: Clock;
  log: Log;
  runStartMonoMs: MonoMs;
  claim: (monoMs: MonoMs) => WallClaim;
  changed: () => void;
}

interface Running {
  /** What it was started with, to see what a reload changes. */
  signature: string;
  recordings: Recording[];
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #cameras = new Map<string, Running>();
  readonly #streams = new Map<string, Recording>();

  constructor(options: RecorderOptions) {
    this.#options = options;
    options.spool.onDurable((streams) => this.#durable(streams));
  }

  /** Makes the running cameras those of the configuration: stops what is gone or changed, then starts what is new. */
  async apply(cameras: readonly CameraConfig[]): Promise<{ started: string[]; stopped: string[] }> {
    const wanted = new Map(cameras.map((camera) => [camera.id, camera]));
    const stopped = [...this.#cameras].filter(([id, running]) => {
      const camera = wanted.get(id);
      return !camera || signatureOf(camera) !== running.signature;
    });
    await Promise.all(stopped.map(([id]) => this.#stop(id, 'configuration')));
    const started = cameras.filter((camera) => !this.#cameras.has(camera.id));
    for (const camera of started) this.#start(camera);
    return { started: started.map((camera) => camera.id), stopped: stopped.map(([id]) => id) };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#cameras.keys()].map((id) => this.#stop(id, 'stopped')));
  }

  recordings(): readonly Recording[] {
    return [...this.#streams.values()];
  }

  status(): StatusMessage['streams'] {
    return Object.fromEntries([...this.#streams].map(([name, recording]) => [name, recording.status()]));
  }

  #start(camera: CameraConfig): void {
    const streams: [StreamName, URL][] = [[{ camera: camera.id, rendition: 'original' }, camera.url]];
    if (camera.sub) streams.push([{ camera: camera.id, rendition: 'proxy' }, camera.sub]);
    const recordings = streams.map(([stream, url]) => new Recording({ ...this.#options, stream, capture: captureOptions(camera, url) }));
    this.#cameras.set(camera.id, { signature: signatureOf(camera), recordings });
    for (const recording of recordings) {
      this.#streams.set(streamText(recording.stream), recording);
      recording.start();
    }
  }

  async #stop(id: string, cause: 'stopped' | 'configuration'): Promise<void> {
    const running = this.#cameras.get(id);
    this.#cameras.delete(id);
    for (const recording of running?.recordings ?? []) this.#streams.delete(streamText(recording.stream));
    await Promise.all((running?.recordings ?? []).map((recording) => recording.stop(cause)));
  }

  #durable(streams: readonly DurableStream[]): void {
    for (const { stream } of streams) this.#streams.get(streamText(stream))?.noteDurable();
  }
}

function signatureOf(camera: CameraConfig): string {
  return JSON.stringify({ ...camera, mount: undefined });
}

function captureOptions(camera: CameraConfig, url: URL): CaptureOptions {
  return { url: url.href, engine: camera.engine, audio: camera.audio, allowBasic: camera.allowBasic, stallMs: camera.stall };
}
