/**
 * A wagon in a loop with the power function: battery, alternator, key, load and a recorder that answers flushes. Faults that the function
 * must survive: a worn or empty battery, a key turned without the engine, cranking dips, a sensor that is silent or tells nonsense,
 * a recorder that is late or dead.
 */
import type { Random } from '@longroof/base/random';
import type { PowerPolicy } from './policy.js';
import { initialState, memoryOf, type PowerInputs, type PowerState, type PowerStep } from './state.js';
import { stepPower, wantedOf } from './step.js';
import { LeadAcidBattery } from './test-battery.js';

export interface Seen {
  monoMs: number;
  inputs: PowerInputs;
  before: PowerState;
  state: PowerState;
  steps: PowerStep[];
  terminalV: number;
  /** Drawn by the unit from the battery since it was last charged, by the model's own account. */
  takenWh: number;
  offMs: number;
}

export interface WagonFaults {
  sensor: 'good' | 'silent' | 'nonsense' | 'none';
  recorder: 'answers' | 'late' | 'dead';
}

const IDLE_W = 4;

export class TestWagon {
  readonly battery: LeadAcidBattery;
  readonly #policy: PowerPolicy;
  readonly #random: Random;
  readonly #faults: WagonFaults;
  readonly #watchW: number;
  state: PowerState;
  isOn = true;
  /** Ignition off, in ms of the wagon's time; for checks. */
  #offSince = 0;
  #monoMs = 1000;
  #answer: { id: number; atMonoMs: number } | undefined;
  #takenWh = 0;

  constructor(policy: PowerPolicy, random: Random, faults: WagonFaults, stateOfCharge?: number) {
    this.#policy = policy;
    this.#random = random;
    this.#faults = faults;
    this.#watchW = 8 + random.next() * 25;
    this.battery = new LeadAcidBattery({
      c10Ah: 45 + random.next() * 55,
      temperatureC: -10 + random.next() * 45,
      stateOfCharge: stateOfCharge ?? 0.3 + random.next() * 0.65,
      health: 0.5 + random.next() * 0.5,
      resistance: 1 + random.next(),
    });
    this.state = initialState(this.#monoMs, 'a', undefined);
  }

  get monoMs(): number {
    return this.#monoMs;
  }

  /** The computer starts again, as ignition or a press makes it. */
  boot(): void {
    this.isOn = true;
    this.#answer = undefined;
    this.state = initialState(this.#monoMs, `boot-${this.#monoMs}`, memoryOf(this.state, 'a'));
  }

  pass(ms: number, key: 'off' | 'on' | 'engine', press: 'panic' | 'tamper' | undefined): Seen | undefined {
    this.#monoMs += ms;
    const ignition = key !== 'off';
    if (ignition && !this.isOn) this.boot();
    if (press && !this.isOn) this.boot();
    const drawW = this.isOn
      ? wantedOf(this.#policy, this.state).record
        ? this.#watchW * (0.9 + this.#random.next() * 0.2)
        : IDLE_W
      : 0.05;
    const { volts, amperes } = this.battery.load(drawW);
    const terminalV = key === 'engine' ? 14.2 : volts;
    this.battery.pass(ms, key === 'engine' ? -6 : amperes);
    this.#takenWh = key === 'engine' ? Math.max(0, this.#takenWh - (45 * ms) / 3.6e6) : this.#takenWh + (drawW * ms) / 3.6e6;
    if (!this.isOn) return undefined;
    const inputs: PowerInputs = {
      monoMs: this.#monoMs,
      ignition,
      powerGood: true,
      // Cranking now and then: for one sample, far down.
      supplyV: ignition && this.#random.next() < 0.01 ? 8.5 : this.#sensed(terminalV),
      drawW: this.#faults.sensor === 'none' ? undefined : drawW,
      panic: press === 'panic',
      tamper: press === 'tamper',
      schedule: false,
      flushed: this.#answer && this.#monoMs >= this.#answer.atMonoMs ? this.#answer.id : undefined,
    };
    const before = this.state;
    const { state, steps } = stepPower(this.#policy, before, inputs);
    this.state = state;
    for (const step of steps) {
      if (step.step === 'flush' && this.#faults.recorder !== 'dead') {
        const afterMs = this.#faults.recorder === 'late' ? step.withinMs * 3 : step.withinMs * this.#random.next();
        this.#answer = { id: step.id, atMonoMs: this.#monoMs + afterMs };
      }
      if (step.step === 'off') this.isOn = false;
    }
    if (!ignition && before.ignitionOffMonoMs === null) this.#offSince = this.#monoMs;
    return { monoMs: this.#monoMs, inputs, before, state, steps, terminalV, takenWh: this.#takenWh, offMs: this.#monoMs - this.#offSince };
  }

  #sensed(volts: number): number | undefined {
    if (this.#faults.sensor === 'none') return undefined;
    if (this.#faults.sensor === 'silent' && this.#random.next() < 0.3) return undefined;
    if (this.#faults.sensor === 'nonsense' && this.#random.next() < 0.05)
      return this.#random.pick([Number.NaN, -3, 0, 900, Number.POSITIVE_INFINITY]);
    return volts + (this.#random.next() - 0.5) * 0.06;
  }
}
