/** What the broker refuses, and that nobody else notices. */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { openAuthority } from '@longroof/protocol/authority';
import { downTopic, liveTopic, unitPrefix, upTopic } from '@longroof/protocol/topics';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { BACKEND, embeddedOnly } from './backend.js';
import { type Centre, startCentre, type UnitIdentity } from './centre.js';
import { connectMqtt, ScriptedUnit } from './scripted-unit.js';

async function refused(centre: Centre, unit: string, code: string): Promise<number> {
  return until(`refusal ${code}`, async () => {
    const row = await centre.store.db
      .selectFrom('refusal')
      .select('count')
      .where('unit', '=', unit)
      .where('code', '=', code)
      .executeTakeFirst();
    return row?.count;
  });
}

async function openTls(centre: Centre, identity: UnitIdentity): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: centre.port,
    ca: centre.authority.rootPem,
    key: identity.unitKeyPem,
    cert: identity.unitCertificatePem,
  });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  return socket;
}

const ended = (socket: TLSSocket) => until('the socket closed', () => socket.destroyed || socket.closed || socket.readableEnded);

/** A live unit that must notice nothing: it uploads before and after. */
async function withWitness(t: Test, run: (centre: Centre) => Promise<void>, options = {}): Promise<void> {
  const centre = await startCentre(t.testdir(), options);
  t.teardown(() => centre.stop());
  const witness = await ScriptedUnit.create(centre, 'witness');
  await witness.join();
  await run(centre);
  await witness.upload(witness.fragment(0, Buffer.alloc(100_000, 1)));
  t.notOk(witness.closed, 'the other unit is still connected');
  await witness.end();
}

const BY_BROKER = 'another broker refuses by itself and tells nobody';
/** Only our own broker tells of what it refused. */
const told = async (centre: Centre, code: string): Promise<void> => {
  if (BACKEND === 'embedded') await refused(centre, '', code);
};

t.test('certificates: of another fleet, none at all, a signer, expired: refused in TLS and counted', async (t) => {
  await withWitness(t, async (centre) => {
    const other = await openAuthority(`${centre.dir}/other`, systemDisk, systemClock.utc);
    const foreign = await other.issueUnit('wagon-9');
    await t.rejects(connectMqtt(centre, 'wagon-9', { ...foreign, rootPem: centre.authority.rootPem }));
    await told(centre, 'LR_TLS_FOREIGN');
    const bare = connectTls({ host: '127.0.0.1', port: centre.port, ca: centre.authority.rootPem });
    bare.on('error', () => undefined);
    bare.resume();
    await told(centre, 'LR_TLS_NO_CERTIFICATE');
    await ended(bare);
    const signer = await centre.authority.issueSigner('receipt');
    const asUnit = { unitKeyPem: signer.keyPem, unitCertificatePem: signer.certificatePem, journalKeyPem: '', rootPem: '' };
    await t.rejects(connectMqtt(centre, 'longroof', asUnit));
    await told(centre, 'LR_TLS_PURPOSE');
    const past = await openAuthority(`${centre.dir}/authority`, systemDisk, () => Date.now() - 500 * 86_400_000);
    await t.rejects(connectMqtt(centre, 'late', await past.issueUnit('late')));
    await told(centre, 'LR_TLS_EXPIRED');
    const plain = connectTcp(centre.port, '127.0.0.1');
    plain.on('error', () => undefined);
    plain.write('GET / HTTP/1.1\r\n\r\n');
    await told(centre, 'LR_TLS_HANDSHAKE');
    plain.destroy();
  });
});

t.test("CONNECT: the name must be the certificate's, the session clean, the will on the own status", embeddedOnly(BY_BROKER), async (t) => {
  await withWitness(t, async (centre) => {
    const identity = await centre.authority.issueUnit('wagon-2');
    await t.rejects(connectMqtt(centre, 'wagon-2', identity, { clientId: 'witness' }), { code: 2 });
    await t.rejects(connectMqtt(centre, 'wagon-2', identity, { clientId: '' }), { code: 2 });
    await refused(centre, 'wagon-2', 'LR_CLIENT_ID');
    await t.rejects(connectMqtt(centre, 'wagon-2', identity, { clean: false }), { code: 5 });
    await refused(centre, 'wagon-2', 'LR_CLEAN_SESSION');
    for (const topic of [upTopic('witness', 'status'), upTopic('wagon-2', 'journal'), 'x'])
      await t.rejects(connectMqtt(centre, 'wagon-2', identity, { will: { topic, payload: '{}' } }), { code: 5 });
    await until('all three counted', async () => (await refused(centre, 'wagon-2', 'LR_WILL')) === 3);
  });
});

t.test(
  'packets: too long, first one no CONNECT, garbage: closed and counted, before they are collected',
  embeddedOnly(BY_BROKER),
  async (t) => {
    await withWitness(t, async (centre) => {
      const identity = await centre.authority.issueUnit('wagon-3');
      const early = await openTls(centre, identity);
      early.write(Buffer.from([0x10, 0x81, 0x20]));
      await ended(early);
      await refused(centre, 'wagon-3', 'LR_PACKET_LENGTH');
      const publish = await openTls(centre, identity);
      publish.write(Buffer.from([0x30, 0x02, 0, 0]));
      await ended(publish);
      await refused(centre, 'wagon-3', 'LR_PACKET_FIRST');
      const endless = await openTls(centre, identity);
      endless.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff]));
      await ended(endless);
      await refused(centre, 'wagon-3', 'LR_PACKET_HEADER');

      const unit = await ScriptedUnit.create(centre, 'wagon-4');
      await unit.connect();
      // A packet that says 10 MB: refused at its third byte of length, with the limit.
      unit.client?.stream.write(Buffer.from([0x30, 0x80, 0xad, 0xe2, 0x04]));
      t.match(await unit.refusal('LR_PACKET_LENGTH'), { limit: 160 * 1024 });
      await unit.gone();

      const seed = testSeed();
      t.comment(`seed ${seed}`);
      const random = seededRandom(seed);
      for (let n = 0; n < 20; n += 1) {
        const socket = await openTls(centre, identity);
        socket.write(random.bytes(random.int(1, 3000)));
        socket.end();
        await ended(socket);
      }
    });
  },
);

t.test(
  "topics: another's name closes, an unknown one is refused, QoS 2 closes, retained only status",
  embeddedOnly(BY_BROKER),
  async (t) => {
    await withWitness(t, async (centre) => {
      const unit = await ScriptedUnit.create(centre, 'wagon-5');
      for (const [topic, qos] of [
        [upTopic('witness', 'status'), 1],
        [upTopic('witness', 'chunk'), 0],
        ['$SYS/x', 1],
        ['lr/1/00/wagon-5/status', 1],
      ] as const) {
        await unit.connect();
        const seen = unit.acks.length;
        unit.client?.publish(topic, '{"online":true}', { qos });
        t.match(await unit.refusal('LR_TOPIC', seen), { topic });
        await unit.gone();
      }
      await unit.connect();
      unit.client?.publish(upTopic('wagon-5', 'hello'), 'x', { qos: 2 });
      await unit.refusal('LR_QOS');
      await unit.gone();

      await unit.join();
      for (const [topic, code] of [
        [liveTopic('wagon-5', 'front'), 'LR_LIVE_UNASKED'],
        [downTopic('wagon-5', 'ack'), 'LR_TOPIC'],
        [`${unitPrefix('wagon-5')}/nonsense`, 'LR_TOPIC'],
      ] as const) {
        const seen = unit.acks.length;
        unit.client?.publish(topic, 'x', { qos: 0 });
        t.match(await unit.refusal(code, seen), { topic });
      }
      unit.client?.publish(upTopic('wagon-5', 'journal'), 'x', { qos: 1, retain: true });
      await unit.refusal('LR_RETAIN');
      await unit.upload(unit.fragment(0, Buffer.alloc(10_000)));
      await until('all counted', async () => (await refused(centre, 'wagon-5', 'LR_TOPIC')) === 6);
      await unit.end();
    });
  },
);

t.test('subscriptions: only what goes down to the unit itself', embeddedOnly(BY_BROKER), async (t) => {
  await withWitness(t, async (centre) => {
    const client = await connectMqtt(centre, 'wagon-6', await centre.authority.issueUnit('wagon-6'));
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    for (const topic of ['#', '+/#', '$SYS/#', `${unitPrefix('witness')}/down/#`, `${unitPrefix('wagon-6')}/#`, '$share/g/lr/#'])
      await t.rejects(client.subscribeAsync(topic, { qos: 1 }), topic);
    await client.subscribeAsync(`${unitPrefix('wagon-6')}/down/#`, { qos: 1 });
    t.same(heard, []);
    await refused(centre, 'wagon-6', 'LR_SUBSCRIBE');
    await client.endAsync();
  });
});

t.test('a second connection of a unit replaces the first; the will of the first changes nothing', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-7');
  const status = (online: boolean) =>
    JSON.stringify({ online, epoch: unit.epoch, run: 1, utcMs: Date.now(), version: '0.1.0', streams: { front: { state: 'recording' } } });
  const will = { topic: upTopic('wagon-7', 'status'), payload: status(false) };
  const row = () => centre.store.db.selectFrom('unit').select(['online', 'status_json']).where('unit', '=', 'wagon-7').executeTakeFirst();
  await unit.connect(centre, { will });
  const first = unit.client;
  unit.sendJson('status', JSON.parse(status(true)));
  await until('status', async () => (await row())?.status_json?.includes('"online":true'));
  await unit.connect(centre, { will });
  await until('the first is closed', () => first?.disconnected || !first?.connected);
  unit.sendJson('status', JSON.parse(status(true)));
  await unit.hello();
  t.match(await until('online', async () => ((await row())?.status_json?.includes('"online":true') ? row() : undefined)), { online: 1 });
  await unit.cut();
  await until('the will', async () => (await row())?.status_json?.includes('"online":false'));
  await until('offline', async () => (await row())?.online === 0);
});

t.test('a unit that sends and never reads is held back, then cut off; memory stays bounded', embeddedOnly(BY_BROKER), async (t) => {
  await withWitness(
    t,
    async (centre) => {
      const unit = await ScriptedUnit.create(centre, 'wagon-8');
      await unit.join();
      const stream = unit.client?.stream as TLSSocket;
      stream.pause();
      const garbage = Buffer.alloc(16, 0x7b);
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 60_000 && !stream.destroyed; n += 1) {
        unit.client?.publish(upTopic('wagon-8', 'manifest'), garbage, { qos: 0 });
        if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until('the unit is cut off', () => centre.broker.session('wagon-8') === undefined);
      t.ok(centre.broker.counters.pauses > 0, 'it was not read from');
      t.ok(centre.ingest.counters.refusals < 60_000, `${centre.ingest.counters.refusals} of its messages were answered`);
      t.ok(process.memoryUsage().rss - before < 400 * 1024 * 1024);
      stream.destroy();
    },
    { limits: { drainMs: 1000 } },
  );
});

t.test('garbage on every topic: answered, counted, nobody disturbed', async (t) => {
  await withWitness(t, async (centre) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = seededRandom(seed);
    const unit = await ScriptedUnit.create(centre, 'wagon-10');
    await unit.join();
    const shapes = ['null', '[]', '{}', '{"unit":7}', '"', '[[[[', '{"handle":-1}', '{"__proto__":{}}', 'true', '1e999'];
    const cases = Math.min(fuzzCases(200), 5000);
    for (let n = 0; n < cases; n += 1) {
      const up = random.pick(['status', 'journal', 'hello', 'manifest', 'chunk'] as const);
      unit.send(up, random.int(0, 2) === 0 ? random.bytes(random.int(0, 200)) : random.pick(shapes));
      if (n % 100 === 99) await unit.hello();
    }
    await unit.hello();
    t.ok(await refused(centre, 'wagon-10', 'LR_MESSAGE'));
    t.ok(await refused(centre, 'wagon-10', 'LR_CHUNK'));
    t.ok(await refused(centre, 'wagon-10', 'LR_JOURNAL_BATCH'));
    const codes = await centre.store.db.selectFrom('refusal').select('code').where('unit', '=', 'wagon-10').execute();
    t.notOk(
      codes.some(({ code }) => code === 'LR_INTERNAL'),
      'nothing of it is a bug of ours',
    );
    await unit.upload(unit.fragment(0, Buffer.alloc(1000, 5)));
    unit.send('hello', Buffer.alloc(5000, 0x20));
    t.match(await unit.refusal('LR_MESSAGE_BYTES'), { limit: 4096, topic: 'hello' });
    await unit.end();
  });
});
