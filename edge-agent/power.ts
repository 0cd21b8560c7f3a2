/**
 * What the board asks of the recorder: in parked watch less, in standby and at a shutdown nothing, each with the cause of the gap. Every
 * change is a `power` record, and each quarter of an hour of a parked watch, with the camera-hours left. A flush is answered only when the
 * streams are ended and a record behind them is durable.
 */
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { BoardEvent, BoardState, PowerReason } from '@longroof/protocol/board';
import type { StreamName } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { MarkKind } from '@longroof/protocol/marks';
import { BoardLink, type BoardSink } from './health/board-link.js';
import type { Recorder } from './recorder.js';
import type { Spool } from './spool/spool.js';

export interface PowerOptions {
  path: string;
  spool: Spool;
  recorder: Recorder;
  clock: Clock;
  log: Log;
  /** What the unit believes the time to be. */
  wallUtcMs: () => UtcMs;
  /** An event that protects footage. */
  mark: (kind: MarkKind, atMonoMs: MonoMs, more?: { on?: boolean; value?: number }) => void;
  /** The link to the centre rests between two contacts of a standby. */
  rest: (isResting: boolean) => void;
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

  /** What the board said last; undefined while it is not heard. */
  get now(): BoardState | undefined {
    return this.#state;
  }

  /** The wagon saves its battery: nothing is done that can wait. */
  get isSaving(): boolean {
    const { mode, record, shed } = this.#state ?? {};
    return mode === 'parked-watch' ? shed?.proxies === true || (shed?.cameras.length ?? 0) > 0 : record === false;
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
    const isContact = before?.link === false && state.link !== false;
    if (isNew || isDue || isContact) this.#record(state);
    if (isNew) this.#carryOut(state);
    this.#options.rest(state.link === false);
  }

  event(event: BoardEvent, on: boolean, atMonoMs: MonoMs): void {
    if (event === 'ignition' || (on && event !== 'power-good')) this.#options.mark(event as MarkKind, atMonoMs, { on });
    this.#note(
      this.#options.spool.record('event', { event: `board-${event}`, detail: { on, atMonoMs: Math.round(atMonoMs) } }, { urgent: true }),
    );
  }

  braking(peakMps2: number, atMonoMs: MonoMs): void {
    this.#options.mark('braking', atMonoMs, { value: peakMps2 });
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
    this.#options.rest(false);
  }

  #carryOut({ record, shed, reason }: BoardState): void {
    const rests = (stream: StreamName): boolean =>
      !record || (shed.proxies && stream.rendition === 'proxy') || shed.cameras.includes(stream.camera);
    this.#note(this.#options.recorder.save(rests, causeOf(reason)));
  }

  #record({ mode, reason, sentence, record, shed, supplyV, drawW, usedWh, left, contactInMs }: BoardState): void {
    this.#recordedMonoMs = this.#options.clock.mono();
    const round = (value: number | null): number | null => (value === null ? null : Math.round(value * 100) / 100);
    const leftBody = left && { cameraHours: round(left.cameraHours), errorCameraHours: round(left.errorCameraHours) };
    const numbers = { supplyV: round(supplyV), drawW: round(drawW), usedWh: round(usedWh), left: leftBody };
    // When it can be reached next, where it will not be all the time.
    const nextContactUtcMs = typeof contactInMs === 'number' ? Math.round(this.#options.wallUtcMs() + contactInMs) : null;
    const body = { mode, reason, sentence, record, shed: { proxies: shed.proxies, cameras: shed.cameras }, ...numbers, nextContactUtcMs };
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
