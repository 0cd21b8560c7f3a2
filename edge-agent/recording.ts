/**
 * One stream of one camera on its way: engine -> builder -> spool. Says what state it is in, in the words of the protocol: it is
 * recording only while new fragments are durable.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { StreamState } from '@longroof/protocol/messages';
import { createEngine } from './capture/create.js';
import type { AccessUnit, CaptureEngine, CaptureOptions, CaptureSink, CaptureState, TrackInfo } from './capture/engine.js';
import { FragmentBuilder } from './fragment/builder.js';
import type { Spool } from './spool/spool.js';

export interface RecordingOptions {
  stream: StreamName;
  capture: CaptureOptions;
  spool: Spool;
  clock: Clock;
  log: Log;
  runStartMonoMs: MonoMs;
  claim: (monoMs: MonoMs) => WallClaim;
  /** Its state may have changed. */
  changed: () => void;
}

export interface RecordingCounters {
  frames: number;
  lostPackets: number;
  damagedFrames: number;
  sessions: number;
}

/** Without a durable fragment for so long it is not recording. A fragment lasts a second, a flush a quarter. */
const DURABLE_WITHIN_MS = 5000;

const STATE_OF_CAUSE: Partial<Record<GapCause, StreamState>> = {
  'camera-refused': 'refused',
  'camera-stalled': 'stalled',
  'camera-no-video': 'no-video',
  'camera-no-key-frame': 'no-video',
};

export class Recording implements CaptureSink {
  readonly stream: StreamName;
  readonly counters: RecordingCounters = { frames: 0, lostPackets: 0, damagedFrames: 0, sessions: 0 };
  readonly #options: RecordingOptions;
  readonly #builder: FragmentBuilder;
  readonly #engine: CaptureEngine;
  #state: CaptureState = { state: 'connecting' };
  #lastUnitMonoMs: MonoMs;
  #durableMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecordingOptions) {
    const { stream, spool, clock, claim } = options;
    this.#options = options;
    this.stream = stream;
    this.#lastUnitMonoMs = clock.mono();
    this.#builder = new FragmentBuilder({
      stream,
      memory: spool.memory,
      sink: { fragment: (fragment) => spool.write(fragment, claim(fragment.meta.startMonoMs)) },
    });
    this.#engine = createEngine(options.capture, this, {
      clock,
      log: options.log.child({ stream: streamText(stream) }),
      runStartMonoMs: options.runStartMonoMs,
    });
  }

  start(): void {
    this.#options.spool.openStream(this.stream);
    this.#engine.start();
  }

  /** Tears the session down, hands on what is under construction and closes the stream's account. */
  async stop(cause: GapCause): Promise<void> {
    await this.#engine.stop();
    this.#builder.close();
    this.#options.spool.closeStream(this.stream, cause);
  }

  noteDurable(): void {
    const before = this.status().state;
    this.#durableMonoMs = this.#options.clock.mono();
    if (before !== 'recording') this.#options.changed();
  }

  status(): { state: StreamState; code?: string } {
    if (this.#options.clock.mono() - this.#durableMonoMs < DURABLE_WITHIN_MS) return { state: 'recording' };
    if (this.#options.spool.stats().state !== 'ok') return { state: 'disk', code: 'LR_SPOOL' };
    if (this.#state.state === 'failed') return { state: STATE_OF_CAUSE[this.#state.cause] ?? 'connecting', code: this.#state.code };
    return { state: this.#state.state === 'stopped' ? 'stopped' : 'connecting' };
  }

  arena(kind: 'video' | 'audio') {
    return this.#builder.arena(kind);
  }

  tracks(tracks: readonly TrackInfo[]): void {
    this.#builder.tracks(tracks);
  }

  accessUnit(unit: AccessUnit): void {
    this.#lastUnitMonoMs = unit.monoMs;
    this.counters.frames += 1;
    this.counters.lostPackets += unit.lostPackets;
    if (unit.damaged) this.counters.damagedFrames += 1;
    this.#builder.accessUnit(unit);
  }

  sessionEnded(): void {
    this.#builder.sessionEnded();
  }

  state(state: CaptureState): void {
    const { spool, log, changed } = this.#options;
    this.#state = state;
    if (state.state === 'playing') this.counters.sessions += 1;
    if (state.state === 'failed') spool.noteCause(this.stream, state.cause, this.#lastUnitMonoMs, state.code);
    if (state.state === 'playing') log.info({ stream: streamText(this.stream), engine: state.engine }, 'playing');
    changed();
  }
}
