/**
 * Classes of links and the metered budget: which interface is of which class, what goes over it, and a count that is never too low,
 * through kills, power cuts, wrong clocks and a disk that refuses. On real files and the real kernel's interfaces.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { type AsyncDisk, systemAsyncDisk } from '@longroof/base/async-disk';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { Budget, periodAt, USAGE_FILE } from '@longroof/edge-agent/uplink/budget';
import { CLAIMS } from '@longroof/edge-agent/uplink/priority';
import { interfacesOf, sourceTowards } from '@longroof/edge-agent/uplink/route';
import { linkRulesOf, Traffic, type Wire } from '@longroof/edge-agent/uplink/traffic';
import { RENDITIONS } from '@longroof/protocol/fragment';
import { loadUnitConfig, type UnitConfig } from '@longroof/protocol/unit-config';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
const random = seededRandom(seed);
const MB = 1_000_000;
const DAY_MS = 86_400_000;
const NOV_3 = Date.UTC(2026, 10, 3, 12);

function folder(test: Test): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-links-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function configOf(test: Test, more: string): UnitConfig {
  const dir = test.testdir({ 'unit.yaml': `unit: w1\nidentity: ./id\nspool: { path: ./spool, quota: 20GB }\ncameras: []\n${more}` });
  return loadUnitConfig(systemDisk, `${dir}/unit.yaml`).config;
}

const LINKS = 'links: [{ interface: wwan0, class: metered }, { interface: "wl*", class: free }]\n';

/** A wire of one address whose bytes are set by hand. */
function handWire(localAddress: string | undefined): Wire & { total: number } {
  const wire = {
    total: 0,
    ends: () => (localAddress === undefined ? undefined : { localAddress, remoteAddress: '10.0.0.9' }),
    bytes: () => wire.total,
  };
  return wire;
}
const NAMES: Readonly<Record<string, string[]>> = {
  '10.1.0.1': ['wwan0'],
  '10.2.0.1': ['wlan0'],
  '10.3.0.1': ['wlan0', 'wwan0'],
  '10.4.0.1': ['eth7'],
};

function trafficOf(
  config: UnitConfig,
  address: string | undefined,
  budget?: Budget,
): { traffic: Traffic; wire: ReturnType<typeof handWire> } {
  const traffic = new Traffic({ rules: linkRulesOf(config), budget, interfacesOf: (one) => NAMES[one] ?? [] });
  const wire = handWire(address);
  traffic.begin(wire);
  traffic.count();
  return { traffic, wire };
}

t.test('by default metered takes journal, pulls and strips; free takes all; without a word on links nothing goes unasked', async (test) => {
  const goes = (traffic: Traffic): string[] => (['held', 'strip', 'proxy', 'original'] as const).filter((what) => traffic.sends(what));
  const metered = trafficOf(configOf(test, LINKS), '10.1.0.1').traffic;
  test.same(goes(metered), ['strip']);
  test.same(metered.status(), { interface: 'wwan0', class: 'metered' });
  test.ok(metered.allows('pull', 'original') && metered.allows('urgent', 'derived'));
  test.notOk(metered.allows('policy', 'proxy') || metered.allows('held', 'original') || metered.allows('offer', 'original'));
  const free = trafficOf(configOf(test, LINKS), '10.2.0.1').traffic;
  test.same(goes(free), ['held', 'strip', 'proxy', 'original']);
  test.same(free.status(), { interface: 'wlan0', class: 'free' });
  for (const claim of CLAIMS) for (const rendition of RENDITIONS) test.ok(free.allows(claim, rendition));
  const plain = trafficOf(configOf(test, ''), '10.1.0.1').traffic;
  test.same([goes(plain), plain.status(), plain.waits], [[], undefined, undefined]);
  test.ok(plain.allows('pull', 'original') && plain.allows('offer', 'original'));
});

t.test('what is not named, not known, or on two links counts as metered', async (test) => {
  for (const [address, name] of [
    ['10.3.0.1', 'wwan0'],
    ['10.4.0.1', 'eth7'],
    ['10.9.9.9', undefined],
    [undefined, undefined],
  ] as const) {
    const { traffic, wire } = trafficOf(configOf(test, LINKS), address);
    test.match(traffic.status(), name === undefined ? { class: 'metered' } : { class: 'metered', interface: name });
    wire.total = 700;
    traffic.end();
    test.same([traffic.meteredBytes, traffic.freeBytes], [700, 0], 'an attempt that came to nothing counts too');
  }
});

t.test('rules of ones own; where no link is free, what an earlier store had goes like a pull', async (test) => {
  const rules = `${LINKS}metered: { sends: [strips] }\nfree: { sends: [pulls, proxies] }\n`;
  const metered = trafficOf(configOf(test, rules), '10.1.0.1').traffic;
  test.equal(metered.waits, 'LR_LINK_CLASS');
  test.notOk(metered.allows('urgent', 'original'));
  const free = trafficOf(configOf(test, rules), '10.2.0.1').traffic;
  test.same([free.sends('proxy'), free.sends('original'), free.sends('held'), free.waits], [true, false, false, undefined]);
  const only = trafficOf(configOf(test, 'metered: { monthlyBudget: 5GB }\n'), '10.1.0.1').traffic;
  test.ok(only.allows('offer', 'original'));
});

t.test('configuration: defaults, and each mistake told with its key', async (test) => {
  test.match(configOf(test, 'metered: { monthlyBudget: 5GB }\n').metered, {
    monthlyBudget: 5e9,
    budgetDay: 1,
    sends: ['pulls', 'strips'],
    beyond: ['urgent'],
  });
  for (const [text, key] of [
    ['links: [{ interface: wwan0 }]\n', /links\[0\]\.class/],
    ['links: [{ interface: "no such name at all", class: free }]\n', /links\[0\]\.interface/],
    ['links: [{ interface: wwan0, class: cheap }]\n', /links\[0\]\.class.*metered, free/],
    ['metered: { monthlyBudget: 5 }\n', /metered\.monthlyBudget/],
    ['metered: { budgetDay: 31 }\n', /metered\.budgetDay/],
    ['free: { sends: [everything] }\n', /free\.sends\[0\]/],
    ['metered: { monthlyBuget: 5GB }\n', /did you mean monthlyBudget/],
  ] as const)
    test.throws(() => configOf(test, text), { code: 'LR_CONFIG', message: key });
});

t.test('months in UTC, from any day', async (test) => {
  const at = (text: string, day: number): string[] => {
    const { fromUtcMs, untilUtcMs } = periodAt(Date.parse(text), day);
    return [fromUtcMs, untilUtcMs].map((ms) => new Date(ms).toISOString().slice(0, 10));
  };
  test.same(at('2026-11-30T23:59:59.999Z', 1), ['2026-11-01', '2026-12-01']);
  test.same(at('2026-12-01T00:00:00Z', 1), ['2026-12-01', '2027-01-01']);
  test.same(at('2026-03-14T23:59:59Z', 15), ['2026-02-15', '2026-03-15']);
  test.same(at('2026-01-02T00:00:00Z', 28), ['2025-12-28', '2026-01-28']);
});

interface Bench {
  dir: string;
  clock: SimClock;
  spent: boolean[];
  open: (writes?: AsyncDisk, bytes?: number) => Budget;
  /** What is on the disk now is what the next one finds: nothing that the last one still writes gets there. */
  kill(): void;
}

function bench(test: Test): Bench {
  const clock = new SimClock(1000, NOV_3);
  const spent: boolean[] = [];
  const one: Bench = {
    dir: folder(test),
    clock,
    spent,
    open(writes = systemAsyncDisk, bytes = 100 * MB) {
      const of = { bytes, day: 1, dir: one.dir, disk: systemDisk, writes, clock, log: silentLog };
      return new Budget({ ...of, changed: () => undefined, onSpent: (now) => spent.push(now) });
    },
    kill() {
      const from = one.dir;
      one.dir = folder(test);
      if (existsSync(path.join(from, USAGE_FILE))) copyFileSync(path.join(from, USAGE_FILE), path.join(one.dir, USAGE_FILE));
    },
  };
  return one;
}

t.test('the budget is spent, told once, keeps a tenth for the journal, and is new with the month', async (test) => {
  const { clock, spent, open } = bench(test);
  const budget = open();
  await until('room is written down', () => budget.counts);
  const traffic = new Traffic({ rules: linkRulesOf(configOf(test, LINKS)), budget, interfacesOf: (one) => NAMES[one] ?? [] });
  const wire = handWire('10.1.0.1');
  traffic.begin(wire);
  const use = (bytes: number): void => {
    wire.total += bytes;
    traffic.count();
  };
  use(89 * MB);
  await until('written', () => budget.counts);
  test.equal(traffic.waits, undefined);
  use(1 * MB);
  await until('written', () => budget.counts);
  test.equal(traffic.waits, 'LR_LINK_BUDGET');
  test.ok(traffic.allows('urgent', 'original'), 'an urgent pull goes');
  test.notOk(traffic.sends('strip'), 'strips wait');
  test.match(traffic.status(), { waits: 'LR_LINK_BUDGET', urgentGoes: true, budget: { bytes: 100 * MB, spentBytes: 90 * MB } });
  use(5 * MB);
  test.same(spent, [true]);
  clock.stepUtc(26 * DAY_MS);
  traffic.count();
  await until('written', () => budget.counts);
  test.same(
    [spent, traffic.waits, budget.usedBytes],
    [[true], 'LR_LINK_BUDGET', 95 * MB],
    'on the 29th there is room for one day of journal',
  );
  clock.stepUtc(2 * DAY_MS);
  traffic.count();
  await until('written', () => budget.counts);
  test.same([spent, traffic.waits, budget.usedBytes], [[true, false], undefined, 0]);
  await budget.end();
});

t.test('what goes over a free link costs nothing', async (test) => {
  const budget = bench(test).open();
  const { traffic, wire } = trafficOf(configOf(test, LINKS), '10.2.0.1', budget);
  wire.total = 500 * MB;
  traffic.count();
  test.same([budget.usedBytes, traffic.freeBytes, traffic.waits], [0, 500 * MB, undefined]);
  await budget.end();
});

t.test(`killed at any moment the count is not too low, and a power cut costs little (${fuzzCases(30)} cuts)`, async (test) => {
  const one = bench(test);
  let truth = 0;
  let lost = 0;
  let budget = one.open(systemAsyncDisk, 1e12);
  const cuts = Math.min(300, fuzzCases(30));
  for (let cut = 0; cut < cuts; cut += 1) {
    for (let n = random.int(1, 20); n > 0; n -= 1) {
      // As the lane does: what can wait goes only while it is counted, a chunk at a time.
      while (!budget.counts) await new Promise((resolve) => setImmediate(resolve));
      const bytes = random.int(1, 123_000);
      truth += bytes;
      budget.add(bytes);
      if (random.next() < 0.3) await one.clock.advance(random.int(1, 8000));
    }
    if (random.next() < 0.2) await budget.end();
    one.kill();
    const old = budget;
    budget = one.open(systemAsyncDisk, 1e12);
    if (budget.usedBytes < truth) test.fail(`${budget.usedBytes} counted, ${truth} went`);
    lost += budget.usedBytes - truth;
    truth = budget.usedBytes;
    await old.end();
  }
  test.comment(`${cuts} cuts cost ${Math.round(lost / cuts / 1024)} KiB each`);
  await budget.end();
  one.kill();
  test.equal(one.open(systemAsyncDisk, 1e12).usedBytes, budget.usedBytes, 'an orderly end costs nothing');
  const idle = bench(test);
  const first = idle.open();
  await until('room', () => first.counts);
  idle.kill();
  test.ok(idle.open().usedBytes <= 512 * 1024, 'one cut of an idle link costs at most 512 KiB');
});

t.test('while the disk does not take the count, what can wait waits, and goes on by itself', async (test) => {
  const { clock, open } = bench(test);
  let refuses = true;
  let tries = 0;
  const writes: AsyncDisk = {
    ...systemAsyncDisk,
    create(file) {
      tries += 1;
      return refuses ? Promise.reject(new Fault('full', 'LR_SYS_ENOSPC', 'no space left')) : systemAsyncDisk.create(file);
    },
  };
  const budget = open(writes);
  const { traffic } = trafficOf(configOf(test, LINKS), '10.1.0.1', budget);
  await until('it tried', () => tries > 0 && budget.refused);
  test.equal(traffic.waits, 'LR_LINK_COUNT');
  test.notOk(traffic.allows('pull', 'original') || traffic.allows('urgent', 'original'));
  refuses = false;
  await until('it goes on', async () => {
    await clock.advance(1000);
    return traffic.waits === undefined;
  });
  await budget.end();
});

t.test('a clock that was wrong for a while loses no count; a file that cannot be read counts as nothing', async (test) => {
  const one = bench(test);
  const { clock, open } = one;
  const budget = open();
  budget.add(40 * MB);
  for (const years of [10, -20, 3]) {
    clock.stepUtc(years * 365 * DAY_MS);
    budget.add(1 * MB);
    clock.stepUtc(-years * 365 * DAY_MS);
  }
  budget.add(0);
  test.equal(budget.usedBytes, 40 * MB);
  await budget.end();
  one.kill();
  const next = open();
  test.equal(next.usedBytes, 40 * MB);
  await next.end();
  for (const garbage of ['', '{', '[]', '{"metered":[[1]]}', '{"metered":{"a":1}}', 'null']) {
    one.kill();
    writeFileSync(path.join(one.dir, USAGE_FILE), garbage);
    test.equal(open().usedBytes, 0, JSON.stringify(garbage));
  }
});

t.test('the kernel says by which interface a connection goes', async (test) => {
  test.same(interfacesOf('127.0.0.1'), ['lo']);
  test.same(interfacesOf('::ffff:127.0.0.1'), ['lo']);
  test.same(interfacesOf('203.0.113.77'), []);
  test.equal(await sourceTowards('127.0.0.1'), '127.0.0.1');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  test.teardown(() => server.close());
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const address = addresses?.find(({ family }) => family === 'IPv4')?.address;
    if (address === undefined) continue;
    const source = await sourceTowards(address);
    test.ok(interfacesOf(source ?? '').includes(name), `${address} is reached from ${name}`);
  }
});
