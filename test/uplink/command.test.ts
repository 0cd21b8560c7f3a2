/**
 * Commands end to end on the unit: a signed desired state comes down over TLS and MQTT, pulls are planned, sent and ended, each once,
 * through restarts; what is forged, replayed or impossible is refused. The planner and the slicing as properties.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { type Commander, createCommander } from '@longroof/edge-agent/command/commander';
import { PullPlan } from '@longroof/edge-agent/command/parts';
import { type Progress, planSteps, readDesiredState } from '@longroof/edge-agent/command/plan';
import type { StoredFragment } from '@longroof/edge-agent/spool/spool';
import type { Outcome } from '@longroof/edge-agent/uplink/fragment-queue';
import type { DesiredReceiver } from '@longroof/edge-agent/uplink/session';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { openAuthority } from '@longroof/protocol/authority';
import { merkleRoot } from '@longroof/protocol/merkle';
import type { DesiredHold, DesiredPull, DesiredState } from '@longroof/protocol/messages';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { MemorySpool } from './memory-spool.js';
import { ScriptedController } from './scripted-controller.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
const random = seededRandom(seed);
const UNIT = 'wagon-1';
const FRONT = { camera: 'front', rendition: 'original' as const };
const REAR = { camera: 'rear', rendition: 'original' as const };
const DAY_MS = 86_400_000;
const T0 = Date.UTC(2026, 0, 1);

function folder(test: Test): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-command-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function pullOf(pullId: string, fromUtcMs: number, toUtcMs: number, cameras = ['front']): DesiredPull {
  return { pullId, cameras, rendition: 'original', fromUtcMs, toUtcMs };
}

function desiredOf(spool: MemorySpool, generation: number, pulls: DesiredPull[]): DesiredState {
  return { what: 'longroof-desired-1', unit: UNIT, epoch: spool.identity.epoch, generation, pulls };
}

/** An uplink that answers when it is told to. */
class HandUplink {
  receiver: DesiredReceiver | undefined;
  readonly sent: { fragment: StoredFragment; priority: number; answer: (outcome: Outcome) => void }[] = [];
  auto: ((fragment: StoredFragment) => Outcome) | undefined = () => 'stored';
  attach(receiver: DesiredReceiver): void {
    this.receiver = receiver;
  }
  enqueue(fragment: StoredFragment, priority: number): Promise<Outcome> {
    return new Promise((answer) => {
      this.sent.push({ fragment, priority, answer });
      if (this.auto) answer(this.auto(fragment));
    });
  }
  give(state: DesiredState): void {
    this.receiver?.desired(JSON.parse(JSON.stringify(state)) as Record<string, unknown>);
  }
}

interface Bench {
  clock: SimClock;
  spool: MemorySpool;
  uplink: HandUplink;
  commander: Commander;
  restart(): Promise<void>;
}

function bench(test: Test, fragments = 10): Bench {
  const clock = new SimClock(1000, T0 + DAY_MS);
  const spool = new MemorySpool(clock, random, UNIT);
  for (let i = 0; i < fragments; i += 1) spool.addFragment(FRONT, T0 + i * 1000, 100);
  const dir = folder(test);
  const make = (uplink: HandUplink): Commander => createCommander({ uplink, spool, disk: systemDisk, clock, log: silentLog, dir });
  const uplink = new HandUplink();
  const one: Bench = {
    clock,
    spool,
    uplink,
    commander: make(uplink),
    async restart() {
      await one.commander.stop();
      one.uplink = new HandUplink();
      one.uplink.auto = undefined;
      one.commander = make(one.uplink);
      one.commander.start();
    },
  };
  one.commander.start();
  test.teardown(() => one.commander.stop());
  return one;
}

const settle = (one: Bench, what: string, look: () => boolean): Promise<unknown> =>
  until(what, async () => {
    await one.clock.advance(10);
    return look();
  });

const states = (one: Bench, pullId: string): string[] => one.spool.done(pullId).map((body) => body.state);

t.test('holds: placed, lifted when no longer named, left alone where none are spoken of, kept in line after a restart', async (test) => {
  const one = bench(test);
  const hold = (holdId: string): DesiredHold => ({
    ...{ holdId, cameras: ['front'], fromUtcMs: T0, toUtcMs: T0 + 5000, owner: 'desk', reviewUtcMs: T0 + 90 * DAY_MS },
  });
  const give = (generation: number, holds?: unknown): void =>
    one.uplink.give({ ...desiredOf(one.spool, generation, []), ...(holds === undefined ? {} : { holds: holds as DesiredHold[] }) });
  const held = (): string => [...one.spool.placed.keys()].sort().join();
  give(1, [hold('h1'), hold('h2')]);
  await settle(one, 'both', () => held() === 'h1,h2');
  test.match(one.spool.placed.get('h1'), hold('h1'));
  give(2, [hold('h2'), hold('h3')]);
  await settle(one, 'one for another', () => held() === 'h2,h3');
  give(3);
  for (const wrong of [
    {},
    [{ ...hold('h4'), cameras: [] }],
    [{ ...hold('../x') }],
    [{ ...hold('h4'), toUtcMs: T0 - 1 }],
    Array(101).fill(hold('h4')),
  ])
    test.throws(() => give(4, wrong), { code: 'LR_DESIRED_SHAPE' });
  give(5, [hold('h2')]);
  await settle(one, 'the other is lifted', () => held() === 'h2');
  one.spool.placed.clear();
  await one.restart();
  await settle(one, 'placed again', () => held() === 'h2');
  give(6, []);
  await settle(one, 'none', () => held() === '');
});

t.test('a pull is planned, sent and complete; what is missing is named with its cause', async (test) => {
  const one = bench(test);
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('p1', T0 + 2000, T0 + 5000, ['front', 'attic'])]));
  await settle(one, 'its end', () => states(one, 'p1').length === 2);
  test.same(states(one, 'p1'), ['planned', 'complete']);
  const planned = one.spool.done('p1')[0]!;
  const root = merkleRoot(one.spool.fragments.slice(2, 5).map(({ meta }) => Buffer.from(meta.sha256, 'hex'))).toString('hex');
  test.same(planned.parts, [{ ...FRONT, run: 1, seqFirst: 2, seqLast: 4, bytes: 300, root }]);
  test.same(planned.missing, [
    { camera: 'attic', rendition: 'original', fromUtcMs: T0 + 2000, toUtcMs: T0 + 5000, cause: 'unknown-camera' },
  ]);
  test.same(
    one.uplink.sent.map(({ fragment }) => fragment.meta.seq),
    [2, 3, 4],
  );
  test.equal(one.commander.counters.complete, 1);
});

t.test('one refused fragment makes it partial; released ones are offered again', async (test) => {
  const one = bench(test);
  for (const fragment of one.spool.fragments) fragment.released = fragment.meta.seq < 4;
  one.uplink.auto = (fragment) => (fragment.meta.seq === 3 ? { refused: 'LR_FRAGMENT_HASH' } : 'stored');
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('p1', T0, T0 + 10_000)]));
  await settle(one, 'its end', () => states(one, 'p1').length === 2);
  test.same(states(one, 'p1'), ['planned', 'partial']);
  test.equal(one.uplink.sent.length, 10);
});

t.test('what goes between its plan and its turn makes it partial, at once', async (test) => {
  const one = bench(test);
  one.spool.onJournal(() => one.spool.done('p1').length === 1 && one.spool.fragments.splice(4, 3));
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('p1', T0, T0 + 10_000)]));
  await settle(one, 'its end', () => states(one, 'p1').length === 2);
  test.equal(`${states(one, 'p1')}: ${one.uplink.sent.length} sent`, 'planned,partial: 7 sent');
});

t.test('impossible pulls are refused with their code, the others go on', async (test) => {
  const one = bench(test);
  const good = pullOf('good', T0, T0 + 1000);
  const bad: [string, object][] = [
    ['LR_PULL_CAMERA', { cameras: [] }],
    ['LR_PULL_CAMERA', { cameras: ['../etc'] }],
    ['LR_PULL_CAMERA', { cameras: ['front', 'front'] }],
    ['LR_PULL_CAMERA', { cameras: 'front' }],
    ['LR_PULL_RENDITION', { rendition: 'raw' }],
    ['LR_PULL_TIME', { fromUtcMs: T0 + 5000 }],
    ['LR_PULL_TIME', { toUtcMs: 'soon' }],
    ['LR_PULL_SPAN', { toUtcMs: T0 + DAY_MS + 1 }],
    ['LR_PULL_FUTURE', { fromUtcMs: T0 + 5 * DAY_MS, toUtcMs: T0 + 5 * DAY_MS + 1 }],
  ];
  const pulls = bad.map(([, change], i) => ({ ...good, pullId: `bad-${i}`, ...change }) as DesiredPull);
  one.uplink.give(desiredOf(one.spool, 1, [...pulls, good]));
  await settle(one, 'all ends', () => states(one, 'good').length === 2 && one.commander.counters.refused === bad.length);
  bad.forEach(([code], i) => {
    test.same(one.spool.done(`bad-${i}`), [{ pullId: `bad-${i}`, state: 'refused', code }]);
  });
  const many = Array.from({ length: 70 }, (_, i) => pullOf(`many-${i}`, T0, T0 + 1000));
  one.uplink.give(desiredOf(one.spool, 2, many));
  await settle(one, 'all of many', () => one.commander.counters.running === 0 && states(one, 'many-69').length > 0);
  test.equal(one.spool.done('many-63').at(-1)?.state, 'complete');
  test.equal(one.spool.done('many-64').at(-1)?.code, 'LR_PULL_COUNT');
  test.throws(() => one.uplink.give({ ...desiredOf(one.spool, 3, []), pulls: [{ pullId: 'no good' } as DesiredPull] }), {
    code: 'LR_DESIRED_SHAPE',
  });
  test.throws(() => one.uplink.give(desiredOf(one.spool, 3, [good, good])), { code: 'LR_DESIRED_SHAPE' });
  test.equal(one.commander.counters.generation, 2);
});

t.test('an old generation does nothing; the same again does nothing', async (test) => {
  const one = bench(test);
  one.uplink.give(desiredOf(one.spool, 5, []));
  one.uplink.give(desiredOf(one.spool, 5, [pullOf('again', T0, T0 + 1000)]));
  one.uplink.give(desiredOf(one.spool, 4, [pullOf('old', T0, T0 + 1000)]));
  await one.clock.advance(5000);
  test.same([states(one, 'again'), states(one, 'old')], [[], []]);
  test.match(one.commander.counters, { generation: 5, stale: 1, accepted: 1 });
  await one.restart();
  test.equal(one.uplink.receiver?.generation(), 5, 'kept through a restart');
  one.uplink.give(desiredOf(one.spool, 5, [pullOf('again', T0, T0 + 1000)]));
  await one.clock.advance(5000);
  test.same(states(one, 'again'), []);
});

t.test('a restart takes up what was under way, plans it once, and repeats nothing that has ended', async (test) => {
  const one = bench(test);
  one.uplink.auto = undefined;
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('p1', T0, T0 + 3000), pullOf('p2', T0 + 5000, T0 + 6000)]));
  await settle(one, 'all wait', () => one.uplink.sent.length === 4);
  for (const { fragment, answer } of one.uplink.sent) if (fragment.meta.seq >= 5) answer('stored');
  await settle(one, 'the end of p2', () => states(one, 'p2').length === 2);
  await one.restart();
  await settle(one, 'p1 sent again', () => one.uplink.sent.length === 3);
  for (const { answer } of one.uplink.sent) answer('stored');
  await settle(one, 'the end of p1', () => states(one, 'p1').length === 2);
  test.same(states(one, 'p1'), ['planned', 'complete']);
  await one.restart();
  await one.clock.advance(60_000);
  test.equal(one.uplink.sent.length, 0);
  test.same([states(one, 'p1').length, states(one, 'p2').length], [2, 2]);
});

t.test('files that cannot be read count as none', async (test) => {
  const dir = folder(test);
  const clock = new SimClock(1000, T0 + DAY_MS);
  const spool = new MemorySpool(clock, random, UNIT);
  for (const garbage of ['', '{', '[]', '{"epoch":1}', JSON.stringify({ ...desiredOf(spool, 9, []), pulls: [{}] })]) {
    writeFileSync(path.join(dir, 'desired.json'), garbage);
    writeFileSync(path.join(dir, 'commands.json'), garbage);
    const commander = createCommander({ uplink: new HandUplink(), spool, disk: systemDisk, clock, log: silentLog, dir });
    test.equal(commander.counters.generation, 0, garbage);
  }
  const other = JSON.stringify({ ...desiredOf(spool, 9, []), epoch: '0'.repeat(32) });
  writeFileSync(path.join(dir, 'desired.json'), other);
  const commander = createCommander({ uplink: new HandUplink(), spool, disk: systemDisk, clock, log: silentLog, dir });
  test.equal(commander.counters.generation, 0, 'another life of the spool');
});

t.test('a pull that reaches to now waits for its footage: until it is durable, or 10 s', async (test) => {
  const one = bench(test);
  const now = one.clock.utc();
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('p1', now - 5000, now + 20_000), pullOf('p2', now - 5000, now + 20_000, ['rear'])]));
  await one.clock.advance(15_000);
  test.same(states(one, 'p1'), []);
  one.spool.addFragment(FRONT, now + 10_000, 100);
  await one.clock.advance(7_000);
  one.spool.durable([{ stream: FRONT, seq: 1, endMonoMs: one.clock.mono() }]);
  test.same(states(one, 'p1'), [], 'not yet');
  await one.clock.advance(1000);
  one.spool.durable([{ stream: FRONT, seq: 2, endMonoMs: 1000 + 20_100 }]);
  await settle(one, 'p1', () => states(one, 'p1').length === 2);
  test.ok(one.clock.utc() < now + 29_000, 'before the 10 s are over');
  test.same(states(one, 'p2'), []);
  await one.clock.advance(10_000);
  await settle(one, 'p2', () => states(one, 'p2').length === 2);
  test.equal(one.spool.done('p2')[0]?.missing?.[0]?.cause, 'unknown-camera');
});

t.test('a pull that is no longer desired stops without a word; shorter pulls go first', async (test) => {
  const one = bench(test, 400);
  one.uplink.auto = undefined;
  one.uplink.give(desiredOf(one.spool, 1, [pullOf('long', T0, T0 + 400_000), pullOf('short', T0, T0 + 2000)]));
  await settle(one, 'both wait', () => one.uplink.sent.length === 66);
  const priorities = new Set(one.uplink.sent.map(({ priority }) => priority));
  test.same(
    [...priorities].sort((a, b) => a - b),
    [200, 40_000],
    'by bytes planned, and at most 64 of one wait',
  );
  one.uplink.give(desiredOf(one.spool, 2, [pullOf('short', T0, T0 + 2000)]));
  await settle(one, 'long has stopped', () => one.commander.counters.running === 1);
  for (const { answer } of one.uplink.sent) answer('stored');
  await settle(one, 'short', () => states(one, 'short').length === 2);
  test.equal(one.uplink.sent.length, 66);
  test.same(states(one, 'long'), ['planned']);
});

t.test('over the wire: only the desired signer of this fleet is obeyed', async (test) => {
  const dir = folder(test);
  const authority = await openAuthority(path.join(dir, 'authority'), systemDisk, () => systemClock.utc());
  const identity = await authority.issueUnit(UNIT);
  const spool = new MemorySpool(systemClock, random, UNIT);
  const controller = await ScriptedController.make(UNIT, authority);
  const wanted = desiredOf(spool, 3, [pullOf('p1', T0, T0 + 10_000, ['front', 'rear'])]);
  for (let i = 0; i < 10; i += 1) for (const stream of [FRONT, REAR]) spool.addFragment(stream, T0 + i * 1000, random.int(1000, 90_000));
  await controller.start();
  const uplink: Uplink = createUplink({
    config: { host: 'localhost', port: controller.port, unit: UNIT },
    identity: () => ({ keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem }),
    spool,
    clock: systemClock,
    log: silentLog,
    status: () => ({}),
    version: '0.1.0',
  });
  const commander = createCommander({ uplink, spool, disk: systemDisk, clock: systemClock, log: silentLog, dir });
  commander.start();
  uplink.start();
  test.teardown(async () => {
    await commander.stop();
    await uplink.stop();
    await controller.stop();
  });
  await until('connected', () => uplink.connected);
  const stranger = await authority.issueSigner('desired');
  controller.sendDesired(wanted, controller.receiptKeyPem);
  controller.sendDesired(wanted, stranger.keyPem);
  controller.sendDesired(wanted, identity.unitKeyPem);
  controller.send('desired', { ...controller.sign(wanted, controller.receiptKeyPem), statement: { ...wanted, generation: 99 } });
  controller.sendDesired({ ...wanted, unit: 'wagon-2' });
  controller.sendDesired({ ...wanted, epoch: '0'.repeat(32) });
  await until('all refused', () => uplink.counters.desiredRefused === 6);
  test.equal(commander.counters.generation, 0);
  test.equal(spool.events('desired-refused').length, 6);
  controller.desired = wanted;
  controller.cut();
  await until('the end of the pull', () => spool.done('p1').length === 2);
  test.same(
    spool.done('p1').map((body) => body.state),
    ['planned', 'complete'],
  );
  for (const { meta, data, released } of spool.fragments) test.ok(released && controller.stored.get(meta.sha256)?.equals(data));
  await until('the centre knows', () => controller.records.length === spool.records.length);
  controller.cut();
  await until('a new hello', () => controller.hellos.at(-1)?.generation === 3);
});

t.test(`planner: ${fuzzCases(300)} random states`, async (test) => {
  const all = ['a', 'b', 'c', 'd', 'e'];
  for (let i = 0; i < fuzzCases(300); i += 1) {
    const some = (): string[] => all.filter(() => random.next() < 0.5);
    const pulls = some().map((id) => pullOf(id, T0 + random.int(-5, 5), T0 + random.int(-5, 5), random.pick([['front'], [], ['X']])));
    const progress = new Map<string, Progress>(
      some().map((id) => [
        id,
        random.pick<Progress>([{ state: 'complete' }, { state: 'refused' }, { state: 'planned', fragments: 1, bytes: 1 }]),
      ]),
    );
    const running = new Set(some());
    const state = readDesiredState({ what: 'longroof-desired-1', unit: UNIT, epoch: '0'.repeat(32), generation: 1, pulls });
    const steps = planSteps(state, progress, running, T0);
    const names = steps.map((step) => (step.do === 'start' ? step.pull.pullId : step.pullId));
    if (new Set(names).size !== names.length) test.fail('two steps for one pull');
    for (const step of steps) {
      const id = step.do === 'start' ? step.pull.pullId : step.pullId;
      const wanted = pulls.some((pull) => pull.pullId === id);
      const ended = ['complete', 'refused'].includes(progress.get(id)?.state ?? '');
      if (step.do === 'stop' ? wanted || !running.has(id) : !wanted || ended || running.has(id)) test.fail(`${step.do} ${id}`);
    }
    const after = new Set([...running].filter((id) => !names.includes(id)));
    for (const step of steps) if (step.do === 'start') after.add(step.pull.pullId);
    const refused = new Map(progress);
    for (const step of steps) if (step.do === 'refuse') refused.set(step.pullId, { state: 'refused' });
    if (planSteps(state, refused, after, T0).length > 0) test.fail('the steps do not lead to rest');
  }
  test.pass('each pull at most one step, and one round of steps leads to rest');
});

t.test('slices of any length give the same plan as one', async (test) => {
  const clock = new SimClock(1000, T0);
  const spool = new MemorySpool(clock, random, UNIT);
  for (let i = 0; i < 40; i += 1) spool.addFragment(random.pick([FRONT, REAR]), T0 + i * 700, 10 + i);
  const whole = new PullPlan();
  whole.add(await spool.select([FRONT, REAR], T0, T0 + 28_000));
  for (let i = 0; i < fuzzCases(100); i += 1) {
    const sliced = new PullPlan();
    for (let from = T0; from < T0 + 28_000; ) {
      const to = Math.min(T0 + 28_000, from + random.int(1001, 9000));
      const { fragments } = await spool.select([FRONT, REAR], from, to);
      sliced.add({ fragments, missing: [] });
      from = to;
    }
    if (JSON.stringify(sliced.parts.sort(byPart)) !== JSON.stringify([...whole.parts].sort(byPart))) test.fail(`slices, case ${i}`);
  }
  test.equal(whole.fragments, 40);
});

function byPart(one: { camera: string; seqFirst: number }, other: { camera: string; seqFirst: number }): number {
  return one.camera.localeCompare(other.camera) || one.seqFirst - other.seqFirst;
}
