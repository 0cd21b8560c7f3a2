/**
 * What the board asks of the recorder: in parked watch less, in standby and at a shutdown nothing, each with the cause of the gap. Every
 * change is a `power` record, and each quarter of an hour of a parked watch, with the camera-hours left. A flush is answered only when the
 * streams are ended and a record behind them is durable.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { BoardEvent, BoardState, PowerReason } from '@longroof/protocol/board';
import type { StreamName } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import { BoardLink, type BoardSink } from './health/board-link.js';
import type { Recorder } from './recorder.js';
import type { Spool } from './spool/spool.js';

export interface PowerOptions {
  path: string;
  spool: Spool;
  recorder: Recorder;
  clock: Clock;
  log: Log;
}

const RECORD_MS = 15 * 60_000;

export class Power implements BoardSink {
  readonly #options: PowerOptions;
  readonly #link: BoardLink;
  #state: BoardState | undefined;
  #recordedMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(options: PowerOptions) {
    this.#options = options;
    const { path, clock, log, recorder } = options;
    const recording = (): number => {
      const streams = Object.entries(recorder.status()).filter(([, { state }]) => state === 'recording');
      return new Set(streams.map(([name]) => name.split('.')[0])).size;
    };
    this.#link = new BoardLink({ path, clock, log, recording, sink: this });
  }

  /** The power state and its reason in one sentence; undefined while the board is not heard. */
  get sentence(): string | undefined {
    return this.#state?.sentence;
  }

  start(): void {
    this.#link.start();
  }

  stop(): void {
    this.#link.stop();
  }

  state(state: BoardState): void {
    const before = this.#state;
    this.#state = state;
    const isNew = !before || wishOf(before) !== wishOf(state);
    const isDue = state.mode === 'parked-watch' && this.#options.clock.mono() - this.#recordedMonoMs >= RECORD_MS;
    if (isNew || isDue) this.#record(state);
    if (isNew) this.#carryOut(state);
  }

  event(event: BoardEvent, on: boolean, atMonoMs: MonoMs): void {
    this.#note(
      this.#options.spool.record('event', { event: `board-${event}`, detail: { on, atMonoMs: Math.round(atMonoMs) } }, { urgent: true }),
    );
  }

  async flush(): Promise<void> {
    const { recorder, spool } = this.#options;
    const cause = causeOf(this.#state?.reason);
    await recorder.save(() => true, cause);
    await spool.record('power', { flush: 'done', reason: this.#state?.reason ?? null }, { urgent: true });
  }

  gone(): void {
    this.#options.log.error({}, 'the board service is gone; everything records');
    this.#state = undefined;
    this.#note(this.#options.spool.record('power', { mode: 'unknown', reason: 'board-gone' }, { urgent: true }));
    this.#note(this.#options.recorder.save(() => false, 'power-saving'));
  }

  #carryOut({ record, shed, reason }: BoardState): void {
    const rests = (stream: StreamName): boolean =>
      !record || (shed.proxies && stream.rendition === 'proxy') || shed.cameras.includes(stream.camera);
    this.#note(this.#options.recorder.save(rests, causeOf(reason)));
  }

  #record({ mode, reason, sentence, record, shed, supplyV, drawW, usedWh, left }: BoardState): void {
    this.#recordedMonoMs = this.#options.clock.mono();
    const round = (value: number | null): number | null => (value === null ? null : Math.round(value * 100) / 100);
    const leftBody = left && { cameraHours: round(left.cameraHours), errorCameraHours: round(left.errorCameraHours) };
    const numbers = { supplyV: round(supplyV), drawW: round(drawW), usedWh: round(usedWh), left: leftBody };
    const body = { mode, reason, sentence, record, shed: { proxies: shed.proxies, cameras: shed.cameras }, ...numbers };
    this.#note(this.#options.spool.record('power', body, { urgent: true }));
  }

  #note(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.log.error({ error }, 'the power state was not carried out or recorded'));
  }
}

function wishOf({ mode, reason, record, shed }: BoardState): string {
  return JSON.stringify([mode, reason, record, shed.proxies, shed.cameras]);
}

function causeOf(reason: PowerReason | undefined): GapCause {
  return reason === 'supply-lost' ? 'power-cut' : 'power-saving';
}
