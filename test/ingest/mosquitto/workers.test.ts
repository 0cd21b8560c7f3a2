/**
 * What only a broker between units and workers brings: what its access list keeps apart, workers that die or sleep, the broker
 * itself killed, units that flood it, pulls made elsewhere. mosquitto with the configuration that is handed out.
 */

import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { Holds } from '@longroof/controller/fleet/holds';
import { Pulls } from '@longroof/controller/fleet/pulls';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { fragmentKey } from '@longroof/controller/store/blobs';
import { openFolderBlobs } from '@longroof/controller/store/folder-blobs';
import { streamText } from '@longroof/protocol/fragment';
import { downTopic, partition, upTopic } from '@longroof/protocol/topics';
import t, { type Test } from 'tap';
import { memoryBytes, until } from '../../peers/program.js';
import type { Centre } from '../centre.js';
import { mosquittoOf, openAuthorityOf, workerOptions } from '../centre.js';
import type { Mosquitto } from '../mosquitto.js';
import { runMosquitto } from '../mosquitto.js';
import { connectMqtt, ScriptedUnit, START_MONO_MS } from '../scripted-unit.js';
import { openWorker, startWorkers, together, type Worker, type WorkerOptions } from '../workers.js';

interface Bench {
  dir: string;
  mosquitto: Mosquitto;
  workers: [Worker, Worker];
  centre: Centre;
  open(name: string, more?: Partial<WorkerOptions>): Promise<Worker>;
}

const LEASE_MS = 2500;
t.setTimeout(240_000);

async function bench(t: Test, more: Partial<WorkerOptions> = {}, ofB: Partial<WorkerOptions> = {}): Promise<Bench> {
  const dir = t.testdir();
  const authority = await openAuthorityOf(dir);
  const mosquitto = await mosquittoOf(dir);
  const folder = await openFolderBlobs({ dir: `${dir}/data` });
  const shared = await workerOptions(dir, more.blobs ?? folder, mosquitto.centrePort);
  const opened: Worker[] = [];
  const open = async (name: string, extra: Partial<WorkerOptions> = {}): Promise<Worker> => {
    const worker = await openWorker({ ...shared, leaseMs: LEASE_MS, ...more, ...extra, name });
    opened.push(worker);
    return worker;
  };
  const workers: [Worker, Worker] = [await open('a'), await open('b', ofB)];
  t.teardown(async () => {
    for (const worker of opened) await worker.stop();
    await mosquitto.program.stop();
  });
  await startWorkers(workers);
  const { ingest, broker } = together(workers);
  const { store, live } = workers[0];
  const pulls = new Pulls({ store, ingest, clock: systemClock });
  const centre: Centre = {
    dir,
    authority,
    store,
    blobs: folder,
    broker,
    ingest,
    pulls,
    live,
    port: mosquitto.port,
    stop: async () => undefined,
  };
  return { dir, mosquitto, workers, centre, open };
}

/** A name whose partition the worker holds. */
function unitOf(worker: Worker, from = 0): string {
  for (let n = from; ; n += 1) if (worker.ingest.held?.has(partition(`wagon-${n}`))) return `wagon-${n}`;
}

/** Comes again as an agent does, whenever it was cut. */
async function comeAgain(unit: ScriptedUnit): Promise<void> {
  await unit.connect();
  unit.sayOnline();
  await unit.hello();
}

t.test('the access list: nobody speaks or hears under a name that is not his, nor ends the connection of another', async (t) => {
  const { centre } = await bench(t);
  const witness = await ScriptedUnit.create(centre, 'witness');
  await witness.join();
  const seen = centre.broker.counters.messagesIn;
  const intruder = await connectMqtt(centre, 'wagon-6', await centre.authority.issueUnit('wagon-6'), { clientId: 'witness' });
  t.notOk(witness.closed, 'the client id is taken from the certificate');
  const heard: string[] = [];
  intruder.on('message', (topic) => heard.push(topic));
  for (const topic of ['#', 'lr/#', '$SYS/#', downTopic('witness', 'ack'), upTopic('witness', 'status')])
    await intruder.subscribeAsync(topic, { qos: 1 }).catch(() => undefined);
  for (const topic of [upTopic('witness', 'status'), upTopic('witness', 'journal'), downTopic('witness', 'ack'), 'lr/1/00/other/hello'])
    await intruder.publishAsync(topic, '{"online":false}', { qos: 1 });
  await witness.upload(witness.fragment(0, Buffer.alloc(100_000, 1)));
  t.same(heard, []);
  t.ok(centre.ingest.isOnline('witness'));
  t.equal(witness.acks.filter((ack) => ack.what !== 'part' && ack.what !== 'welcome' && ack.what !== 'journal').length, 0);
  const own = 8;
  t.ok(centre.broker.counters.messagesIn - seen <= own, `${centre.broker.counters.messagesIn - seen} messages came through`);
  await intruder.publishAsync(`lr/1/00/wagon-6/hello`, '{}', { qos: 1 });
  await until('a wrong partition is refused', async () =>
    centre.store.db.selectFrom('refusal').selectAll().where('unit', '=', 'wagon-6').where('code', '=', 'LR_TOPIC').executeTakeFirst(),
  );
  intruder.stream.write(Buffer.from([0x30, 0x80, 0xad, 0xe2, 0x04]));
  await until('10 MB in one packet: closed', () => !intruder.connected);
  t.notOk(witness.closed);
  await Promise.all([intruder.endAsync(true), witness.end()]);
});

t.test('a worker dies: the other takes its partitions, and units come again and go on', async (t) => {
  const frozen = new SimClock();
  const { workers, centre } = await bench(t, {}, { leaseClock: frozen });
  const [a, b] = workers;
  const unit = await ScriptedUnit.create(centre, unitOf(b));
  const spared = await ScriptedUnit.create(centre, unitOf(a));
  for (const one of [unit, spared]) {
    await comeAgain(one);
    one.begin();
    await one.sendJournal();
  }
  await unit.upload(unit.fragment(0, Buffer.alloc(100_000, 1)));
  const diedMs = performance.now();
  await b.broker.stop();
  await until('all is held by one', () => a.ingest.held?.size === 256 && a.broker.fault === undefined);
  await until('the unit is told to come again', () => unit.closed);
  await comeAgain(unit);
  await unit.upload(unit.fragment(1, Buffer.alloc(100_000, 2)));
  t.comment(`taken over and stored after ${((performance.now() - diedMs) / 1000).toFixed(1)} s with a lease of ${LEASE_MS / 1000} s`);
  t.notOk(spared.closed, 'the others notice nothing');
  await Promise.all([unit.end(), spared.end()]);
});

t.test('a worker that slept through its lease writes nothing, though it still hears its units', async (t) => {
  const { workers, centre } = await bench(t, {}, { leaseClock: new SimClock() });
  const [a, b] = workers;
  const unit = await ScriptedUnit.create(centre, unitOf(b));
  await comeAgain(unit);
  unit.begin();
  await until('all is held by one', () => a.ingest.held?.size === 256 && a.broker.fault === undefined);
  t.ok((b.ingest.held?.size ?? 0) > 120, 'the sleeper does not know');
  await until('the unit is told to come again', () => unit.closed);
  await comeAgain(unit);
  t.equal(await unit.sendJournal(), 2);
  const fragment = unit.fragment(0, Buffer.alloc(60_000, 1));
  await unit.upload(fragment);
  t.notOk(b.ingest.held?.has(partition(unit.unit)), 'it knows now');
  t.notOk(
    unit.acks.some((ack) => ack.what === 'refused'),
    'and has said nothing to the unit',
  );
  t.equal(b.ingest.counters.journalRecords + b.ingest.counters.fragmentsStored + b.ingest.counters.receipts, 0, 'nothing by the sleeper');
  t.equal(a.ingest.counters.fragmentsStored, 1);
  await unit.end();
});

t.test('a worker that ends in order gives back, a third one takes its share, and nobody waits for a lease', async (t) => {
  const { workers, centre, open } = await bench(t);
  const [a, b] = workers;
  const unit = await ScriptedUnit.create(centre, unitOf(b));
  await comeAgain(unit);
  unit.begin();
  await unit.sendJournal();
  await b.ingest.stop();
  await until('all is held by one', () => a.ingest.held?.size === 256 && a.broker.fault === undefined);
  await until('the unit is told to come again', () => unit.closed);
  await comeAgain(unit);
  await unit.upload(unit.fragment(0, Buffer.alloc(60_000, 1)));
  const c = await open('c');
  await c.ingest.start();
  await until('shared again', () => a.ingest.held?.size === 128 && c.ingest.held?.size === 128);
  await unit.end();
});

t.test('the broker is killed and comes back: units and workers too, and what was under way is stored once', async (t) => {
  const { mosquitto, centre, workers } = await bench(t);
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const fragment = unit.fragment(0, Buffer.alloc(300_000, 3));
  unit.chunk(unit.manifest(fragment), fragment, 0, 100_000);
  await mosquitto.program.stop('SIGKILL');
  await unit.gone();
  await until('the workers know', () => workers.every(({ broker }) => broker.fault !== undefined));
  t.notOk(centre.ingest.isOnline('wagon-1'));
  mosquitto.program = await runMosquitto(mosquitto.conf);
  await until('heard again', () => workers.every(({ broker }) => broker.fault === undefined), 40_000);
  await comeAgain(unit);
  await unit.upload(fragment);
  t.equal(centre.ingest.counters.fragmentsStored, 1);
  await unit.end();
});

t.test('a slow disk holds units back by their window, a flood is thrown away, memory is flat, another unit goes on', async (t) => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const folder = await openFolderBlobs({ dir: `${t.testdir()}/data` });
  const blobs: BlobStore = {
    ...{ has: (key) => folder.has(key), read: (key, start, end) => folder.read(key, start, end) },
    async create(key) {
      const writer = await folder.create(key);
      const write = async (bytes: Uint8Array): Promise<void> => {
        if (!key.startsWith('other')) await gate;
        await writer.write(bytes);
      };
      return { write, commit: () => writer.commit(), abort: () => writer.abort() };
    },
  };
  const { centre, mosquitto } = await bench(t, { blobs, leaseMs: 15_000 });
  const [polite, flood, other] = await Promise.all(['polite', 'flood', 'other'].map((name) => ScriptedUnit.create(centre, name)));
  if (!polite || !flood || !other) throw new Error('three units');
  for (const unit of [polite, flood, other]) await unit.join();
  const before = process.memoryUsage().rss;
  const large = polite.fragment(0, Buffer.alloc(8 * 1024 * 1024, 4));
  const uploading = polite.uploadInWindow(large);
  const huge = flood.fragment(0, Buffer.alloc(40 * 1024 * 1024, 5));
  flood.chunks(flood.manifest(huge), huge, 0, 120 * 1024);
  await until('the flood is thrown away', () => centre.broker.counters.dropped > 200);
  for (let seq = 0; seq < 5; seq += 1) await other.upload(other.fragment(seq, Buffer.alloc(300_000, seq)));
  const grownMb = (process.memoryUsage().rss - before) / 2 ** 20;
  const brokerMb = memoryBytes(mosquitto.program.pid).rssBytes / 2 ** 20;
  t.comment(`grown by ${grownMb.toFixed(0)} MB, both ends and 48 MB of test data included; the broker has ${brokerMb.toFixed(0)} MB`);
  t.ok(grownMb < 250);
  t.ok(brokerMb < 100);
  release();
  await uploading;
  t.ok((await folder.read(fragmentKey({ ...large.meta, stream: streamText(large.meta) })))?.equals(large.bytes), 'byte-identical');
  await until('the flood is counted', async () =>
    centre.store.db.selectFrom('refusal').selectAll().where('unit', '=', 'flood').where('code', '=', 'LR_FLOOD').executeTakeFirst(),
  );
  await Promise.all([polite.end(), flood.end(), other.end()]);
});

t.test('what another process asks for, holds or calls off goes out within seconds', async (t) => {
  const { workers, centre } = await bench(t);
  const [a, b] = workers;
  const unit = await ScriptedUnit.create(centre, unitOf(b));
  await unit.join();
  const fromUtcMs = unit.utcOf(START_MONO_MS);
  const elsewhere = new Pulls({ store: a.store, ingest: a.ingest, clock: systemClock });
  const asked = { unitId: unit.unit, cameras: ['front'], fromUtcMs, toUtcMs: fromUtcMs + 1000, rendition: 'proxy', reason: 'a reason' };
  const id = await elsewhere.create('anna', asked as Parameters<Pulls['create']>[1]);
  const desired = await until('desired', () => unit.desired[0]);
  t.match(desired.statement.pulls, [{ pullId: id }]);
  await unit.hello();
  await until('once more with hello', () => unit.desired.length === 2);

  const holds = new Holds({ store: a.store, ingest: a.ingest, clock: systemClock });
  const [owner, reviewUtcMs] = ['evidence desk', Date.now() + 86_400_000];
  const held = await holds.place('anna', { unitId: unit.unit, fromUtcMs, toUtcMs: fromUtcMs + 1000, owner, reviewUtcMs, reason: 'a case' });
  t.match((await until('the hold', () => unit.desired[2])).statement.holds, [{ holdId: held.id }]);
  await elsewhere.cancel(id);
  t.match((await until('called off', () => unit.desired[3])).statement, { pulls: { length: 0 }, holds: [{ holdId: held.id }] });
  await holds.lift(held.id);
  t.match((await until('lifted', () => unit.desired[4])).statement, { holds: { length: 0 } });
  await unit.end();
});
