import fs from 'node:fs';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import { POWER_MODES, POWER_REASONS } from '@longroof/protocol/board';
import t from 'tap';
import { batteryLeft } from './measure.js';
import { assertPolicy, DEFAULT_POLICY, type PowerPolicy } from './policy.js';
import { powerSentence } from './sentence.js';
import { initialState, memoryOf, type PowerInputs, type PowerState, type PowerStep } from './state.js';
import { stepPower, wantedOf } from './step.js';
import { TABLE } from './table.js';
import { LeadAcidBattery } from './test-battery.js';
import { type Seen, TestWagon } from './test-wagon.js';

const HOUR = 3_600_000;
/** Each is 70,000 steps. */
const LIVES_MAX = 300;
const POLICY: PowerPolicy = {
  ...DEFAULT_POLICY,
  shed: [
    { usedWh: 10, belowV: 12, proxies: true, cameras: [] },
    { usedWh: 20, belowV: 11.9, proxies: false, cameras: ['rear'] },
  ],
};

/** One board by hand: what is not given stays as it was. */
class Bench {
  readonly policy: PowerPolicy;
  state: PowerState;
  inputs: PowerInputs;
  steps: PowerStep[] = [];

  constructor(policy = POLICY, state = initialState(1000, 'a', undefined)) {
    this.policy = policy;
    this.state = state;
    this.inputs = {
      monoMs: state.atMonoMs,
      ignition: false,
      powerGood: true,
      supplyV: 12.6,
      drawW: 10,
      panic: false,
      tamper: false,
      schedule: false,
      flushed: undefined,
    };
  }

  /** Passes time in steps of a second at most, and keeps what was to be done. */
  pass(ms: number, change: Partial<PowerInputs> = {}, everyMs = 1000): this {
    this.steps = [];
    Object.assign(this.inputs, change);
    for (let left = ms; left >= 0; left -= everyMs) {
      this.inputs.monoMs += Math.min(everyMs, left);
      const { state, steps } = stepPower(this.policy, this.state, this.inputs);
      this.state = state;
      this.steps.push(...steps);
      Object.assign(this.inputs, { panic: false, tamper: false, schedule: false });
    }
    return this;
  }

  get at(): string {
    return `${this.state.mode} ${this.state.reason}`;
  }
}

t.test('the table in docs/power.md is the one that is followed', async (t) => {
  const document = fs.readFileSync(new URL('../../../docs/power.md', import.meta.url), 'utf8');
  const rows = TABLE.map(({ from, to, reason, when }) => `| ${from.join(', ')} | ${to} | \`${reason}\` | ${when} |`);
  const section = document.split('<!-- table -->')[1] ?? '';
  t.same(
    section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .slice(2),
    rows,
  );
  t.same([...new Set(TABLE.map((row) => row.reason))].sort(), [...POWER_REASONS].sort(), 'every reason has a row');
  t.same([...new Set(TABLE.map((row) => row.to))].sort(), [...POWER_MODES].sort());
});

t.test('a day of a wagon', async (t) => {
  const bench = new Bench().pass(0, { ignition: true });
  t.equal(bench.at, 'driving ignition-on');
  t.match(bench.pass(HOUR, { supplyV: 14.2 }, 5000).state, { usedWh: 0 });
  t.equal(bench.pass(0, { ignition: false, supplyV: 12.6 }).at, 'parked-watch ignition-off');
  t.match(bench.pass(HOUR, {}, 5000).state, { mode: 'parked-watch', shed: 1 }, 'sheds the sub-streams at 10 Wh');
  t.match(wantedOf(POLICY, bench.state), { record: true, shed: { proxies: true, cameras: [] } });
  t.match(
    powerSentence(POLICY, bench.state, 4),
    /^Parked watch for 60 min because the ignition was switched off, 12\.6 V, 10\.0 of 30 Wh used, 1 of 2 steps of saving taken, \d+ ± \d+ camera-hours left\.$/,
  );
  bench.pass(0, { panic: true });
  t.match(wantedOf(POLICY, bench.state).shed, { proxies: false, cameras: [] }, 'in danger nothing is shed');
  bench.pass(HOUR + 11 * 60_000, {}, 5000);
  t.match(wantedOf(POLICY, bench.state), { record: true, shed: { proxies: true, cameras: ['rear'] } });
  bench.pass(35 * 60_000, {}, 5000);
  t.equal(bench.at, 'standby watch-spent', 'the reserve is kept');
  t.match(wantedOf(POLICY, bench.state), { record: false, cameraPower: false, lamp: false });
  t.equal(bench.pass(0, { drawW: 3, tamper: true }).at, 'standby watch-spent');
  t.equal(bench.pass(0, { panic: true }).at, 'parked-watch panic', 'panic wakes from the reserve');
  t.equal(bench.pass(11 * 60_000).at, 'standby watch-spent', 'until its ten minutes are over');
  bench.pass(2 * HOUR, {}, 5000);
  t.equal(bench.at, 'shutdown energy-spent');
  t.match(
    bench.steps.map((step) => step.step),
    ['enter', 'flush', 'off'],
  );
  t.match(bench.steps.at(-1), { flush: 'late' });
  t.equal(bench.pass(1000, { ignition: true }).at, 'shutdown energy-spent', 'it is going off');
  t.equal(bench.pass(POLICY.offAgainMs).at, 'driving ignition-on', 'it did not go off');
});

t.test('a weak battery ends the watch, and stays ended until it is charged', async (t) => {
  const bench = new Bench().pass(60_000, { ignition: true, supplyV: 12.2 }).pass(0, { ignition: false });
  bench.pass(200_000, { supplyV: 11.7 });
  t.match(bench.state, { mode: 'parked-watch', tripped: true }, 'within 300 s it goes on');
  t.equal(bench.pass(101_000).at, 'shutdown battery-low');
  const flush = bench.steps.find((step) => step.step === 'flush');
  t.notOk(bench.steps.some((step) => step.step === 'off'));
  bench.pass(0, { flushed: flush?.step === 'flush' ? flush.id : undefined });
  t.match(bench.steps, [{ step: 'off', reason: 'battery-low', flush: 'answered' }]);

  const woken = new Bench(POLICY, initialState(500, 'b', memoryOf(bench.state, 'a')));
  t.equal(woken.pass(0, { supplyV: 12.1 }).at, 'standby started', 'a new boot does not make the battery full');
  t.equal(woken.pass(0, { panic: true }).at, 'parked-watch panic', 'but panic is heard');
  t.equal(woken.pass(500_000, { supplyV: 12.0 }).at, 'parked-watch panic');
  t.equal(woken.pass(100_000).at, 'shutdown battery-low', 'for ten minutes');
  const charged = new Bench(POLICY, initialState(500, 'c', memoryOf(bench.state, 'a')));
  t.equal(charged.pass(50_000, { supplyV: 12.7 }).at, 'parked-watch started');
});

t.test('power cut off and back', async (t) => {
  const bench = new Bench().pass(0, { ignition: true });
  bench.pass(0, { powerGood: false });
  t.match(bench.steps, [
    { step: 'enter', to: 'shutdown', reason: 'supply-lost' },
    { step: 'flush', withinMs: POLICY.holdUpMs },
  ]);
  t.equal(wantedOf(POLICY, bench.state).cameraPower, true, 'cameras keep their power until the recorder let go');
  t.equal(bench.pass(1000, { powerGood: true, ignition: false }).at, 'parked-watch supply-back');
  bench.pass(0, { powerGood: false, ignition: true });
  t.match(bench.pass(POLICY.holdUpMs).steps, [{ step: 'off', reason: 'supply-lost' }]);
});

t.test('a restart of the service forgets nothing, whichever boot it is', async (t) => {
  const bench = new Bench().pass(0, { ignition: true }).pass(0, { ignition: false }).pass(HOUR, {}, 5000);
  const same = initialState(bench.state.atMonoMs + 60_000, 'a', memoryOf(bench.state, 'a'));
  t.equal(same.ignitionOffMonoMs, bench.state.ignitionOffMonoMs);
  t.equal(new Bench(POLICY, same).pass(60_000).at, 'parked-watch started');
  t.ok(new Bench(POLICY, same).pass(60_000).state.usedWh > bench.state.usedWh + 0.15, 'the minute unseen is counted');
  const other = initialState(9000, 'b', memoryOf(bench.state, 'a'));
  t.match(other, { usedWh: bench.state.usedWh, ignitionOffMonoMs: 9000 - HOUR });
});

t.test('policies that could not keep their promises are refused', async (t) => {
  assertPolicy(POLICY);
  for (const wrong of [{ returnV: 11.9 }, { reserveWh: 30 }, { watchLongestMs: 31 * HOUR }, { chargingV: 12 }])
    t.throws(() => assertPolicy({ ...POLICY, ...wrong }), { code: 'LR_ASSERT' });
});

/** What must hold at every step, whatever happens. */
class Rules {
  readonly problems: string[] = [];
  readonly #policy: PowerPolicy;
  #flush: { id: number; monoMs: number; withinMs: number } | undefined;
  #armed = true;
  #startMonoMs = -1;
  causes = 1;
  enters = 0;

  constructor(policy: PowerPolicy) {
    this.#policy = policy;
  }

  check({ monoMs, inputs, before, state, steps }: Seen): void {
    const policy = this.#policy;
    if (inputs.ignition !== (before.ignitionOffMonoMs === null)) this.causes += 1;
    if (inputs.panic || inputs.tamper || inputs.schedule) this.causes += 1;
    // A unit that somebody starts or presses goes off again when the battery is still low.
    const isCalled = inputs.ignition || inputs.panic || state.startMonoMs !== this.#startMonoMs;
    if (isCalled || (state.supply && state.supply.smoothV >= policy.returnV)) this.#armed = true;
    this.#startMonoMs = state.startMonoMs;
    for (const step of steps) {
      if (step.step === 'flush') this.#flush = { id: step.id, monoMs, withinMs: step.withinMs };
      if (step.step === 'enter') this.#enter(step, monoMs, before, state);
      if (step.step === 'off') {
        const flush = this.#flush;
        if (!flush || flush.monoMs < state.sinceMonoMs) this.problems.push('off without a flush of this shutdown');
        else if (inputs.flushed !== flush.id && monoMs - flush.monoMs < flush.withinMs)
          this.problems.push('off before the flush had ended');
      }
    }
    if (state.mode === 'driving' && !inputs.ignition) this.problems.push('driving without ignition');
    if (state.shed > policy.shed.length) this.problems.push('shed beyond the policy');
  }

  /** Somebody started it: on a battery that is still low it goes off again. */
  restarted(): void {
    this.causes += 1;
    this.#armed = true;
  }

  #enter(step: PowerStep & { step: 'enter' }, monoMs: number, before: PowerState, state: PowerState): void {
    this.enters += 1;
    const isGuard = ['battery-low', 'energy-spent', 'parked-too-long', 'watch-spent', 'watch-over'].includes(step.reason);
    const offMs = state.ignitionOffMonoMs === null ? -1 : monoMs - state.ignitionOffMonoMs;
    if (isGuard && (offMs < this.#policy.graceMs || monoMs - before.startMonoMs < this.#policy.graceMs))
      this.problems.push(`${step.reason} ${offMs} ms after ignition off`);
    if (step.reason !== 'battery-low') return;
    if (!this.#armed) this.problems.push('low twice without coming back between');
    this.#armed = false;
  }

  /** An event, a turn of the key or a start leads through at most: wake, watch over, off; a park itself through standby and off. */
  finish(): string[] {
    if (this.enters > 4 * this.causes) this.problems.push(`${this.enters} changes of state for ${this.causes} causes`);
    return this.problems;
  }
}

t.test('whatever voltage and key do: no chatter, no action in the grace time, flush before off', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const problems = new Map<string, number>();
  for (let n = fuzzCases(300); n > 0; n--) {
    const rules = new Rules(POLICY);
    const caseSeed = random.int(1, 2 ** 31);
    runWild(seededRandom(caseSeed), rules);
    for (const problem of rules.finish()) problems.set(`${problem} (case ${caseSeed})`, (problems.get(problem) ?? 0) + 1);
  }
  t.same([...problems.keys()].slice(0, 5), []);
});

/** Inputs that no battery gives: walks of voltage right around the limits, keys at random, any step of time. */
function runWild(random: Random, rules: Rules): void {
  let state = initialState(1000, 'a', undefined);
  let monoMs = 1000;
  let volts = 11 + random.next() * 3;
  let ignition = random.next() < 0.5;
  let answer: { id: number; atMonoMs: number } | undefined;
  for (let i = 0; i < 600; i++) {
    monoMs += random.pick([200, 1000, 1000, 5000, 20_000, 120_000]);
    volts = Math.min(15, Math.max(10.5, volts + (random.next() - 0.5) * random.pick([0.02, 0.1, 1])));
    if (random.next() < 0.03) ignition = !ignition;
    const inputs: PowerInputs = {
      monoMs,
      ignition,
      powerGood: undefined,
      supplyV: random.next() < 0.05 ? (random.pick([null, Number.NaN, -1, 1e9]) ?? undefined) : volts,
      drawW: random.next() < 0.1 ? (random.pick([null, Number.NaN, -5]) ?? undefined) : random.next() * 60,
      panic: random.next() < 0.01,
      tamper: random.next() < 0.01,
      schedule: random.next() < 0.005,
      flushed: answer && monoMs >= answer.atMonoMs ? answer.id : undefined,
    };
    const stepped = stepPower(POLICY, state, inputs);
    for (const step of stepped.steps) {
      if (step.step === 'flush' && random.next() < 0.7) answer = { id: step.id, atMonoMs: monoMs + random.int(0, 15_000) };
    }
    rules.check({ monoMs, inputs, before: state, state: stepped.state, steps: stepped.steps, terminalV: volts, takenWh: 0, offMs: 0 });
    state = stepped.state;
    if (stepped.steps.some((step) => step.step === 'off') && random.next() < 0.5) {
      const memory = memoryOf(state, 'a');
      monoMs = 1000;
      answer = undefined;
      state = initialState(monoMs, `${i}`, memory);
      rules.restarted();
    }
  }
}

t.test(
  'on a battery of Copetti: never below the cut-off but for a margin, never over the budget, and the engine still starts',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = seededRandom(seed);
    const worst = { marginV: Number.POSITIVE_INFINITY, overWh: Number.NEGATIVE_INFINITY, restV: Number.POSITIVE_INFINITY };
    const problems: string[] = [];
    for (let n = Math.min(fuzzCases(40), LIVES_MAX); n > 0; n--) {
      const caseSeed = random.int(1, 2 ** 31);
      const run = liveThrough(seededRandom(caseSeed));
      worst.marginV = Math.min(worst.marginV, run.marginV);
      worst.overWh = Math.max(worst.overWh, run.overWh);
      worst.restV = Math.min(worst.restV, run.restV);
      for (const problem of run.problems) problems.push(`${problem} (case ${caseSeed})`);
    }
    t.comment(
      `lowest above the cut-off ${worst.marginV.toFixed(3)} V, most over the budget ${worst.overWh.toFixed(2)} Wh, lowest at rest ${worst.restV.toFixed(2)} V`,
    );
    t.same(problems.slice(0, 5), []);
    t.ok(worst.marginV > -0.15, `${worst.marginV} V`);
    t.ok(worst.overWh <= 0.5, `${worst.overWh} Wh`);
    t.ok(worst.restV > POLICY.cutOffV, `${worst.restV} V`);
  },
);

/** Four days of keys, short drives and presses. */
function liveThrough(random: Random): { marginV: number; overWh: number; restV: number; problems: string[] } {
  const sensor = random.pick(['good', 'good', 'silent', 'nonsense', 'none'] as const);
  const wagon = new TestWagon(POLICY, random, { sensor, recorder: random.pick(['answers', 'late', 'dead'] as const) });
  const beganV = wagon.battery.volts(0);
  const rules = new Rules(POLICY);
  const run = { marginV: Number.POSITIVE_INFINITY, overWh: Number.NEGATIVE_INFINITY, restV: Number.POSITIVE_INFINITY };
  let key: 'off' | 'on' | 'engine' = 'off';
  let nextMs = 0;
  // What grace times and turned keys may take beyond the budget.
  let allowedWh = 0;
  while (wagon.monoMs < 96 * HOUR) {
    if (wagon.monoMs >= nextMs) {
      key = key === 'off' ? random.pick(['on', 'engine', 'engine'] as const) : 'off';
      nextMs = wagon.monoMs + (key === 'off' ? random.pick([0.02, 0.3, 8, 40]) : random.pick([0.005, 0.2, 1.5])) * HOUR;
    }
    const seen = wagon.pass(5000, key, random.next() < 0.0003 ? random.pick(['panic', 'tamper'] as const) : undefined);
    if (!seen) continue;
    rules.check(seen);
    const { state, monoMs } = seen;
    const isGuarded = key === 'off' && seen.offMs > POLICY.graceMs + 60_000 && monoMs - state.startMonoMs > POLICY.graceMs + 60_000;
    if (key === 'on' || !isGuarded) allowedWh += (40 * 5000) / HOUR;
    if (key === 'engine') allowedWh = Math.max(0, allowedWh - 0.01);
    if (!isGuarded || state.mode === 'shutdown') continue;
    if (sensor === 'good') run.marginV = Math.min(run.marginV, seen.terminalV - POLICY.cutOffV);
    if (sensor !== 'none') run.overWh = Math.max(run.overWh, seen.takenWh - POLICY.budgetWh - allowedWh);
    if (sensor === 'good' && beganV > 12.2) run.restV = Math.min(run.restV, wagon.battery.volts(0));
  }
  return { ...run, problems: rules.finish() };
}

t.test('camera-hours left: told within the error that is told', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  let inside = 0;
  let told = 0;
  const runs = fuzzCases(60);
  for (let n = runs; n > 0; n--) {
    const bias = 1 + (random.next() + random.next() + random.next() - 1.5) * POLICY.sensorError * 2;
    const trueW = 8 + random.next() * 20;
    const battery = new LeadAcidBattery({ c10Ah: 90, temperatureC: 25, stateOfCharge: 0.95, health: 1, resistance: 1 });
    const bench = new Bench({ ...POLICY, shed: [] }).pass(0, { ignition: true }).pass(0, { ignition: false });
    bench.pass(20 * 60_000, { supplyV: battery.load(trueW).volts, drawW: trueW * bias }, 5000);
    const left = batteryLeft(bench.policy, bench.state, 4);
    if (!left) continue;
    told += 1;
    const trueLeftHours = (POLICY.budgetWh - POLICY.reserveWh) / trueW - 1 / 3;
    if (Math.abs(left.cameraHours - 4 * trueLeftHours) <= 2 * left.errorCameraHours + 0.1) inside += 1;
  }
  t.equal(told, runs);
  t.ok(inside >= 0.85 * runs, `${inside} of ${runs} within two standard deviations`);
  const bench = new Bench();
  t.equal(batteryLeft(POLICY, bench.state, 4), undefined, 'nothing measured, nothing told');
});
