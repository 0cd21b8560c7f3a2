/**
 * The budget between the real halves: the unit's spool, uplink and commander over TLS, the centre's broker, ingest, store and pulls. When
 * the month's budget is spent a pull waits and says why, the journal goes on, an urgent pull goes all the same; the count survives a
 * restart, and with the next month everything comes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemAsyncDisk } from '@longroof/base/async-disk';
import { type Clock, systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { UnitReader } from '@longroof/controller/fleet/units';
import { createCommander } from '@longroof/edge-agent/command/commander';
import { openSpool } from '@longroof/edge-agent/spool/open';
import type { Spool } from '@longroof/edge-agent/spool/spool';
import { testFragment } from '@longroof/edge-agent/spool/test-fragments';
import { Budget } from '@longroof/edge-agent/uplink/budget';
import { linkRulesOf, Traffic } from '@longroof/edge-agent/uplink/traffic';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import t, { type Test } from 'tap';
import { type Centre, startCentre, type UnitIdentity } from '../ingest/centre.js';
import { until } from '../peers/program.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
t.setTimeout(240_000);
const random = seededRandom(seed);
const UNIT = 'wagon-1';
const FRONT = { camera: 'front', rendition: 'original' as const };
const FRAGMENT_MS = 100;
const FRAGMENTS = 40;
const BUDGET = 4_000_000;
const WINDOW_BYTES = 512 * 1024;

/** Its wall clock can be a month on, for the budget alone. */
class Calendar implements Clock {
  aheadMs = 0;
  mono = systemClock.mono;
  utc = (): number => systemClock.utc() + this.aheadMs;
  sleep = systemClock.sleep;
  after = systemClock.after;
  every = systemClock.every;
}

interface Unit {
  uplink: Uplink;
  budget: Budget;
  stop(): Promise<void>;
}

function startUnit(dir: string, spool: Spool, identity: UnitIdentity, port: number, calendar: Calendar): Unit {
  const budget: Budget = new Budget({
    ...{ bytes: BUDGET, day: 1, dir, disk: systemDisk, writes: systemAsyncDisk, clock: calendar, log: silentLog },
    ...{ changed: () => uplink.linkChanged(), onSpent: () => undefined },
  });
  const metered = { monthlyBudget: BUDGET, budgetDay: 1, sends: ['pulls' as const], beyond: ['urgent' as const] };
  const rules = linkRulesOf({ links: [{ interface: 'lo', class: 'metered' }], metered, free: undefined });
  const uplink: Uplink = createUplink({
    config: { host: '127.0.0.1', port, unit: UNIT },
    identity: () => ({ keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem }),
    ...{ spool, clock: systemClock, log: silentLog, version: '0.1.0', traffic: new Traffic({ rules, budget }) },
    status: () => ({ front: { state: 'recording' } }),
  });
  const commander = createCommander({ uplink, spool, disk: systemDisk, clock: systemClock, log: silentLog, dir });
  commander.start();
  uplink.start();
  return {
    uplink,
    budget,
    async stop() {
      await commander.stop();
      await uplink.stop();
      await budget.end();
    },
  };
}

async function fill(spool: Spool): Promise<void> {
  const startMonoMs = systemClock.mono();
  const offsetMs = systemClock.utc() - startMonoMs;
  spool.noteClock({ atMonoMs: startMonoMs, offsetMs, source: 'ntp', errorMs: 10 });
  let durable = 0;
  spool.onDurable((streams) => {
    durable = (streams[0]?.seq ?? 0) + 1;
  });
  spool.openStream(FRONT);
  for (let n = 0; n < FRAGMENTS; n += 1) {
    const monoMs = startMonoMs + n * FRAGMENT_MS;
    const fragment = testFragment(random, FRONT, { startMonoMs: monoMs, durationMs: FRAGMENT_MS, payloadBytes: 120_000 });
    spool.write(fragment, { utcMs: monoMs + offsetMs, source: 'ntp', errorMs: 10 });
  }
  await until('all durable', () => durable >= FRAGMENTS);
}

const ask = (centre: Centre, fromUtcMs: number, toUtcMs: number, urgent: boolean): Promise<string> =>
  centre.pulls.create('staff', { unitId: UNIT, cameras: ['front'], fromUtcMs, toUtcMs, rendition: 'original', reason: 'a test', urgent });

async function setUp(test: Test) {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-budget-'));
  const centre = await startCentre(path.join(dir, 'centre'));
  const identity = await centre.authority.issueUnit(UNIT);
  const cameras = [{ camera: 'front', renditions: ['original' as const] }];
  const fixed = { unit: UNIT, version: '0.1.0', configSha256: '0'.repeat(64), cameras, clock: systemClock, log: silentLog };
  const spool = await openSpool({ path: path.join(dir, 'spool'), quotaBytes: 2 ** 29, journalKeyPem: identity.journalKeyPem, ...fixed });
  const calendar = new Calendar();
  const start = (): Unit => startUnit(path.join(dir, 'spool'), spool, identity, centre.port, calendar);
  const now = { unit: start() };
  test.teardown(async () => {
    await now.unit.stop();
    await spool.close();
    await centre.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return { centre, spool, calendar, start, now };
}

t.test('a pull waits for the budget and says so; the journal and what is urgent go on', async (test) => {
  const { centre, spool, calendar, start, now } = await setUp(test);
  const fromUtcMs = systemClock.utc();
  await fill(spool);
  await until('connected', () => now.unit.uplink.connected);
  const id = await ask(centre, fromUtcMs - 1000, fromUtcMs + FRAGMENTS * FRAGMENT_MS, false);
  const waiting = await until('it waits', async () => {
    const pull = await centre.pulls.get(id);
    return pull?.state === 'waiting' && pull;
  });
  const period = now.unit.budget.period;
  test.same(waiting.waitingFor, { code: 'LR_LINK_BUDGET', until: new Date(period.untilUtcMs).toISOString() });
  // Counted as the socket takes them: what is in the window when the budget is spent goes all the same.
  const within = waiting.bytesDone > 1_500_000 && waiting.bytesDone < BUDGET + WINDOW_BYTES;
  test.ok(within, `${waiting.bytesDone} bytes went within ${BUDGET} and a window`);
  const reader = new UnitReader(centre.store.db, systemClock);
  const { link } = await reader.get(UNIT);
  test.match(link, { interface: 'lo', class: 'metered', waits: 'LR_LINK_BUDGET', urgentGoes: true, budget: { bytes: BUDGET } });
  const seq = await spool.record('event', { event: 'beat' }, { urgent: true });
  await until('the journal goes on', async () => (await reader.get(UNIT)).journal.next > seq);
  const left = (await spool.select([FRONT], fromUtcMs - 1000, systemClock.utc() + 1e6)).fragments.filter(({ released }) => !released);
  const last = left.at(-1)!;
  await until('its time has come', () => systemClock.utc() > last.wall.utcMs + 20);
  const urgent = await ask(centre, last.wall.utcMs + 10, last.wall.utcMs + 20, true);
  await until('the urgent one is done', async () => (await centre.pulls.get(urgent))?.state === 'done');
  test.equal((await centre.pulls.get(id))?.state, 'waiting', 'the other waits on');
  const spent = now.unit.budget.usedBytes;
  await now.unit.stop();
  now.unit = start();
  test.ok(now.unit.budget.usedBytes >= spent, 'the count is kept through a restart');
  await until('connected again', () => now.unit.uplink.connected);
  const stored = now.unit.uplink.counters.fragmentsStored;
  await until('it says that it waits', async () => (await centre.pulls.get(id))?.waitingFor);
  test.equal(now.unit.uplink.counters.fragmentsStored, stored, 'nothing of it goes after the restart');
  calendar.aheadMs = 32 * 86_400_000;
  await until('with the next month all of it comes', async () => (await centre.pulls.get(id))?.state === 'done', 60_000);
  const pull = await centre.pulls.get(id);
  test.equal(pull?.bytesDone, pull?.bytesTotal);
  test.equal(pull?.waitingFor, undefined);
});
