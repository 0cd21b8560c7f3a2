/**
 * What a centre that lies, or somebody between the two, can do to a unit: nothing is released that no right receipt is for, no old order
 * is carried out, and rightly signed nonsense is refused, counted and survived. Real spool, real TLS.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { recordHash } from '@longroof/protocol/journal';
import type { AckMessage, DesiredState, Signed, StoredReceipt } from '@longroof/protocol/messages';
import t, { type Test } from 'tap';
import { liveBytes } from '../peers/live-bytes.js';
import { until } from '../peers/program.js';
import { bent, monsters, mutated } from './mutate.js';
import { UNIT, type UnitBench, unitBench } from './unit-bench.js';

t.setTimeout(400_000);
const seed = testSeed();
t.comment(`seed ${seed}`);
const random = seededRandom(seed);

const released = async (bench: UnitBench): Promise<number> => (await bench.fragments()).filter((fragment) => fragment.released).length;

async function sendAll(bench: UnitBench): Promise<Promise<unknown>[]> {
  return (await bench.fragments()).map((fragment) => bench.uplink.enqueue(fragment, 1).catch((error: { code?: string }) => error.code));
}

/** What one of the unit's journal says of an event. */
async function events(bench: UnitBench, event: string): Promise<string[]> {
  const records = await bench.spool.journal(0, 4 * 1024 * 1024);
  return records
    .filter(({ type, body }) => type === 'event' && (body as { event: string }).event === event)
    .map(({ body }) => String((body as { detail?: { code?: string } }).detail?.code));
}

t.test('a centre that lies about what it has stored frees nothing on a real disk', async (t) => {
  const bench = await unitBench(t, random, 6);
  const { controller, authority } = bench;
  const other = await authority.issueSigner('receipt');
  const desired = await authority.issueSigner('desired');
  const right = controller.receiptKeyPem;
  type Lie = [code: string, (receipt: Signed<StoredReceipt>) => Signed<StoredReceipt>];
  const edit =
    (change: Partial<StoredReceipt>, key = right) =>
    (receipt: Signed<StoredReceipt>) =>
      controller.sign({ ...receipt.statement, ...change }, key);
  const lies: Lie[] = [
    ['LR_RECEIPT_HASH', edit({ sha256: 'a'.repeat(64) })],
    ['LR_RECEIPT_HASH', edit({ bytes: 1 })],
    ['LR_RECEIPT_UNIT', edit({ epoch: 'e'.repeat(32) })],
    ['LR_RECEIPT_UNIT', edit({ unit: 'wagon-2' })],
    ['LR_RECEIPT_STORE', edit({ storeEpoch: 'another store' })],
    ['LR_RECEIPT_COPIES', edit({ copies: 0 })],
    ['LR_RECEIPT_UNKNOWN', edit({ seq: 999 })],
    ['LR_RECEIPT_KEY', edit({}, other.keyPem)],
    ['LR_RECEIPT_KEY', edit({}, desired.keyPem)],
    ['LR_RECEIPT_KEY', (receipt) => ({ ...receipt, keyId: 'b'.repeat(64) })],
    ['LR_RECEIPT_SIGNATURE', (receipt) => ({ ...receipt, signature: controller.sign(receipt.statement, other.keyPem).signature })],
    ['LR_RECEIPT_SIGNATURE', (receipt) => ({ ...receipt, statement: { ...receipt.statement, storedUtcMs: 1 } })],
  ];
  const half = lies.length / 2;
  const sent = [] as Promise<unknown>[];
  for (const some of [lies.slice(0, half), lies.slice(half)]) {
    const before = (await events(bench, 'receipt-refused')).length;
    const told = new Set<number>();
    controller.faults.receipt = (receipt) => {
      const { seq } = receipt.statement;
      // One lie each: whoever waits longer than that is given nothing.
      if (told.has(seq)) return undefined;
      told.add(seq);
      return (some[seq] as Lie)[1](receipt);
    };
    if (sent.length === 0) sent.push(...(await sendAll(bench)));
    else controller.cut();
    await until('each lie is told', async () => (await events(bench, 'receipt-refused')).length - before === half);
    const codes = (await events(bench, 'receipt-refused')).slice(before);
    t.same(codes.sort(), some.map(([code]) => code).sort(), 'each stands in the journal');
    t.equal(await released(bench), 0, 'nothing is released');
  }
  controller.faults = {};
  controller.cut();
  t.same(new Set(await Promise.all(sent)), new Set(['stored']));
  t.equal(await released(bench), half, 'right ones free all of it');
});

t.test('orders that are old, sent again, or rolled back, are not carried out; not after a restart either', async (t) => {
  const bench = await unitBench(t, random, 5);
  const { controller, spool } = bench;
  const state = (generation: number, stallMs: number): DesiredState => ({
    ...{ what: 'longroof-desired-1', unit: UNIT, epoch: spool.identity.epoch, generation, pulls: [] },
    configuration: { configurationId: `c-${generation}`, settings: { cameras: { front: { stallMs } } } },
  });
  await until('connected', () => bench.uplink.connected);
  const taken = (): number[] => bench.taken.map(({ cameras }) => cameras['front']?.stallMs ?? 0);
  controller.sendDesired(state(5, 5000));
  await until('taken on', () => taken().length === 1);
  controller.sendDesired(state(3, 3000));
  controller.sendDesired(state(4, 4000));
  controller.sendDesired(state(5, 9000));
  controller.sendDesired({ ...state(99, 9000), epoch: 'e'.repeat(32) });
  controller.sendDesired(state(6, 6000));
  await until('the newer one', () => taken().length === 2);
  t.same(taken(), [5000, 6000], 'the old ones did nothing');
  t.equal(bench.commander.counters.stale, 2);
  t.equal(bench.uplink.counters.desiredRefused, 1);

  await bench.restart();
  await until('connected again', () => bench.uplink.connected);
  t.equal(bench.commander.counters.generation, 6, 'kept over a restart');
  controller.sendDesired(state(5, 5000));
  controller.sendDesired(state(6, 9000));
  await until('refused', () => bench.commander.counters.stale === 1);
  controller.sendDesired({
    ...state(7, 7000),
    configuration: { configurationId: 'c-7', settings: { cameras: { front: { stallMs: 1 } } } },
  });
  await until('answered', async () => (await events(bench, 'configuration')).includes('LR_SETTINGS_SHAPE'));
  t.same(taken(), [5000, 6000]);
  const hello = await until('a hello', () => controller.hellos.at(-1));
  t.equal(hello.generation, 6);
});

t.test('a countersigned checkpoint over another record is refused and told', async (t) => {
  const bench = await unitBench(t, random, 3);
  const { controller, spool } = bench;
  await until('connected', () => bench.uplink.connected);
  // So that there is one.
  const checkpoint = async () => (await spool.journal(0, 4 * 1024 * 1024)).find(({ type }) => type === 'checkpoint');
  await Promise.all(Array.from({ length: 120 }, (_, n) => spool.record('health', { n })));
  const record = await until('a checkpoint', checkpoint);
  const { unit, epoch } = spool.identity;
  const statement = {
    what: 'longroof-countersigned-1',
    unit,
    epoch,
    seq: record.seq,
    hash: recordHash(record),
    storeEpoch: 'store-1',
    receivedUtcMs: 1,
  };
  const send = (change: object, key = controller.receiptKeyPem): void =>
    controller.send('receipt', controller.sign({ ...statement, ...change }, key));
  send({ hash: 'a'.repeat(64) });
  send({ seq: record.seq + 1 });
  send({ seq: 1e9 });
  send({ epoch: 'e'.repeat(32) });
  send({}, bench.identity.unitKeyPem);
  await until('all are refused', () => bench.uplink.counters.receiptsRefused === 5);
  t.equal(bench.uplink.counters.checkpointsCountersigned, 0);
  const told = await until('each is told', async () => {
    const codes = await events(bench, 'receipt-refused');
    return codes.length === 5 && codes;
  });
  const wrong = 'LR_COUNTERSIGNED_RECORD';
  t.same(told.sort(), [wrong, wrong, wrong, 'LR_COUNTERSIGNED_UNIT', 'LR_RECEIPT_KEY']);
  send({});
  await until('the right one is kept', () => bench.uplink.counters.checkpointsCountersigned === 1);
});

/** Whether this statement rightly frees a fragment. */
function frees(
  statement: StoredReceipt | undefined,
  { meta }: Awaited<ReturnType<UnitBench['fragments']>>[number],
  storeEpoch: string,
): boolean {
  const keys = ['unit', 'epoch', 'camera', 'rendition', 'run', 'seq', 'sha256', 'bytes'] as const;
  return statement !== undefined && keys.every((key) => statement[key] === meta[key]) && statement.storeEpoch === storeEpoch;
}

/** Sends it, and gives what of it rightly frees a fragment. */
async function sendNonsense(t: Test, bench: UnitBench, cases: number): Promise<StoredReceipt[]> {
  const { controller, spool } = bench;
  const fragments = await bench.fragments();
  const { unit, epoch } = spool.identity;
  const acks: AckMessage[] = [
    {
      what: 'welcome',
      storeEpoch: controller.storeEpoch,
      journalNext: 0,
      journalHead: 'a'.repeat(64),
      receiptCertificates: ['x'],
      creditBytes: 5,
      utcMs: 1,
    },
    { what: 'journal', epoch, next: 3 },
    { what: 'part', handle: 1, offset: 10 },
    { what: 'rewind', handle: 1, offset: 0 },
    { what: 'want-init', handle: 1, initSha256: 'a'.repeat(64) },
    { what: 'refused', topic: 'journal', code: 'LR_X', message: 'x', handle: 1, limit: 3 },
  ];
  const receipt = (seq: number): object => {
    const { meta } = fragments[seq % fragments.length] as (typeof fragments)[0];
    const { camera, rendition, run, sha256, bytes } = meta;
    return {
      what: 'longroof-stored-1',
      unit,
      epoch,
      camera,
      rendition,
      run,
      seq: meta.seq,
      sha256,
      bytes,
      storeEpoch: controller.storeEpoch,
      copies: 1,
      storedUtcMs: 1,
    };
  };
  const desired = (generation: number): object => ({
    ...{ what: 'longroof-desired-1', unit, epoch, generation },
    pulls: [
      { pullId: `p-${generation}`, cameras: ['front'], rendition: 'original', fromUtcMs: 1, toUtcMs: 2, urgent: true, rateBps: 300_000 },
    ],
    holds: [{ holdId: 'h', cameras: ['front'], fromUtcMs: 1, toUtcMs: 2, owner: 'x', reviewUtcMs: 3, made: true }],
    configuration: { configurationId: `c-${generation}`, settings: { cameras: { front: { audio: true } } } },
  });
  const countersigned = { what: 'longroof-countersigned-1', unit, epoch, seq: 2, hash: 'a'.repeat(64), storeEpoch: 'x', receivedUtcMs: 1 };
  const freeing: StoredReceipt[] = [];
  for (let n = 0; n < cases; n += 1) {
    const statement = mutated(random.pick([() => receipt(n), () => desired(n), () => countersigned])(), random);
    if (fragments.some((fragment) => frees(statement as StoredReceipt, fragment, controller.storeEpoch)))
      freeing.push(statement as StoredReceipt);
    const isDesired = (statement as { pulls?: unknown }).pulls !== undefined;
    if (isDesired) controller.sendDesired(statement as DesiredState);
    else controller.send('receipt', controller.sign(statement, controller.receiptKeyPem));
    controller.send('ack', mutated(random.pick(acks), random));
    controller.send(
      random.pick(['ack', 'receipt', 'desired'] as const),
      bent(Buffer.from(canonicalJson(acks[n % acks.length] as unknown as Json)), random),
    );
    if (n % 25 === 0) controller.send(random.pick(['ack', 'receipt', 'desired'] as const), Buffer.from(random.pick(monsters())));
    if (n % 25 === 24) await until('they are heard', () => controller.unheard < 25);
  }
  t.comment(
    `${bench.uplink.counters.badMessages} bad messages, ${bench.uplink.counters.receiptsRefused} receipts and ${bench.uplink.counters.desiredRefused} orders refused`,
  );
  return freeing;
}

t.test(`rightly signed nonsense of every kind: ${fuzzCases(300)} cases`, async (t) => {
  const bench = await unitBench(t, random, 40);
  await until('connected', () => bench.uplink.connected);
  const before = await liveBytes();
  const freeing = await sendNonsense(t, bench, Math.min(fuzzCases(300), 5000));
  const grownMb = ((await liveBytes()) - before) / 2 ** 20;
  t.ok(grownMb < 25, `memory is flat (${grownMb.toFixed(0)} MB)`);
  for (const fragment of await bench.fragments())
    if (fragment.released && !freeing.some((one) => frees(one, fragment, bench.controller.storeEpoch)))
      t.fail(`fragment ${fragment.meta.seq} was released without a right receipt`);
  const journal = await bench.spool.journal(0, 40 * 1024 * 1024);
  // What was rightly ordered has its answers there, however much it is: here it is what was refused that counts.
  const refusals = journal.filter(({ type, body }) => type === 'event' && (body as { event: string }).event.endsWith('-refused'));
  t.ok(refusals.length > 0 && refusals.length <= 20, `its journal is not filled with it (${refusals.length} records)`);
  bench.controller.cut();
  const outcomes = await Promise.all(await sendAll(bench));
  t.same(new Set(outcomes), new Set(['stored']), 'and it goes on as before');
  t.equal(await released(bench), 40);
});
