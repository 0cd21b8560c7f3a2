/** All streams of the unit: starts and stops them as the configuration says, one camera never in another's way. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
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
  camera: CameraConfig;
  /** What it was started with, to see what a reload changes. */
  signature: string;
  recordings: Recording[];
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #cameras = new Map<string, Running>();
  readonly #streams = new Map<string, Recording>();
  #rests: (stream: StreamName) => boolean = () => false;
  /** Changes are made one after the other: a stream has ended before it begins anew. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: RecorderOptions) {
    this.#options = options;
    options.spool.onDurable((streams) => this.#durable(streams));
  }

  /** Makes the running cameras those of the configuration: stops what is gone or changed, then starts what is new. */
  apply(cameras: readonly CameraConfig[]): Promise<{ started: string[]; stopped: string[] }> {
    return this.#after(() => this.#apply(cameras));
  }

  /** Ends the streams that shall rest, with the cause of their gap, and starts those that shall no more. */
  save(rests: (stream: StreamName) => boolean, cause: GapCause): Promise<void> {
    return this.#after(async () => {
      this.#rests = rests;
      const all = [...this.#cameras.values()];
      // Together: when the power fails none waits for the camera of another.
      await Promise.all(
        all.map((running) => {
          const resting = running.recordings.filter((recording) => rests(recording.stream));
          running.recordings = running.recordings.filter((recording) => !resting.includes(recording));
          return this.#end(resting, cause);
        }),
      );
      for (const running of all) this.#begin(running);
      this.#options.changed();
    });
  }

  stop(): Promise<void> {
    return this.#after(async () => {
      await Promise.all([...this.#cameras.keys()].map((id) => this.#stop(id, 'stopped')));
    });
  }

  recordings(): readonly Recording[] {
    return [...this.#streams.values()];
  }

  /** Streams that rest are `stopped`. */
  status(): StatusMessage['streams'] {
    const resting = [...this.#cameras.values()].flatMap(({ camera }) =>
      streamsOf(camera).map(([stream]) => [streamText(stream), { state: 'stopped' }] as const),
    );
    return Object.fromEntries([...resting, ...[...this.#streams].map(([name, recording]) => [name, recording.status()] as const)]);
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    // A failure is its caller's; the next change is made all the same.
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #apply(cameras: readonly CameraConfig[]): Promise<{ started: string[]; stopped: string[] }> {
    const wanted = new Map(cameras.map((camera) => [camera.id, camera]));
    const stopped = [...this.#cameras].filter(([id, running]) => {
      const camera = wanted.get(id);
      return !camera || signatureOf(camera) !== running.signature;
    });
    await Promise.all(stopped.map(([id]) => this.#stop(id, 'configuration')));
    const started = cameras.filter((camera) => !this.#cameras.has(camera.id));
    for (const camera of started) {
      const running = { camera, signature: signatureOf(camera), recordings: [] };
      this.#cameras.set(camera.id, running);
      this.#begin(running);
    }
    return { started: started.map((camera) => camera.id), stopped: stopped.map(([id]) => id) };
  }

  /** Starts the camera's streams that neither run nor rest. */
  #begin(running: Running): void {
    for (const [stream, url] of streamsOf(running.camera)) {
      if (this.#streams.has(streamText(stream)) || this.#rests(stream)) continue;
      const recording = new Recording({ ...this.#options, stream, capture: captureOptions(running.camera, url) });
      running.recordings.push(recording);
      this.#streams.set(streamText(stream), recording);
      recording.start();
    }
  }

  async #stop(id: string, cause: GapCause): Promise<void> {
    const running = this.#cameras.get(id);
    this.#cameras.delete(id);
    await this.#end(running?.recordings ?? [], cause);
  }

  async #end(recordings: readonly Recording[], cause: GapCause): Promise<void> {
    for (const recording of recordings) this.#streams.delete(streamText(recording.stream));
    await Promise.all(recordings.map((recording) => recording.stop(cause)));
  }

  #durable(streams: readonly DurableStream[]): void {
    for (const { stream } of streams) this.#streams.get(streamText(stream))?.noteDurable();
  }
}

function signatureOf(camera: CameraConfig): string {
  return JSON.stringify({ ...camera, mount: undefined });
}

function streamsOf(camera: CameraConfig): [StreamName, URL][] {
  const original: [StreamName, URL] = [{ camera: camera.id, rendition: 'original' }, camera.url];
  return camera.sub ? [original, [{ camera: camera.id, rendition: 'proxy' }, camera.sub]] : [original];
}

function captureOptions(camera: CameraConfig, url: URL): CaptureOptions {
  return { url: url.href, engine: camera.engine, audio: camera.audio, allowBasic: camera.allowBasic, stallMs: camera.stall };
}
