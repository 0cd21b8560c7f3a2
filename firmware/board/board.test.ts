import fs from 'node:fs';
import { SimClock } from '@longroof/base/clock-sim';
import { parseConfig } from '@longroof/base/config';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { BOARD_EVENTS, type BoardEvent } from '@longroof/protocol/board';
import t from 'tap';
import type { Board, BoardOutput } from './board.js';
import { lineNumber, listChips } from './chips.js';
import { boardConfigCheck } from './config.js';
import { contactAt, SETTLE, seeLevel, settleAt } from './debounce.js';
import { GpioBoard } from './gpio-board.js';
import { Inputs } from './inputs.js';
import { type BoardProfile, PROFILES } from './profiles.js';
import { withRights } from './run.js';
import { isDue, parseTimeOfDay } from './schedule.js';
import { Sensors } from './sensors.js';
import { SimBoard } from './sim-board.js';
import { FakeSysfs } from './test-sysfs.js';

/** A board with hands on its pins. */
interface Bench {
  board: Board;
  clock: SimClock;
  drive(event: BoardEvent, on: boolean): void;
  output(name: BoardOutput): boolean;
  setSupply(volts: number, amperes: number): void;
}

function gpioBench(folder: string, name: string, profile: BoardProfile): Bench {
  const sysfs = new FakeSysfs(folder);
  sysfs.furnish(profile);
  const clock = new SimClock();
  const board = new GpioBoard({ name, profile, disk: systemDisk, clock, openLine: sysfs.openLine, sysfs: folder });
  const chips = listChips(systemDisk, folder);
  return {
    board,
    clock,
    drive(event, on) {
      const spec = profile.inputs[event];
      if (spec) sysfs.drive(lineNumber(chips, event, spec), on !== spec.activeLow);
    },
    output(output) {
      const spec = profile.outputs[output];
      return spec !== undefined && sysfs.pin(lineNumber(chips, output, spec)) !== spec.activeLow;
    },
    setSupply(volts, amperes) {
      const put = (spec: BoardProfile['supply'], value: number): void => {
        if (spec?.kind === 'hwmon') sysfs.put(`class/hwmon/hwmon3/${spec.file}`, `${Math.round(value / spec.factor)}`);
        if (spec?.kind !== 'iio') return;
        sysfs.put(`bus/iio/devices/iio:device0/${spec.channel}_raw`, `${Math.round(value / spec.factor / 0.125)}`);
        sysfs.put('bus/iio/devices/iio:device0/in_voltage_scale', '0.125');
      };
      put(profile.supply, volts);
      put(profile.current, amperes);
    },
  };
}

function simBench(): Bench {
  const board = new SimBoard();
  return {
    board,
    clock: new SimClock(),
    drive: (event, on) => board.input(event, on),
    output: (name) => board.outputs.get(name) ?? false,
    setSupply(volts, amperes) {
      board.sensor('supply', volts);
      board.sensor('draw', volts * amperes);
    },
  };
}

for (const name of [...Object.keys(PROFILES), 'sim']) {
  t.test(`every board keeps the contract: ${name}`, async (t) => {
    const profile = PROFILES[name];
    const bench = profile ? gpioBench(t.testdir(), name, profile) : simBench();
    const { board, clock } = bench;
    t.equal(board.name, name);
    const seen: [BoardEvent, boolean][] = [];
    for (const event of BOARD_EVENTS) bench.drive(event, false);
    board.onEdge((event, level) => seen.push([event, level]));
    for (const event of BOARD_EVENTS) bench.drive(event, true);
    t.same(seen.map(([event]) => event).sort(), [...BOARD_EVENTS].sort(), 'every edge is told');
    t.same(board.levels(), Object.fromEntries(BOARD_EVENTS.map((event) => [event, true])));
    bench.drive('ignition', false);
    t.same(seen.at(-1), ['ignition', false]);
    t.equal(board.levels().ignition, false);
    for (const on of [true, false]) {
      board.set('camera-cut', on);
      board.set('lamp', !on);
      t.same([bench.output('camera-cut'), bench.output('lamp')], [on, !on]);
    }
    bench.setSupply(12.34, 1.5);
    await clock.advance(31_000);
    const { supplyV, drawW } = board.readings();
    if (profile?.supply || !profile) t.ok(Math.abs((supplyV ?? 0) - 12.34) < 0.01, `${supplyV} V`);
    if (profile?.current || !profile) t.ok(Math.abs((drawW ?? 0) - 18.51) < 0.05, `${drawW} W`);
    if (profile && !profile.supply) t.same([supplyV, drawW], [undefined, undefined]);
    board.close();
    bench.drive('ignition', true);
    t.same(seen.at(-1), ['ignition', false], 'a closed board says nothing');
  });
}

t.test('a line is found by chip label and offset, wherever the kernel numbers it', async (t) => {
  const sysfs = new FakeSysfs(t.testdir());
  sysfs.chip('gpiochip512', 'pinctrl-bcm2711', 512, 58);
  sysfs.chip('gpiochip570', 'raspberrypi-exp-gpio', 570, 8);
  sysfs.put('class/gpio/gpiochip9/label', 'half a chip');
  sysfs.put('class/gpio/export', '');
  const chips = listChips(systemDisk, sysfs.root);
  t.equal(lineNumber(chips, 'ignition', { chip: 'pinctrl-bcm2711', offset: 17, activeLow: false }), 529);
  t.throws(() => lineNumber(chips, 'ignition', { chip: 'pinctrl-rp1', offset: 17, activeLow: false }), {
    code: 'LR_BOARD_LINE',
    message: 'ignition: no line 17 of chip pinctrl-rp1; chips here: pinctrl-bcm2711 (58 lines), raspberrypi-exp-gpio (8 lines)',
  });
  t.throws(() => lineNumber(chips, 'lamp', { chip: 'raspberrypi-exp-gpio', offset: 8, activeLow: false }), { code: 'LR_BOARD_LINE' });
  t.same(listChips(systemDisk, '/nowhere'), []);
  const fails = (): Board =>
    new GpioBoard({
      name: 'x',
      profile: { inputs: { ignition: { chip: 'pinctrl-bcm2711', offset: 17, activeLow: false } }, outputs: {} },
      disk: systemDisk,
      clock: new SimClock(),
      sysfs: sysfs.root,
      openLine: () => {
        throw Object.assign(new Error('EBUSY'), { code: 'EBUSY' });
      },
    });
  t.throws(fails, { code: 'LR_BOARD_GPIO', message: /ignition: line 529: .*EBUSY/ });
});

t.test('sensors that vanish are found again; nonsense is no value', async (t) => {
  const sysfs = new FakeSysfs(t.testdir());
  const clock = new SimClock();
  const profile = PROFILES['raspberry-pi-4'] as BoardProfile;
  const sensors = new Sensors(profile, systemDisk, clock, sysfs.root);
  t.same(sensors.readings(), { supplyV: undefined, drawW: undefined, temperatureC: undefined, throttled: false });
  sysfs.put('class/hwmon/hwmon1/name', 'ina226');
  sysfs.put('class/hwmon/hwmon1/in1_input', '12480');
  sysfs.put('class/hwmon/hwmon1/curr1_input', '-1000');
  sysfs.put('class/thermal/thermal_zone0/type', 'cpu-thermal');
  sysfs.put('class/thermal/thermal_zone0/temp', '67800');
  sysfs.put('devices/platform/soc/soc:firmware/get_throttled', '50005');
  await clock.advance(30_000);
  t.same(sensors.readings(), { supplyV: 12.48, drawW: 12.48, temperatureC: 67.8, throttled: true });
  sysfs.put('devices/platform/soc/soc:firmware/get_throttled', '50000');
  sysfs.put('class/hwmon/hwmon1/in1_input', 'E?');
  t.match(sensors.readings(), { supplyV: undefined, throttled: false });
  fs.rmSync(`${sysfs.root}/class/hwmon/hwmon1`, { recursive: true });
  sysfs.put('class/hwmon/hwmon7/name', 'ina226');
  sysfs.put('class/hwmon/hwmon7/in1_input', '11900');
  await clock.advance(30_000);
  t.match(sensors.readings(), { supplyV: 11.9, drawW: undefined });
});

t.test('contacts may bounce as they like: a level counts when it has stood, and every level that stood counts', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let n = fuzzCases(500); n > 0; n--) {
    const event = random.pick(BOARD_EVENTS);
    const settle = SETTLE[event];
    let monoMs = 1000;
    let stood = random.next() < 0.5;
    let contact = contactAt(stood, monoMs);
    for (let i = 0; i < 30; i++) {
      const to = random.next() < 0.5;
      for (let bounces = random.int(0, 20); bounces > 0; bounces--) {
        monoMs += random.next() * Math.min(settle.onMs, settle.offMs) * 0.9;
        contact = seeLevel(settle, contact, random.next() < 0.5, monoMs);
        // A level that stood before the bouncing may settle in it only as itself.
        if (contact.settled !== stood && contact.settled !== contact.level && monoMs - contact.sinceMonoMs > settle.onMs + settle.offMs)
          t.fail(`${event} settled on a bounce`);
      }
      contact = seeLevel(settle, contact, to, monoMs);
      monoMs += (to ? settle.onMs : settle.offMs) + 1;
      contact = settleAt(settle, contact, monoMs);
      if (contact.settled !== to) t.fail(`${event} did not settle at ${to}`);
      stood = to;
    }
  }
  const { board, clock, drive } = simBench();
  drive('ignition', false);
  const changes: string[] = [];
  const inputs = new Inputs(board, clock, (event, on) => changes.push(`${event} ${on}`));
  for (let i = 0; i < 9; i++) {
    drive('ignition', i % 2 === 0);
    await clock.advance(20);
  }
  t.same(changes, [], 'nothing while it bounces');
  await clock.advance(200);
  drive('panic', true);
  await clock.advance(31);
  drive('panic', false);
  drive('bookmark', true);
  await clock.advance(10);
  drive('bookmark', false);
  await clock.advance(500);
  t.same(changes, ['ignition true', 'panic true', 'panic false'], 'a press counts, a spark does not');
  t.same([inputs.takePressed('panic'), inputs.takePressed('panic'), inputs.takePressed('bookmark')], [true, false, false]);
  inputs.stop();
});

t.test('board.yaml: all problems at once, promises cannot be configured away', async (t) => {
  const read = (source: string) => parseConfig(source, '/etc/longroof/board.yaml', boardConfigCheck);
  const config = read(
    'board: raspberry-pi-5\nlines: { ignition: { chip: pinctrl-rp1, offset: 4, activeLow: true } }\nwatchAt: ["22:30"]\n',
  );
  t.match(config, {
    name: 'raspberry-pi-5',
    policy: { cutOffV: 11.8, returnV: 12.5, budgetWh: 30, graceMs: 300_000, parkLongestMs: 30 * 3_600_000, smoothMs: 45_000 },
    profile: { inputs: { ignition: { offset: 4, activeLow: true }, tamper: { offset: 22 } } },
    powerOff: ['systemctl', 'poweroff'],
    scheduleMs: [81_000_000],
  });
  t.match(
    read('board: sim\nguard: { grace: 2s }\n'),
    { profile: undefined, powerOff: [], policy: { graceMs: 2000 } },
    'no laptop is switched off',
  );
  const wrong = (source: string, pattern: RegExp): void => void t.throws(() => read(source), { code: 'LR_CONFIG', message: pattern });
  wrong('board: raspberry-pi-4\nguard: { grace: 30s }\n', /guard.grace: is 30000; expected at least 300s/);
  wrong('board: raspberry-pi-4\nguard: { returnV: 11.9, reserveWh: 40 }\n', /returnV[\s\S]*reserveWh/);
  wrong(`board: sim\nsocket: ${'x'.repeat(120)}\n`, /at most 107 bytes/);
  wrong('board: pi\n', /board: is "pi"; expected one of raspberry-pi-4/);
  wrong('board: sim\nlines: { lamp: { chip: a, offset: 1 } }\n', /simulated board has no lines/);
  wrong('board: sim\nwatchAt: ["25:00"]\nguard: { budgetW: 3 }\n', /watchAt\[0\][\s\S]*did you mean budgetWh/);
});

t.test('a scheduled watch is due once a day, and not because a clock jumped', async (t) => {
  const times = [parseTimeOfDay('22:30') ?? 0, parseTimeOfDay('00:00') ?? 0];
  const day = Date.UTC(2026, 0, 5);
  let due = 0;
  for (let utcMs = day; utcMs < day + 3 * 86_400_000; utcMs += 1000) if (isDue(times, utcMs - 1000, utcMs)) due += 1;
  t.equal(due, 6);
  t.equal(isDue(times, day, day + 86_400_000), false);
  t.equal(isDue(times, day + 1000, day), false);
});

t.test('lines that udev has not handed over yet are waited for, and not for ever', async (t) => {
  const clock = new SimClock();
  const refused = new Fault('unavailable', 'LR_BOARD_GPIO', 'ignition: line 504: EACCES');
  let refusals = 8;
  const opened = withRights(clock, () => {
    refusals -= 1;
    if (refusals >= 0) throw refused;
    return 'open';
  });
  await clock.advance(3000);
  t.equal(await opened, 'open');
  const never = t.rejects(
    withRights(clock, () => {
      throw refused;
    }),
    { code: 'LR_BOARD_GPIO' },
  );
  await clock.advance(30_000);
  await never;
  const missing = (): never => {
    throw new Fault('not-found', 'LR_BOARD_LINE', 'no such line');
  };
  await t.rejects(withRights(clock, missing), { code: 'LR_BOARD_LINE' }, 'what waiting does not mend fails at once');
});
