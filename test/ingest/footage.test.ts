/** The footage lane: what is receipted is durable and byte-identical; everything else is refused, asked for again, or harmless. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { type Clock, systemClock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { fragmentKey } from '@longroof/controller/store/blobs';
import { type FragmentMeta, streamText } from '@longroof/protocol/fragment';
import { merklePath, merkleRoot } from '@longroof/protocol/merkle';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { embeddedOnly } from './backend.js';
import { type Centre, type CentreOptions, startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS, type TestFragment } from './scripted-unit.js';

async function joined(t: Test, options: CentreOptions = {}): Promise<{ centre: Centre; unit: ScriptedUnit }> {
  const centre = await startCentre(t.testdir(), options);
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  return { centre, unit };
}

/** The system's clock, with time that passes when told. */
function movedClock(): { clock: Clock; pass: (ms: number) => void } {
  let passedMs = 0;
  const pass = (ms: number): void => {
    passedMs += ms;
  };
  return { clock: { ...systemClock, mono: () => systemClock.mono() + passedMs }, pass };
}

const keyOf = (meta: FragmentMeta) => fragmentKey({ ...meta, stream: streamText(meta) });

async function isStored(centre: Centre, fragment: TestFragment): Promise<boolean> {
  return (await centre.blobs.read(keyOf(fragment.meta)))?.equals(fragment.bytes) ?? false;
}

const rows = async (centre: Centre) =>
  (await centre.store.db.selectFrom('fragment').select('seq').orderBy('seq').execute()).map((row) => row.seq);

t.test('duplicates, overlaps and holes: the bytes come out the same, once', async (t) => {
  const { centre, unit } = await joined(t);
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const fragment = unit.fragment(0, random.bytes(200_000));
  const handle = unit.manifest(fragment);
  unit.chunk(handle, fragment, 0, 20_000);
  unit.chunk(handle, fragment, 0, 20_000);
  unit.chunk(handle, fragment, 10_000, 30_000);
  unit.chunk(handle, fragment, 60_000, 10_000);
  unit.chunk(handle, fragment, 70_000, 10_000);
  t.match(await unit.ack('rewind'), { handle, offset: 40_000 });
  unit.manifest(fragment, { handle });
  t.match(await unit.ack('part', 0, (ack) => ack.what === 'part' && ack.offset === 40_000), { handle }, 'announced again: how far it came');
  unit.chunks(handle, fragment, 40_000);
  await unit.receipt(fragment);
  t.equal(unit.acks.filter((ack) => ack.what === 'rewind').length, 1, 'asked once for one hole');
  t.ok(await isStored(centre, fragment));
  unit.chunks(handle, fragment);
  unit.receipts.length = 0;
  unit.manifest(fragment);
  await unit.receipt(fragment);
  t.same(await rows(centre), [0]);
  t.equal(centre.ingest.counters.fragmentsStored, 1);
  t.equal(centre.ingest.counters.fragmentsRepeated, 1);
  rmSync(`${centre.dir}/data/blobs/${keyOf(fragment.meta)}`);
  unit.receipts.length = 0;
  await unit.upload(fragment);
  t.ok(await isStored(centre, fragment), 'no receipt for a row whose bytes are gone: they are taken again');
  await unit.end();
});

t.test('what is not right is refused with its handle, and leaves nothing', async (t) => {
  const { centre, unit } = await joined(t);
  const bytes = Buffer.alloc(40_000, 3);
  const refuse = async (code: string, fragment: TestFragment, total?: number): Promise<void> => {
    const seen = unit.acks.length;
    const handle = unit.manifest(fragment);
    unit.chunk(handle, fragment, 0, 120_000, total);
    t.match(await unit.refusal(code, seen), { handle }, code);
  };
  await refuse('LR_FRAGMENT_HASH', unit.fragment(1, bytes, { sha256: 'a'.repeat(64) }));
  await refuse('LR_FRAGMENT_UNIT', unit.fragment(1, bytes, { unit: 'wagon-2' }));
  await refuse('LR_FRAGMENT_META', unit.fragment(1, bytes, { camera: '../../x' }));
  await refuse('LR_EPOCH_UNKNOWN', unit.fragment(1, bytes, { epoch: 'b'.repeat(32) }));
  await refuse('LR_FRAGMENT_BYTES', unit.fragment(1, bytes, { bytes: 65 * 1024 * 1024 }));
  await refuse('LR_FRAGMENT_BYTES', unit.fragment(1, bytes, { bytes: 0 }));
  await refuse('LR_INIT_HASH', unit.fragment(1, bytes, { initSha256: 'c'.repeat(64) }));
  await refuse('LR_CHUNK_TOTAL', unit.fragment(1, bytes), 40_001);
  unit.sendJson('manifest', { handle: 99, meta: unit.fragment(1, bytes).meta, init: 'x'.repeat(100_000) });
  t.match(await unit.refusal('LR_MESSAGE'), { handle: 99 });
  await unit.upload(unit.fragment(2, bytes));
  const seen = unit.acks.length;
  const handle = unit.manifest(unit.fragment(2, Buffer.alloc(500, 9)));
  t.match(await unit.refusal('LR_FRAGMENT_CONFLICT', seen), { handle }, 'other bytes under a name that is taken');
  t.same(await rows(centre), [2]);
  await until('nothing under way is left', () => readdirSync(`${centre.dir}/data/tmp`).length === 0);
  t.same(readdirSync(`${centre.dir}/data/blobs/wagon-1/${unit.epoch}/front.proxy/1`).length, 1);
  await unit.end();
});

t.test('an unknown init segment is asked for; a known one need not be given again', async (t) => {
  const { centre, unit } = await joined(t);
  const fragment = unit.fragment(0, Buffer.alloc(50_000, 1));
  const handle = unit.manifest(fragment, { init: false });
  unit.chunks(handle, fragment);
  t.match(await unit.ack('want-init'), { handle, initSha256: fragment.meta.initSha256 });
  unit.manifest(fragment, { handle });
  unit.chunks(handle, fragment);
  await unit.receipt(fragment);
  const second = unit.fragment(1, Buffer.alloc(100, 1));
  unit.chunks(unit.manifest(second, { init: false }), second);
  await unit.receipt(second);
  await unit.cut();
  await unit.join();
  const third = unit.fragment(2, Buffer.alloc(100, 2));
  unit.chunks(unit.manifest(third, { init: false }), third);
  await unit.receipt(third);
  t.same(await rows(centre), [0, 1, 2]);
  t.equal((await centre.store.db.selectFrom('init').selectAll().execute()).length, 1);
  await unit.end();
});

t.test('many at once: bounded handles, and every small fragment is stored', async (t) => {
  const { centre, unit } = await joined(t);
  const open = Array.from({ length: 9 }, (_, seq) => unit.fragment(seq, Buffer.alloc(30_000, seq)));
  const handles = open.map((fragment) => unit.manifest(fragment));
  t.match(await unit.refusal('LR_HANDLES'), { handle: handles[8], limit: 8 });
  open.slice(0, 8).forEach((fragment, index) => {
    unit.chunks(handles[index] as number, fragment);
  });
  const small = Array.from({ length: 200 }, (_, n) => unit.fragment(100 + n, Buffer.alloc(300 + n, n)));
  for (const fragment of small) unit.chunks(unit.manifest(fragment), fragment);
  await until('all stored', async () => (await rows(centre)).length === 208);
  await until('all receipted', () => unit.receipts.length === 208);
  t.same(unit.acks.filter((ack) => ack.what === 'refused').length, 1);
  await unit.end();
});

t.test('handles that a unit has forgotten give way after a while', async (t) => {
  const { clock, pass } = movedClock();
  const { centre, unit } = await joined(t, { clock });
  for (let n = 0; n < 8; n += 1)
    unit.chunk(unit.manifest(unit.fragment(n, Buffer.alloc(9000, n))), unit.fragment(n, Buffer.alloc(9000, n)), 0, 10);
  await unit.hello();
  pass(11_000);
  for (let n = 10; n < 20; n += 1) await unit.upload(unit.fragment(n, Buffer.alloc(100, n)));
  t.equal((await rows(centre)).length, 10);
  t.notOk(unit.acks.some((ack) => ack.what === 'refused'));
  await unit.end();
});

t.test('a Merkle path must lead to the root that the journal tells of', async (t) => {
  const { unit } = await joined(t);
  const reel = Array.from({ length: 5 }, (_, seq) => unit.fragment(seq, Buffer.alloc(100, seq)));
  const leaves = reel.map(({ meta }) => Buffer.from(meta.sha256, 'hex'));
  const { initSha256, codec } = (reel[0] as TestFragment).meta;
  unit.record('catalog', {
    ...{ camera: 'front', rendition: 'proxy', run: 1, seqFirst: 0, count: 5, startMonoMs: START_MONO_MS, durationMs: 5000, bytes: 500 },
    root: merkleRoot(leaves).toString('hex'),
    initSha256,
    codec,
    lostPackets: 0,
  });
  await unit.sendJournal(2);
  const announce = (index: number, handle: number): void => {
    const { meta } = reel[3] as TestFragment;
    const path = merklePath(leaves, index).map((step) => step.toString('hex'));
    const init = Buffer.from('an init segment, as good as any for the centre').toString('base64');
    unit.sendJson('manifest', { handle, meta, init, path, index: 3, count: 5 });
  };
  announce(2, 50);
  t.match(await unit.refusal('LR_FRAGMENT_PATH'), { handle: 50 });
  announce(3, 51);
  unit.chunks(51, reel[3] as TestFragment);
  await unit.receipt(reel[3] as TestFragment);
  await unit.end();
});

t.test('a connection that breaks, a centre that restarts: nothing half is kept, the rest goes on', async (t) => {
  const dir = t.testdir();
  let centre = await startCentre(dir);
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const whole = unit.fragment(0, Buffer.alloc(80_000, 1));
  await unit.upload(whole);
  const half = unit.fragment(1, Buffer.alloc(400_000, 2));
  const handle = unit.manifest(half);
  unit.chunk(handle, half, 0, 120_000);
  unit.chunk(handle, half, 120_000, 120_000);
  await unit.ack('part', 0, (ack) => ack.what === 'part' && ack.handle === handle);
  await unit.cut();
  await until('the half is gone', () => readdirSync(`${dir}/data/tmp`).length === 0);
  await unit.join();
  unit.chunk(unit.manifest(half), half, 0, 120_000);
  await until('under way again', () => readdirSync(`${dir}/data/tmp`).length === 1);
  const { port, store } = centre;
  await centre.stop();
  await unit.gone();
  centre = await startCentre(dir, { port });
  t.teardown(() => centre.stop());
  t.equal(readdirSync(`${dir}/data/tmp`).length, 0);
  t.equal(centre.store.storeEpoch, store.storeEpoch);
  t.match(await centre.store.db.selectFrom('unit').select('online').executeTakeFirst(), { online: 0 });
  await unit.connect(centre);
  t.match(await unit.hello(), { journalNext: 2 });
  await unit.upload(half);
  t.ok(await isStored(centre, half));
  t.ok(await isStored(centre, whole));
  await unit.end();
});

t.test('a disk that is full at the centre: no receipt, no handle given up, and it goes on when there is space', async (t) => {
  let isFull = true;
  const wrapBlobs = (blobs: BlobStore): BlobStore => ({
    ...{ has: (key) => blobs.has(key), read: (key, start, end) => blobs.read(key, start, end) },
    async create(key) {
      const writer = await blobs.create(key);
      const full = (): void => {
        if (isFull) throw new Fault('full', 'LR_SYS_ENOSPC', 'no space left on the disk');
      };
      return {
        write: (bytes) => writer.write(bytes),
        async commit() {
          full();
          await writer.commit();
        },
        abort: () => writer.abort(),
      };
    },
  });
  const { centre, unit } = await joined(t, { wrapBlobs });
  const fragment = unit.fragment(0, Buffer.alloc(1000, 1));
  const handle = unit.manifest(fragment);
  unit.chunks(handle, fragment);
  const refusal = await unit.refusal('LR_SYS_ENOSPC');
  t.equal(refusal.handle, undefined, 'the unit keeps it and tries again');
  t.same(await rows(centre), []);
  t.same(unit.receipts, []);
  isFull = false;
  unit.manifest(fragment, { handle });
  unit.chunks(handle, fragment);
  await unit.receipt(fragment);
  t.ok(await isStored(centre, fragment));
  await unit.end();
});

const NO_PAUSE = 'no other broker stops reading from one unit; what holds instead is in mosquitto/workers.test.ts';
t.test('a slow disk holds the unit back, not the memory; another unit goes on', embeddedOnly(NO_PAUSE), async (t) => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const wrapBlobs = (blobs: BlobStore): BlobStore => ({
    ...{ has: (key) => blobs.has(key), read: (key, start, end) => blobs.read(key, start, end) },
    async create(key) {
      const writer = await blobs.create(key);
      const slow = key.startsWith('wagon-1/');
      return {
        async write(bytes) {
          if (slow) await gate;
          await writer.write(bytes);
        },
        commit: () => writer.commit(),
        abort: () => writer.abort(),
      };
    },
  });
  const { centre, unit } = await joined(t, { wrapBlobs });
  const large = unit.fragment(0, Buffer.alloc(12 * 1024 * 1024, 4));
  unit.chunks(unit.manifest(large), large, 0, 120 * 1024);
  await until('held back', () => centre.broker.counters.pauses > 0);
  const bytesIn = centre.broker.counters.bytesIn;
  const other = await ScriptedUnit.create(centre, 'wagon-2');
  await other.join();
  await other.upload(other.fragment(0, Buffer.alloc(300_000, 1)));
  t.ok(bytesIn < 3 * 1024 * 1024, `${bytesIn} bytes were taken in`);
  release();
  await unit.receipt(large);
  t.ok(await isStored(centre, large));
  await Promise.all([unit.end(), other.end()]);
});

t.test('fuzz: chunks and manifests mutated in any way; what is receipted is right', async (t) => {
  const { clock, pass } = movedClock();
  const { centre, unit } = await joined(t, { clock });
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const cases = Math.min(fuzzCases(150), 1500);
  const fragments: TestFragment[] = [];
  for (let n = 0; n < cases; n += 1) {
    const fragment = unit.fragment(n, random.bytes(random.int(1, 3000)));
    fragments.push(fragment);
    const meta = { ...fragment.meta } as Record<string, unknown>;
    if (random.int(0, 3) === 0)
      meta[random.pick(Object.keys(meta))] = random.pick<unknown>([null, -1, 0, 1e18, 'x', '', [], {}, '0'.repeat(64), true]);
    const handle = unit.manifest({ meta: meta as unknown as FragmentMeta, bytes: fragment.bytes });
    for (let at = 0; at < fragment.bytes.length; at += 700) {
      const times = random.int(0, 20) === 0 ? 2 : 1;
      for (let k = 0; k < times; k += 1)
        unit.chunk(
          handle,
          fragment,
          random.int(0, 30) === 0 ? random.int(0, fragment.bytes.length) : at,
          random.pick([700, 700, 700, 900]),
        );
    }
    if (random.int(0, 10) === 0) unit.send('chunk', random.bytes(random.int(0, 100)));
    if (n % 4 === 3) {
      await unit.hello();
      pass(11_000);
    }
    if (unit.closed) t.fail(`closed after ${n}`);
  }
  await unit.hello();
  await until('all that was begun has ended', async () => (await unit.hello()) && centre.ingest.counters.receipts === unit.receipts.length);
  t.ok(unit.receipts.length > cases / 3, `${unit.receipts.length} of ${cases} receipted`);
  const bySha = new Map(fragments.map((fragment) => [fragment.meta.sha256, fragment]));
  for (const { statement } of unit.receipts) {
    const fragment = bySha.get(statement.sha256);
    const file = `${centre.dir}/data/blobs/${fragmentKey({ ...statement, stream: streamText(statement) })}`;
    if (!fragment || !existsSync(file) || statement.bytes !== fragment.bytes.length) t.fail(`receipt of ${statement.seq}`);
  }
  await unit.end();
  await until('nothing under way is left', () => readdirSync(`${centre.dir}/data/tmp`).length === 0);
  await centre.ingest.stop();
  const codes = (await centre.store.db.selectFrom('refusal').select('code').execute()).map(({ code }) => code);
  t.comment(codes.join(' '));
  t.notOk(codes.includes('LR_INTERNAL') || codes.includes('LR_ASSERT'));
});
