/**
 * The unit's uplink against a scripted controller over real TLS and MQTT: nothing is lost or released wrongly however the connection
 * is cut, whatever the controller repeats, loses, refuses or forges.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { type Random, seededRandom, testSeed } from '@longroof/base/random';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { type Authority, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import type { Signed, StoredReceipt } from '@longroof/protocol/messages';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { MemorySpool } from './memory-spool.js';
import { ScriptedController } from './scripted-controller.js';

const seed = testSeed();
t.setTimeout(300_000);
t.comment(`LONGROOF_SEED=${seed}`);
const random: Random = seededRandom(seed);
const UNIT = 'wagon-1';
const FRONT = { camera: 'front', rendition: 'original' as const };
const REAR = { camera: 'rear', rendition: 'original' as const };
const dir = mkdtempSync(path.join(tmpdir(), 'longroof-uplink-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
const authority: Authority = await openAuthority(path.join(dir, 'authority'), systemDisk, () => systemClock.utc());
const identity: UnitIdentity = await authority.issueUnit(UNIT);

interface World {
  controller: ScriptedController;
  spool: MemorySpool;
  uplink: Uplink;
}

/** A clock by which everything takes `times` as long as it does, so that a wait of 30 s is over sooner. */
function fasterClock(times: number): Clock {
  const { mono, utc, sleep, after, every } = systemClock;
  const startUtcMs = utc();
  const startMs = mono();
  return {
    mono: () => startMs + (mono() - startMs) * times,
    utc: () => startUtcMs + (mono() - startMs) * times,
    sleep: (ms, signal) => sleep(ms / times, signal),
    after: (ms, run) => after(ms / times, run),
    every: (ms, run) => every(ms / times, run),
  };
}

async function world(
  test: Test,
  prepare?: (world: { controller: ScriptedController; spool: MemorySpool }) => void,
  clock: Clock = systemClock,
): Promise<World> {
  const controller = await ScriptedController.make(UNIT, authority);
  const spool = new MemorySpool(clock, random, UNIT);
  await spool.record('event', { event: 'first' });
  prepare?.({ controller, spool });
  await controller.start();
  const uplink = unitUplink(controller, spool, clock);
  uplink.start();
  test.teardown(async () => {
    await uplink.stop();
    await controller.stop();
  });
  return { controller, spool, uplink };
}

function unitUplink(controller: ScriptedController, spool: MemorySpool, clock: Clock = systemClock, systemUtc = Date.now): Uplink {
  return createUplink({
    config: { host: '127.0.0.1', port: controller.port, unit: UNIT },
    identity: () => ({ keyPem: identity.unitKeyPem, certificatePem: identity.unitCertificatePem, rootPem: identity.rootPem }),
    spool,
    clock,
    log: silentLog,
    status: () => ({ front: { state: 'recording' } }),
    systemUtc,
    version: '0.1.0',
  });
}

/** Outcomes of all, in order; a stop of the uplink counts as one. */
function sendAll({ spool, uplink }: World): Promise<(string | { refused: string })[]> {
  return Promise.all(spool.fragments.map((fragment) => uplink.enqueue(fragment, 1).catch((error: { code: string }) => error.code)));
}

function sameBytes(test: Test, { controller, spool }: World): void {
  for (const { meta, data } of spool.fragments)
    test.ok(controller.stored.get(meta.sha256)?.equals(data), `${meta.camera} ${meta.seq} arrived whole`);
}

t.test('status, hello, journal, then footage; each fragment whole, released by its receipt', async (test) => {
  const one = await world(test, ({ spool }) => {
    for (let i = 0; i < 12; i += 1) spool.addFragment(i % 2 ? FRONT : REAR, i * 1000, random.int(1, 300_000));
  });
  const outcomes = await sendAll(one);
  test.same(new Set(outcomes), new Set(['stored']));
  sameBytes(test, one);
  test.ok(one.spool.fragments.every((fragment) => fragment.released));
  test.same(one.controller.order.slice(0, 3), ['hello', 'journal', 'manifest']);
  test.equal(one.controller.statuses[0]?.online, true);
  test.same(one.controller.statuses[0]?.streams, { front: { state: 'recording' } });
  test.equal(one.controller.manifests.filter((manifest) => manifest.init).length, 2, 'each init segment once in a connection');
  test.same(one.controller.records, JSON.parse(JSON.stringify(one.spool.records)));
  test.equal(one.spool.acknowledgedNext, one.spool.records.length);
  test.ok(one.controller.handlesMax <= 8);
  test.equal(one.controller.duplicateBytes, 0, 'nothing is sent twice without need');
  test.equal(one.uplink.counters.fragmentsStored, 12);
  await one.uplink.stop();
  await until('the goodbye', () => one.controller.statuses.at(-1)?.online === false);
});

t.test('connections cut at random points lose nothing', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    for (let i = 0; i < 8; i += 1) spool.addFragment(FRONT, i * 1000, random.int(100_000, 400_000));
    let left = random.int(3, 12);
    let cuts = 3;
    controller.faults.cut = () => {
      left -= 1;
      if (left > 0 || cuts === 0) return false;
      cuts -= 1;
      left = random.int(5, 40);
      return true;
    };
  });
  test.same(new Set(await sendAll(one)), new Set(['stored']));
  sameBytes(test, one);
  test.ok(one.uplink.counters.connects >= 2, `${one.uplink.counters.connects} connections`);
});

t.test('lost chunks are rewound to, duplicates do no harm', async (test) => {
  const one = await world(
    test,
    ({ spool, controller }) => {
      for (let i = 0; i < 4; i += 1) spool.addFragment(FRONT, i * 1000, 500_000);
      controller.faults = { twice: true, loseChunk: () => random.next() < 0.08 };
    },
    fasterClock(20),
  );
  test.same(await sendAll(one), ['stored', 'stored', 'stored', 'stored']);
  sameBytes(test, one);
  test.ok(one.uplink.counters.rewinds > 0);
  test.equal(one.uplink.counters.fragmentsStored, 4, 'a second receipt counts for nothing');
});

t.test('what is lost at the end of a fragment, and lost receipts, come after a stall', async (test) => {
  let lost = 0;
  const one = await world(
    test,
    ({ spool, controller }) => {
      for (let i = 0; i < 3; i += 1) spool.addFragment(FRONT, i * 1000, 100_000);
      controller.faults.loseChunk = (chunk) => chunk.handle === 1 && chunk.offset + chunk.payload.length === chunk.total && ++lost === 1;
      controller.faults.receipt = (right, count) => (count === 1 ? undefined : right);
    },
    fasterClock(20),
  );
  test.same(await sendAll(one), ['stored', 'stored', 'stored']);
  test.ok(one.uplink.counters.stalls >= 2);
  test.equal(one.uplink.counters.connects, 1);
  sameBytes(test, one);
});

t.test('an init segment that the controller has lost is sent again', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    spool.addFragment(FRONT, 0, 50_000);
    controller.faults.forgetInits = 1;
  });
  test.same(await sendAll(one), ['stored']);
  test.equal(one.controller.manifests.filter((manifest) => manifest.init).length, 1, 'the first was taken out by the fault');
  sameBytes(test, one);
});

t.test('receipts that are wrong free nothing and stop nothing', async (test) => {
  const stranger = await authority.issueUnit('wagon-2');
  const other = await authority.issueSigner('receipt');
  const wrong: [string, (controller: ScriptedController, right: Signed<StoredReceipt>) => Signed<StoredReceipt>][] = [
    ['LR_RECEIPT_SIGNATURE', (_, right) => ({ ...right, statement: { ...right.statement, copies: 2 } })],
    [
      'LR_RECEIPT_HASH',
      (c, right) => c.sign({ ...right.statement, sha256: createHash('sha256').update('x').digest('hex') }, c.receiptKeyPem),
    ],
    ['LR_RECEIPT_HASH', (c, right) => c.sign({ ...right.statement, bytes: 1 }, c.receiptKeyPem)],
    ['LR_RECEIPT_KEY', (c, right) => c.sign(right.statement, stranger.unitKeyPem)],
    ['LR_RECEIPT_KEY', (c, right) => c.sign(right.statement, other.keyPem)],
    ['LR_RECEIPT_UNIT', (c, right) => c.sign({ ...right.statement, unit: 'wagon-2' }, c.receiptKeyPem)],
    ['LR_RECEIPT_UNIT', (c, right) => c.sign({ ...right.statement, epoch: '0'.repeat(32) }, c.receiptKeyPem)],
    ['LR_RECEIPT_UNKNOWN', (c, right) => c.sign({ ...right.statement, seq: 999 }, c.receiptKeyPem)],
  ];
  const one = await world(test, ({ spool, controller }) => {
    for (let i = 0; i < wrong.length; i += 1) spool.addFragment(FRONT, i * 1000, 5_000 + i);
    controller.faults.receipt = (right) => wrong[right.statement.seq]![1](controller, right);
  });
  const sent = sendAll(one);
  await until('every receipt was refused', () => one.uplink.counters.receiptsRefused >= wrong.length);
  test.ok(one.spool.fragments.every((fragment) => !fragment.released));
  const codes = one.spool.events('receipt-refused').map((event) => (event['detail'] as { code: string }).code);
  test.same(codes.sort(), wrong.map(([code]) => code).sort(), 'each is in the journal');
  test.ok(one.uplink.connected);
  one.controller.faults = {};
  one.controller.cut();
  test.same(new Set(await sent), new Set(['stored']));
  test.ok(one.spool.fragments.every((fragment) => fragment.released));
  test.equal(one.controller.stored.size, wrong.length);
});

t.test('another store: receipts of the one before are void, what it released is offered again, the manifest first', async (test) => {
  const one = await world(test, ({ spool }) => {
    for (let i = 0; i < 6; i += 1) spool.addFragment(FRONT, i * 1000, 200_000);
  });
  test.same(new Set(await sendAll(one)), new Set(['stored']));
  // A backup from when half of it was there.
  for (const { meta } of one.spool.fragments.slice(3)) one.controller.stored.delete(meta.sha256);
  const old = one.spool.fragments[5]!;
  const receipts: Signed<StoredReceipt>[] = [];
  one.controller.faults.receipt = (right) => {
    receipts.push(right);
    return right;
  };
  one.controller.storeEpoch = 'store-2';
  const sentBefore = one.uplink.counters.footageBytesSent;
  one.controller.cut();
  await until('all of it is offered', () => one.spool.events('store-offered').length > 0);
  test.match(one.spool.events('store-offered')[0], { detail: { storeEpoch: 'store-2', fragments: 6, bytes: 1_200_000, refused: 0 } });
  test.ok(one.spool.fragments.every((fragment) => fragment.released));
  test.equal(one.spool.voids.size, 0);
  sameBytes(test, one);
  old.released = false;
  const { statement } = receipts.at(-1)!;
  one.controller.send(
    'receipt',
    one.controller.sign({ ...statement, seq: old.meta.seq, storeEpoch: 'store-1' }, one.controller.receiptKeyPem),
  );
  await until('it is refused', () => one.spool.events('receipt-refused').length > 0);
  test.notOk(old.released);
  test.match(one.spool.events('receipt-refused'), [{ detail: { code: 'LR_RECEIPT_STORE' } }], 'and freed nothing');
  test.ok(one.uplink.counters.footageBytesSent - sentBefore < 700_000, 'what the backup has costs no footage');
  test.ok(one.controller.stored.has(old.meta.sha256));
});

t.test('a refused fragment is given up, reported, and the others go on', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    for (let i = 0; i < 4; i += 1) spool.addFragment(FRONT, i * 1000, 40_000);
    spool.fragments[2]!.unreadable = true;
    controller.faults.refuse = ({ meta }) => (meta.seq === 1 ? 'LR_FRAGMENT_SIZE' : undefined);
  });
  test.same(await sendAll(one), ['stored', { refused: 'LR_FRAGMENT_SIZE' }, { refused: 'LR_SPOOL_FRAGMENT' }, 'stored']);
  test.equal(one.spool.events('upload-refused').length, 2);
  test.same(
    one.spool.fragments.map((fragment) => fragment.released),
    [true, false, false, true],
  );
});

t.test('what the centre has already costs a manifest, not its bytes', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    for (let i = 0; i < 20; i += 1) {
      const fragment = spool.addFragment(FRONT, i * 1000, 200_000, true);
      if (i !== 7) controller.stored.set(fragment.meta.sha256, fragment.data);
    }
  });
  test.same(new Set(await sendAll(one)), new Set(['stored']));
  test.equal(one.controller.chunkBytes, 200_000, 'only the one that it had lost');
  sameBytes(test, one);
});

t.test('best priority first, and footage waits for the journal', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    for (let i = 0; i < 60; i += 1) spool.addFragment(FRONT, i * 1000, 60_000);
    controller.faults.silentHellos = 1;
    controller.faults.loseJournal = 1;
  });
  const all = one.spool.fragments.map((fragment, i) => one.uplink.enqueue(fragment, i < 50 ? 5 : 1));
  await until('the hello', () => one.controller.hellos.length >= 1);
  test.equal(one.controller.manifests.length, 0, 'nothing before the welcome');
  one.controller.cut();
  await Promise.all(all);
  test.ok(
    one.controller.manifests.slice(0, 10).every(({ meta }) => meta.seq >= 50),
    'priority 1 before 5',
  );
  test.ok(one.controller.order.indexOf('journal') < one.controller.order.indexOf('manifest'));
});

t.test('controller away for long: nothing piles up, and all of it comes afterwards', async (test) => {
  const one = await world(test, ({ spool }) => {
    for (let i = 0; i < 30; i += 1) spool.addFragment(FRONT, i * 1000, 100_000);
  });
  await until('connected', () => one.uplink.connected);
  await one.controller.stop();
  // Until the unit itself has seen the end of its connection, it may begin with the first fragment.
  await until('cut off', () => !one.uplink.connected);
  const sent = sendAll(one);
  for (let i = 0; i < 2000; i += 1) await one.spool.record('health', { n: i }, { urgent: true });
  await until('attempts that failed', () => one.uplink.counters.connectFailures >= 2);
  test.equal(one.spool.reads, 0, 'no fragment is read before its turn');
  test.equal(one.uplink.fault?.code, 'LR_UPLINK_CONNECT');
  await one.controller.start();
  test.same(new Set(await sent), new Set(['stored']));
  await until('all records', () => one.controller.records.length === one.spool.records.length);
  test.same(one.controller.records, JSON.parse(JSON.stringify(one.spool.records)));
  sameBytes(test, one);
});

t.test('garbage from the controller is counted and survived', async (test) => {
  const one = await world(test, ({ spool }) => spool.addFragment(FRONT, 0, 900_000));
  await until('connected', () => one.uplink.connected);
  for (const down of ['ack', 'desired', 'receipt'] as const) {
    for (const message of ['', '{', 'null', '[]', '{"what":"__proto__"}', '{"what":"part","handle":-1,"offset":1e99}', '{"statement":{}}'])
      one.controller.send(down, Buffer.from(message));
    for (let i = 0; i < 20; i += 1) one.controller.send(down, random.bytes(random.int(1, 500)));
  }
  one.controller.ack({ what: 'journal', epoch: one.spool.identity.epoch, next: 10_000_000 });
  one.controller.ack({ what: 'part', handle: 99, offset: 5 });
  one.controller.ack({ what: 'rewind', handle: 1, offset: 10_000_000 });
  test.same(await sendAll(one), ['stored']);
  await until('all were counted', () => one.uplink.counters.badMessages >= 80);
  test.ok(one.spool.events('receipt-refused').length + one.spool.events('desired-refused').length <= 20, 'the journal is not flooded');
  test.ok(one.uplink.connected);
});

t.test('another fleet, or another name, is not talked to', async (test) => {
  const foreign = await openAuthority(path.join(dir, 'foreign'), systemDisk, () => systemClock.utc());
  const controller = await ScriptedController.make(UNIT, foreign);
  await controller.start();
  const uplink = unitUplink(controller, new MemorySpool(systemClock, random, UNIT));
  uplink.start();
  test.teardown(async () => {
    await uplink.stop();
    await controller.stop();
  });
  await until('a fault', () => uplink.fault);
  test.equal(uplink.fault?.code, 'LR_UPLINK_TLS');
  test.equal(controller.hellos.length, 0);
});

t.test('stop does not wait for a controller that says nothing', async (test) => {
  const mute = createServer((socket) => void socket.on('error', () => socket.destroy()));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  test.teardown(() => mute.close());
  const controller = await ScriptedController.make(UNIT, authority);
  controller.port = (mute.address() as AddressInfo).port;
  const uplink = unitUplink(controller, new MemorySpool(systemClock, random, UNIT));
  const connected = once(mute, 'connection');
  uplink.start();
  await connected;
  const fromMs = systemClock.mono();
  await uplink.stop();
  test.ok(systemClock.mono() - fromMs < 5_000);
});

t.test('stop ends what waits', async (test) => {
  const one = await world(test, ({ spool, controller }) => {
    spool.addFragment(FRONT, 0, 900_000);
    controller.faults.silentHellos = 100;
  });
  const sent = sendAll(one);
  await until('the hello', () => one.controller.hellos.length >= 1);
  await one.uplink.stop();
  test.same(await sent, ['LR_CANCELLED']);
  test.throws(() => one.uplink.enqueue(one.spool.fragments[0]!, 1), { code: 'LR_CANCELLED' });
});

t.test('a link that rests keeps away from the centre, and goes on where it was', async (test) => {
  const clock = fasterClock(20);
  const one = await world(test, ({ spool }) => spool.addFragment(FRONT, 0, 50_000), clock);
  await until('connected', () => one.uplink.connected);
  one.uplink.rest(true);
  await until('a goodbye', () => one.controller.statuses.at(-1)?.online === false && !one.uplink.connected);
  const sent = one.uplink.enqueue(one.spool.fragments[0]!, 1);
  await one.spool.record('event', { event: 'while it rests' }, { urgent: true });
  const { connects } = one.uplink.counters;
  await clock.sleep(20_000);
  test.match(one.uplink, { resting: true, connected: false, counters: { connects } }, 'it stays away');
  one.uplink.rest(false);
  test.equal(await sent, 'stored');
  await until('what was said meanwhile', () => one.controller.records.some(({ body }) => JSON.stringify(body).includes('while it rests')));
  one.uplink.rest(true);
  await one.uplink.stop();
});

t.test('certificates are not checked by a clock from before the program was made', async (test) => {
  const controller = await ScriptedController.make(UNIT, authority);
  await controller.start();
  let utcMs = 0;
  const uplink = unitUplink(controller, new MemorySpool(systemClock, random, UNIT), fasterClock(20), () => utcMs);
  uplink.start();
  test.teardown(() => Promise.all([uplink.stop(), controller.stop()]));
  await until('refused', () => uplink.fault?.code === 'LR_UPLINK_CLOCK');
  test.equal(controller.statuses.length, 0);
  utcMs = Date.now();
  await until('connected', () => uplink.connected);
});
