/**
 * The board service: reads the board, steps the power function each second and at every settled edge, and carries out what it says. It needs
 * nobody: without a recorder, a disk or a sensor it still guards the battery. What cannot be done is told in its status, and tried again.
 */
import type { Clock, MonoMs, Timer, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { type Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { BoardEvent, BoardState, FromBoard } from '@longroof/protocol/board';
import { batteryLeft } from '../power/measure.js';
import { assertPolicy, type PowerPolicy } from '../power/policy.js';
import { powerSentence } from '../power/sentence.js';
import { initialState, memoryOf, type PowerState, type PowerStep } from '../power/state.js';
import { stepPower, type Wanted, wantedOf } from '../power/step.js';
import type { Board, Readings } from './board.js';
import { BrakingWatch, SAMPLE_MS } from './braking.js';
import { Inputs } from './inputs.js';
import { readMemory, writeMemory } from './memory.js';
import { isDue } from './schedule.js';

export interface BoardServiceOptions {
  board: Board;
  policy: PowerPolicy;
  /** Milliseconds since midnight, UTC. */
  scheduleMs: readonly number[];
  memoryFile: string;
  /** A braking at least as hard is told; left out, none is. */
  brakingMps2?: number;
  boot: string;
  clock: Clock;
  disk: Disk;
  log: Log;
  /** To everybody who is connected. */
  tell: (message: FromBoard) => void;
  powerOff: () => Promise<void>;
}

const TICK_MS = 1000;
const TELL_MS = 5000;
/** Between two writes of the memory while nothing changes: what a crash can lose of the account. */
const REMEMBER_MS = 5 * 60_000;

export class BoardService {
  readonly #options: BoardServiceOptions;
  readonly #inputs: Inputs;
  #state: PowerState;
  #readings: Readings;
  #wanted: Wanted | undefined;
  #cameras = 0;
  #flushed: number | undefined;
  #flushTook: { id: number; tookMs: number } | undefined;
  #memoryFault: Fault | undefined;
  #rememberedMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  #toldMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  #scheduleUtcMs: UtcMs;
  readonly #timers: Timer[] = [];

  constructor(options: BoardServiceOptions) {
    const { board, policy, clock, disk, log, memoryFile, boot } = options;
    assertPolicy(policy);
    this.#options = options;
    const { memory, fault } = readMemory(disk, memoryFile);
    if (fault) log.error({ error: fault }, 'no memory of the battery');
    this.#state = initialState(clock.mono(), boot, memory);
    this.#readings = board.readings();
    this.#scheduleUtcMs = clock.utc();
    this.#inputs = new Inputs(board, clock, (event, on) => this.#changed(event, on));
  }

  start(): void {
    this.#tick();
    const { clock, board, brakingMps2 } = this.#options;
    this.#timers.push(
      clock.every(TICK_MS, () => {
        this.#inputs.poll();
        this.#tick();
      }),
    );
    if (board.forwardMps2 && brakingMps2 !== undefined) this.#watchBraking(new BrakingWatch(brakingMps2));
  }

  /** Leaves lines and power as they are: a restart of the service must not be felt. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#inputs.stop();
    this.#remember();
    this.#options.board.close();
  }

  /** Answer to a flush. */
  flushed(id: number, tookMs: number): void {
    this.#flushed = id;
    this.#flushTook = { id, tookMs };
    this.#tick();
  }

  recording(cameras: number): void {
    this.#cameras = cameras;
  }

  state(): BoardState {
    const { policy } = this.#options;
    const state = this.#state;
    const wanted = this.#wanted ?? wantedOf(policy, state);
    const { temperatureC, throttled } = this.#readings;
    const trouble = this.#memoryFault ? ` Its memory cannot be written: ${this.#memoryFault.message}.` : '';
    return {
      type: 'state',
      mode: state.mode,
      reason: state.reason,
      sentence: powerSentence(policy, state, this.#cameras) + trouble,
      sinceMonoMs: state.sinceMonoMs,
      record: wanted.record,
      shed: wanted.shed,
      supplyV: state.supply?.smoothV ?? null,
      drawW: state.draw?.meanW ?? null,
      usedWh: state.usedWh,
      left: batteryLeft(policy, state, this.#cameras) ?? null,
      temperatureC: temperatureC ?? null,
      throttled,
      inputs: this.#inputs.all(),
      link: wanted.link,
      contactInMs: wantedOf(policy, state).contactInMs,
    };
  }

  /** The flush that is under way, for a recorder that connects in its midst. */
  openFlush(): FromBoard | undefined {
    const { flush } = this.#state;
    return flush && !flush.ended ? { type: 'flush', id: flush.id, withinMs: flush.withinMs } : undefined;
  }

  /** Only while it may drive: a parked one is looked at less. */
  #watchBraking(watch: BrakingWatch): void {
    const { board, clock, log, tell } = this.#options;
    const look = (): void => {
      const forwardMps2 = this.#state.mode === 'driving' ? board.forwardMps2?.() : undefined;
      const braking = forwardMps2 === undefined ? undefined : watch.take(clock.mono(), forwardMps2);
      if (!braking) return;
      log.info({ ...braking }, 'hard braking');
      tell({ type: 'braking', ...braking });
    };
    this.#timers.push(clock.every(SAMPLE_MS, look));
  }

  #changed(event: BoardEvent, on: boolean): void {
    this.#options.log.info({ event, on }, 'input');
    this.#options.tell({ type: 'event', event, on, atMonoMs: this.#options.clock.mono() });
    this.#tick();
  }

  #tick(): void {
    const { policy, board, clock, scheduleMs } = this.#options;
    const utcMs = clock.utc();
    this.#readings = board.readings();
    const { state, steps } = stepPower(policy, this.#state, {
      monoMs: clock.mono(),
      // Without an ignition line the guard would end every drive: such a unit is powered by the key, so power is the key.
      ignition: this.#inputs.settled('ignition') ?? true,
      powerGood: this.#inputs.settled('power-good'),
      supplyV: this.#readings.supplyV,
      drawW: this.#readings.drawW,
      panic: this.#inputs.takePressed('panic'),
      tamper: this.#inputs.takePressed('tamper'),
      schedule: isDue(scheduleMs, this.#scheduleUtcMs, utcMs),
      flushed: this.#flushed,
    });
    this.#scheduleUtcMs = utcMs;
    this.#state = state;
    this.#setOutputs();
    const nowMonoMs = clock.mono();
    // The state first: whoever is asked to flush knows why.
    if (steps.length > 0 || nowMonoMs - this.#toldMonoMs >= TELL_MS) {
      this.#toldMonoMs = nowMonoMs;
      this.#options.tell(this.state());
    }
    for (const step of steps) this.#carryOut(step);
    if (steps.length > 0 || nowMonoMs - this.#rememberedMonoMs >= REMEMBER_MS) this.#remember();
  }

  #setOutputs(): void {
    const wanted = wantedOf(this.#options.policy, this.#state);
    const before = this.#wanted;
    this.#wanted = wanted;
    if (wanted.cameraPower !== before?.cameraPower) this.#options.board.set('camera-cut', !wanted.cameraPower);
    if (wanted.lamp !== before?.lamp) this.#options.board.set('lamp', wanted.lamp);
  }

  #carryOut(step: PowerStep): void {
    const { log, tell, policy } = this.#options;
    if (step.step === 'enter')
      log.info({ from: step.from, to: step.to, reason: step.reason }, powerSentence(policy, this.#state, this.#cameras));
    else if (step.step === 'shed') log.info({ level: step.level }, 'load is shed');
    else if (step.step === 'off') this.#powerOff(step);
    else {
      this.#flushed = undefined;
      tell({ type: 'flush', id: step.id, withinMs: step.withinMs });
    }
  }

  #powerOff(step: PowerStep & { step: 'off' }): void {
    const { log, powerOff } = this.#options;
    const tookMs = this.#flushTook?.id === this.#state.flush?.id ? this.#flushTook?.tookMs : undefined;
    log.info({ reason: step.reason, flush: step.flush, ...(tookMs === undefined ? {} : { tookMs }) }, 'switching off');
    this.#remember();
    powerOff().catch((error: unknown) => log.error({ error: toFault(error), code: 'LR_BOARD_OFF' }, 'the computer was not switched off'));
  }

  #remember(): void {
    const { disk, memoryFile, boot, log, clock } = this.#options;
    this.#rememberedMonoMs = clock.mono();
    const fault = writeMemory(disk, memoryFile, memoryOf(this.#state, boot));
    if (fault && !this.#memoryFault) log.error({ error: fault }, 'the memory of the battery was not written');
    this.#memoryFault = fault;
  }
}
