/**
 * What a unit, or somebody with its certificate or none at all, can do to the centre: refused with a reason that is counted, answered or
 * cut off, memory flat, and a well-behaved unit beside it notices nothing. Embedded broker; mosquitto runs the same.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import { openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import { type JournalRecord, recordHash } from '@longroof/protocol/journal';
import { downTopic, upTopic } from '@longroof/protocol/topics';
import t, { type Test } from 'tap';
import { BACKEND, embeddedOnly } from '../ingest/backend.js';
import { type Centre, type CentreOptions, startCentre } from '../ingest/centre.js';
import { connectMqtt, ScriptedUnit } from '../ingest/scripted-unit.js';
import { storedJournal } from '../ingest/stored-journal.js';
import { until } from '../peers/program.js';
import { bent, monsters, mutated, packedMonsters } from './mutate.js';
import { beside } from './witness.js';

t.setTimeout(600_000);
const seed = testSeed();
t.comment(`seed ${seed}`);
const random: Random = seededRandom(seed);
const IMPATIENT = { limits: { handshakeMs: 2000, connectMs: 2000 } };

async function world(t: Test, run: (centre: Centre, witness: ScriptedUnit) => Promise<void>, options: CentreOptions = {}): Promise<void> {
  const centre = await startCentre(t.testdir(), options);
  t.teardown(() => centre.stop());
  await beside(t, centre, (witness) => run(centre, witness));
}

const codesOf = async (centre: Centre, unit: string): Promise<string[]> => {
  const rows = await centre.store.db.selectFrom('refusal').select('code').where('unit', '=', unit).execute();
  return rows.map(({ code }) => code);
};

const counted = (centre: Centre, unit: string, code: string, least = 1): Promise<number> =>
  until(`${least} x ${code} of ${unit || 'nobody'}`, async () => {
    const row = await centre.store.db
      .selectFrom('refusal')
      .select('count')
      .where('unit', '=', unit)
      .where('code', '=', code)
      .executeTakeFirst();
    return row && row.count >= least ? row.count : undefined;
  });

/** Nothing of all this may be a bug of ours. */
async function noBugs(t: Test, centre: Centre): Promise<void> {
  await until('refusals are written', async () => (await centre.store.db.selectFrom('refusal').select('code').execute()).length > 0);
  const rows = await centre.store.db.selectFrom('refusal').select(['unit', 'code', 'last_message']).execute();
  t.same(
    rows.filter(({ code }) => code === 'LR_INTERNAL' || code === 'LR_ASSERT' || code.startsWith('LR_SYS_')),
    [],
  );
}

async function openTls(centre: Centre, identity: UnitIdentity): Promise<TLSSocket> {
  const { unitKeyPem: key, unitCertificatePem: cert } = identity;
  const socket = connectTls({ host: '127.0.0.1', port: centre.port, ca: centre.authority.rootPem, key, cert });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  return socket;
}

const socketOf = ({ client }: ScriptedUnit): TLSSocket => client?.stream as TLSSocket;

/** MQTT 3.1.1, 2.2.3. */
function remainingLength(bytes: number): Buffer {
  const out: number[] = [];
  let left = bytes;
  do {
    const byte = left % 128;
    left = Math.floor(left / 128);
    out.push(left > 0 ? byte | 0x80 : byte);
  } while (left > 0);
  return Buffer.from(out);
}

t.test('a CONNECT of 200 MB is cut off at its first bytes', async (t) => {
  await world(t, async (centre) => {
    const socket = await openTls(centre, await centre.authority.issueUnit('big'));
    const total = 200 * 1024 * 1024;
    socket.write(Buffer.concat([Buffer.of(0x10), remainingLength(total), Buffer.from('\x00\x04MQTT\x04\x02\x00\x3c\xff\xff', 'latin1')]));
    const piece = Buffer.alloc(64 * 1024, 0x61);
    let sent = 0;
    let closed = false;
    socket.once('close', () => {
      closed = true;
    });
    socket.resume();
    while (!closed && sent < total) {
      sent += piece.length;
      if (!socket.write(piece))
        await Promise.race([
          new Promise((resolve) => socket.once('drain', resolve)),
          new Promise((resolve) => socket.once('close', resolve)),
        ]);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    t.ok(closed && sent < 20 * 1024 * 1024, `cut off after ${(sent / 2 ** 20).toFixed(1)} MB at most`);
    if (BACKEND === 'embedded') await counted(centre, 'big', 'LR_PACKET_LENGTH');
  });
});

t.test('a flood of journal, of footage, of nonsense: answered or held back, and never in the way', async (t) => {
  await world(t, async (centre) => {
    const flood = await ScriptedUnit.create(centre, 'flood');
    await flood.join();
    const footage = flood.fragment(0, Buffer.alloc(64 * 1024, 7));
    const handle = flood.manifest(footage);
    const same = flood.batch();
    for (let n = 0; n < 2000 && !flood.closed; n += 1) {
      flood.send('journal', same, 0);
      // Beyond every credit: each chunk of a fragment that has none of them yet, again and again.
      flood.chunk(handle, footage, 0, 60_000);
      flood.send('manifest', '{"handle":-1}', 0);
      if (n % 20 === 19) await until('its own end takes more', () => flood.closed || socketOf(flood).writableLength < 4 * 2 ** 20);
    }
    await counted(centre, 'flood', BACKEND === 'embedded' ? 'LR_MESSAGE' : 'LR_FLOOD');
    t.comment(
      `${centre.broker.counters.pauses} pauses, ${centre.broker.counters.dropped} thrown away, refused: ${(await codesOf(centre, 'flood')).join(' ')}`,
    );
    t.ok(centre.broker.counters.pauses + centre.broker.counters.dropped > 0, 'it was held back');
    if (!flood.closed) await flood.cut();
  });
});

t.test('wrong lengths, wrong hashes, an old life of the disk', async (t) => {
  await world(t, async (centre) => {
    const unit = await ScriptedUnit.create(centre, 'liar');
    await unit.join();
    const bytes = Buffer.alloc(50_000, 3);
    const refuse = async (code: string, act: () => void): Promise<void> => {
      const seen = unit.acks.length;
      act();
      t.equal((await unit.refusal(code, seen)).code, code);
    };
    const sent = (...[fragment, total]: [ReturnType<ScriptedUnit['fragment']>, number?]): void =>
      unit.chunk(unit.manifest(fragment), fragment, 0, 120_000, total);
    await refuse('LR_FRAGMENT_HASH', () => sent(unit.fragment(1, bytes, { sha256: 'a'.repeat(64) })));
    await refuse('LR_CHUNK_TOTAL', () => sent(unit.fragment(1, bytes), 60_000));
    await refuse('LR_CHUNK', () => unit.send('chunk', Buffer.alloc(500)));
    const before = { epoch: unit.epoch, records: unit.records.slice() };
    await refuse('LR_EPOCH_UNKNOWN', () => sent(unit.fragment(1, bytes, { epoch: 'e'.repeat(32) })));
    // A new disk, and then the old one again.
    unit.epoch = 'd'.repeat(32);
    unit.records.length = 0;
    await unit.join();
    unit.epoch = before.epoch;
    unit.records.splice(0, Number.POSITIVE_INFINITY, ...before.records);
    await unit.hello();
    await until('the alarm', async () =>
      centre.store.db.selectFrom('alarm').selectAll().where('unit', '=', 'liar').where('code', '=', 'LR_EPOCH_RETURNED').executeTakeFirst(),
    );
    const stored = await centre.store.db.selectFrom('fragment').select('seq').where('unit', '=', 'liar').execute();
    t.same(stored, [], 'nothing of it is stored');
    await counted(centre, 'liar', 'LR_FRAGMENT_HASH');
    await unit.end();
  });
});

t.test('names and topics of others, and everything at once to listen to', async (t) => {
  await world(t, async (centre, witness) => {
    const spy = await ScriptedUnit.create(centre, 'spy');
    await spy.connect();
    const heard: string[] = [];
    spy.client?.on('message', (topic) => heard.push(topic));
    for (const topic of ['#', 'lr/#', '+/+/+/+/#', downTopic('witness', 'receipt'), downTopic('witness', 'desired')])
      await spy.client?.subscribeAsync(topic, { qos: 1 }).catch(() => undefined);
    const receipts = witness.receipts.length;
    await until('the witness hears receipts', () => witness.receipts.length > receipts + 1);
    t.same(
      heard.filter((topic) => !topic.includes('/spy/')),
      [],
      'nothing of others is heard',
    );
    for (const up of ['status', 'journal', 'hello', 'manifest', 'chunk'] as const) {
      if (spy.closed) await spy.connect();
      spy.client?.publish(upTopic('witness', up), '{"online":false}', { qos: 1 });
      if (BACKEND === 'embedded') await spy.gone();
    }
    if (BACKEND === 'embedded') {
      await counted(centre, 'spy', 'LR_TOPIC', 5);
      await counted(centre, 'spy', 'LR_SUBSCRIBE', 5);
    }
    const row = await centre.store.db.selectFrom('unit').select(['online']).where('unit', '=', 'witness').executeTakeFirst();
    t.equal(row?.online, 1);
  });
});

t.test('certificates of another fleet, expired, none, revoked before its first word', async (t) => {
  await world(t, async (centre) => {
    const other = await openAuthority(`${centre.dir}/other`, systemDisk, systemClock.utc);
    const foreign = { ...(await other.issueUnit('witness')), rootPem: centre.authority.rootPem };
    const past = await openAuthority(`${centre.dir}/authority`, systemDisk, () => Date.now() - 500 * 86_400_000);
    const expired = await past.issueUnit('witness');
    for (let n = 0; n < 10; n += 1) {
      await t.rejects(connectMqtt(centre, 'witness', foreign));
      await t.rejects(connectMqtt(centre, 'witness', expired));
      const bare = connectTls({ host: '127.0.0.1', port: centre.port, ca: centre.authority.rootPem });
      bare.on('error', () => undefined);
      bare.resume();
      await until('it is closed', () => bare.destroyed || bare.closed || bare.readableEnded);
    }
    if (BACKEND !== 'embedded') return;
    await counted(centre, '', 'LR_TLS_FOREIGN', 10);
    await counted(centre, '', 'LR_TLS_EXPIRED', 10);
    await counted(centre, '', 'LR_TLS_NO_CERTIFICATE', 10);
  });
});

t.test('handshakes that never end, connections that never say who they are', async (t) => {
  await world(
    t,
    async (centre) => {
      const slow: Socket[] = [];
      for (let n = 0; n < 150; n += 1) {
        const socket = connectTcp(centre.port, '127.0.0.1');
        socket.on('error', () => undefined);
        slow.push(socket);
        // The first bytes of a ClientHello (RFC 8446, 4.1.2), of which the rest drips.
        socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
      }
      const identity = await centre.authority.issueUnit('mute');
      const mute = await Promise.all(Array.from({ length: 10 }, () => openTls(centre, identity)));
      for (const [n, socket] of mute.entries()) if (n % 2) socket.write(Buffer.from([0x10, 0x7f, 0x00, 0x04]));
      const drip = systemClock.every(200, () => {
        for (const socket of slow) if (!socket.destroyed) socket.write(Buffer.of(0));
      });
      const late = await ScriptedUnit.create(centre, 'late');
      await late.join();
      await late.upload(late.fragment(0, Buffer.alloc(50_000, 1)));
      t.pass('another unit connects meanwhile');
      await late.end();
      if (BACKEND === 'embedded') {
        const open = (): number => [...slow, ...mute].filter((socket) => !socket.destroyed && !socket.closed).length;
        for (const socket of [...slow, ...mute]) socket.resume();
        await until('all are closed', () => open() === 0);
        t.ok((await counted(centre, '', 'LR_TLS_HANDSHAKE', 150)) >= 150);
        await counted(centre, 'mute', 'LR_CONNECT_TIME', 10);
      }
      drip.cancel();
      for (const socket of [...slow, ...mute]) socket.destroy();
    },
    IMPATIENT,
  );
});

t.test(`every kind of message, bent: ${fuzzCases(300)} cases`, async (t) => {
  await world(t, async (centre) => {
    const unit = await ScriptedUnit.create(centre, 'bender');
    await unit.join();
    for (let n = 0; n < 5; n += 1) unit.record('health', { n, list: [1, { a: 'b' }] });
    unit.checkpoint();
    await unit.sendJournal(2);
    const stored = unit.records.length;
    unit.record('gap', { camera: 'front', rendition: 'proxy', fromMonoMs: 1, durationMs: 5, cause: 'damaged' });
    unit.record('done', {
      pullId: 'none',
      state: 'planned',
      parts: [{ camera: 'front', rendition: 'proxy', run: 1, seqFirst: 0, seqLast: 3, bytes: 4 }],
    });
    unit.record('event', { event: 'configuration', detail: { configurationId: 'none', state: 'applied' } });
    const valid = {
      hello: {
        unit: 'bender',
        epoch: unit.epoch,
        run: 1,
        version: '1',
        generation: 0,
        journalNext: stored,
        journalOldest: 0,
        certificate: unit.identity.unitCertificatePem,
      },
      status: JSON.parse(unit.status(true)) as object,
      manifest: { handle: 7, meta: unit.fragment(0, Buffer.alloc(50)).meta, init: 'eA==', path: ['a'.repeat(64)], index: 0, count: 2 },
    };
    const json = (value: unknown): Buffer => Buffer.from(canonicalJson(value as Json));
    const batches = (): Buffer => {
      const records = mutated(unit.records.slice(stored), random);
      const head =
        random.int(0, 2) && Array.isArray(records) && records.length > 0 ? recordHash(records.at(-1) as JournalRecord) : 'f'.repeat(64);
      return gzipSync(JSON.stringify(mutated({ epoch: unit.epoch, head, records }, random)));
    };
    const packed = packedMonsters();
    const cases = Math.min(fuzzCases(300), 5000);
    for (let n = 0; n < cases; n += 1) {
      const up = random.pick(['hello', 'status', 'manifest'] as const);
      unit.send(up, json(mutated(valid[up], random)));
      unit.send(up, bent(json(valid[up]), random));
      unit.send('journal', random.int(0, 2) ? batches() : bent(unit.batch(stored), random));
      if (n % 20 === 0) {
        unit.send(up, random.pick(monsters()));
        unit.send('journal', random.pick(packed));
        unit.send('chunk', random.pick(monsters()).slice(0, 1000));
      }
      if (n % 25 === 24) await aWelcome(unit);
      if (unit.closed) return void t.fail(`the connection was closed after ${n}`);
    }
    await aWelcome(unit);
    const codes = await codesOf(centre, 'bender');
    t.comment(codes.join(' '));
    for (const code of ['LR_MESSAGE', 'LR_MESSAGE_BYTES', 'LR_JOURNAL_BATCH', 'LR_CHUNK']) await counted(centre, 'bender', code);
    await noBugs(t, centre);
    const rows = await storedJournal(centre.store, 'bender');
    for (const [index, row] of rows.entries())
      if (
        row.seq !== index ||
        recordHash(row.text) !== row.hash ||
        (index > 0 && (JSON.parse(row.text) as JournalRecord).prev !== rows[index - 1]?.hash)
      )
        t.fail(`record ${row.seq}`);
    await unit.end();
  });
});

/** A right hello among the bent ones is answered. */
async function aWelcome(unit: ScriptedUnit): Promise<void> {
  const seen = unit.acks.length;
  unit.sayHello();
  await unit.ack('welcome', seen);
}

t.test('all of it at once', embeddedOnly('without the reasons that only our broker tells'), async (t) => {
  await world(
    t,
    async (centre) => {
      const units = await Promise.all(['one', 'two', 'three'].map((name) => ScriptedUnit.create(centre, name)));
      await Promise.all(units.map((unit) => unit.join()));
      const identity = await centre.authority.issueUnit('noise');
      const endMs = performance.now() + 5000;
      const noise = async (): Promise<void> => {
        while (performance.now() < endMs) {
          const socket = await openTls(centre, identity);
          socket.write(random.bytes(2000));
          await until('closed', () => socket.destroyed || socket.closed || socket.readableEnded);
        }
      };
      const flood = async (unit: ScriptedUnit): Promise<void> => {
        const fragment = unit.fragment(0, random.bytes(40_000), { sha256: 'a'.repeat(64) });
        while (performance.now() < endMs && !unit.closed) {
          unit.chunk(unit.manifest(fragment), fragment, 0, 40_000);
          unit.send('journal', bent(unit.batch(), random));
          unit.send('hello', random.pick(monsters()));
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all([noise(), noise(), ...units.map(flood)]);
      await noBugs(t, centre);
      for (const unit of units) if (!unit.closed) await unit.cut();
    },
    IMPATIENT,
  );
});
