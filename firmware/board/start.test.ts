import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { BUILD_UTC_MS } from '@longroof/base/build';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { DEFAULT_POLICY } from '../power/policy.js';
import { powerSentence } from '../power/sentence.js';
import { initialState } from '../power/state.js';
import { wantedOf } from '../power/step.js';
import { Accelerometer } from './accelerometer.js';
import { type Braking, BrakingWatch, SAMPLE_MS } from './braking.js';
import { newestWritten, startClock } from './clock-start.js';
import { FakeSysfs } from './test-sysfs.js';

t.test('the clock of a board without a battery starts where it last wrote, never back and never before the build', async (t) => {
  const folder = t.testdir({ journal: { a: 'x', b: 'y' }, 'power.json': '{}' });
  const write = (name: string, utcMs: number): void => fs.utimesSync(path.join(folder, name), utcMs / 1000, utcMs / 1000);
  const DAY = 86_400_000;
  for (const name of ['journal', 'journal/a', 'power.json']) write(name, BUILD_UTC_MS + DAY);
  write('journal/b', BUILD_UTC_MS + 2 * DAY);
  const files = [path.join(folder, 'journal'), path.join(folder, 'power.json'), path.join(folder, 'none')];
  t.equal(newestWritten(systemDisk, files), BUILD_UTC_MS + 2 * DAY);
  const start = async (nowUtcMs: number, of = files): Promise<number | undefined> => {
    let set: number | undefined;
    const setClock = async (utcMs: number): Promise<void> => {
      set = utcMs;
    };
    await startClock({ clock: new SimClock(1000, nowUtcMs), disk: systemDisk, buildUtcMs: BUILD_UTC_MS, files: of, setClock });
    return set;
  };
  t.equal(await start(0), BUILD_UTC_MS + 2 * DAY);
  t.equal(await start(BUILD_UTC_MS + 3 * DAY), undefined, 'a clock that is ahead is left alone');
  t.equal(await start(0, []), BUILD_UTC_MS, 'with nothing written: the build');
  write('journal/b', Date.UTC(2150, 0, 1));
  t.equal(await start(0), BUILD_UTC_MS + DAY, 'what a clock gone wrong wrote does not count');
  t.ok(BUILD_UTC_MS <= Date.now(), 'the build lies in the past');
});

t.test('hard braking is told once, as hard as it was; potholes, slopes and noise are not', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const drive = (parts: readonly [number, number][], biasMps2 = 0): Braking[] => {
    const watch = new BrakingWatch(4.5);
    const told: Braking[] = [];
    let monoMs = 1000;
    for (const [ms, forwardMps2] of parts) {
      for (let at = 0; at < ms; at += SAMPLE_MS) {
        monoMs += SAMPLE_MS;
        const braking = watch.take(monoMs, forwardMps2 + biasMps2 + (random.next() - 0.5));
        if (braking) told.push(braking);
      }
    }
    return told;
  };
  const hard = drive([
    [60_000, 0],
    [900, -7],
    [5000, 0],
  ]);
  t.equal(hard.length, 1);
  t.ok(Math.abs((hard[0]?.peakMps2 ?? 0) - 7.4) < 0.4, `${hard[0]?.peakMps2}`);
  t.equal(hard[0]?.atMonoMs, 1000 + 60_000 + SAMPLE_MS, 'dated by its beginning');
  t.equal(
    drive([
      [60_000, 0],
      [4000, -7],
      [5000, 0],
    ]).length,
    1,
    'a long one once',
  );
  t.equal(
    drive([
      [60_000, 0],
      [100, -30],
      [5000, 0],
    ]).length,
    0,
    'a pothole',
  );
  t.equal(
    drive([
      [60_000, 0],
      [2000, -3],
      [5000, 2],
    ]).length,
    0,
    'braking as one does',
  );
  t.equal(drive([[600_000, 0]], 3).length, 0, 'a sensor that is not level');
  t.equal(
    drive(
      [
        [60_000, 0],
        [900, -7],
        [5000, 0],
      ],
      -3,
    ).length,
    1,
  );
  t.equal(
    drive([
      [60_000, 0],
      [900, -7],
      [10_000, 0],
      [900, -8],
      [5000, 0],
    ]).length,
    2,
  );
  const broken = new BrakingWatch(4.5);
  for (const value of [Number.NaN, 1e6, Number.NEGATIVE_INFINITY]) t.equal(broken.take(2000, value), undefined);
});

t.test('acceleration along the wagon from iio, by the axis that points ahead', async (t) => {
  const sysfs = new FakeSysfs(t.testdir());
  const device = 'bus/iio/devices/iio:device1';
  for (const [file, content] of Object.entries({ name: 'mpu6050', in_accel_y_raw: '-1000', in_accel_scale: '0.000598' }))
    sysfs.put(`${device}/${file}`, content);
  const spec = { name: 'mpu6050', forward: '-y' as const, brakingMps2: 4.5 };
  const accelerometer = new Accelerometer(spec, systemDisk, new SimClock(), sysfs.root);
  t.ok(Math.abs((accelerometer.forwardMps2() ?? 0) - 0.598) < 1e-9);
  fs.rmSync(path.join(sysfs.root, device), { recursive: true });
  t.equal(accelerometer.forwardMps2(), undefined);
});

t.test('a standby whose link rests says when it can be reached next', async (t) => {
  const policy = { ...DEFAULT_POLICY, contactEveryMs: 3_600_000, contactForMs: 120_000 };
  const at = (ms: number) => ({ ...initialState(1000, 'a', undefined), atMonoMs: 1000 + ms });
  t.match(wantedOf(policy, at(60_000)), { link: true, contactInMs: 3_540_000 }, 'it begins with a contact');
  t.match(wantedOf(policy, at(120_000)), { link: false, contactInMs: 3_480_000 });
  t.match(wantedOf(policy, at(3_600_000)), { link: true, contactInMs: 3_600_000 });
  t.match(powerSentence(policy, at(120_000), 0), /next contact in 58 min\.$/);
  t.match(wantedOf(policy, { ...at(120_000), mode: 'driving' }), { link: true, contactInMs: null });
  t.match(wantedOf(DEFAULT_POLICY, at(120_000)), { link: true, contactInMs: null }, 'without it the link does not rest');
});

const IMAGE = new URL('../../image/', import.meta.url).pathname;
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

t.test('what the services may do, by systemd itself', { skip: hasSystemd ? false : 'no systemd-analyze on this machine' }, async (t) => {
  /** Exposure, of 10. */
  // The agent starts early: systemd does not count what it protects from then on (ProtectSystem, ProtectHome), though it does.
  const most = {
    'longroof-agent.service': 1.4,
    'longroof-board.service': 0.9,
    'longroof-clock.service': 2.1,
    'longroof-coldplug.service': 1.1,
  };
  for (const [unit, limit] of Object.entries(most)) {
    const said = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', path.join(IMAGE, unit)], {
      encoding: 'utf8',
    });
    const exposure = Number(/Overall exposure level[^:]*: ([\d.]+)/.exec(said)?.[1]);
    t.comment(`${unit}: ${exposure}`);
    t.ok(exposure <= limit, `${unit}: ${exposure} of at most ${limit}`);
  }
});
