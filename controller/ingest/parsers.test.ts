/** Every parser of what a unit sends: garbage gives a Fault with a code that is in the books, never anything else. */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import { CHUNK_HEADER_BYTES, readChunk, writeChunkHeader } from '@longroof/protocol/chunk';
import { decodeBatch, encodeBatch, type JournalRecord, recordHash } from '@longroof/protocol/journal';
import t from 'tap';
import { readHello, readManifest, readStatus } from './read-message.js';

const EPOCH = 'e'.repeat(32);
const HASH = 'a'.repeat(64);
const VALID = {
  hello: { unit: 'w', epoch: EPOCH, run: 1, version: '1', generation: 0, journalNext: 5, journalOldest: 0 },
  status: {
    online: true,
    epoch: EPOCH,
    run: 1,
    utcMs: 5,
    version: '1',
    streams: { front: { state: 'recording' }, 'front.proxy': { state: 'stalled', code: 'X' } },
  },
  manifest: {
    handle: 1,
    meta: {
      ...{
        v: 1,
        unit: 'w',
        camera: 'front',
        rendition: 'proxy',
        epoch: EPOCH,
        run: 1,
        seq: 0,
        boot: 'b',
        startMonoMs: 1,
        arrivalMonoMs: 2,
      },
      ...{ start90k: 0, duration90k: 1, wall: { utcMs: 1, source: 'ntp', errorMs: 1 }, cameraUtcMs: null, bytes: 10, sha256: HASH },
      ...{ initSha256: HASH, codec: 'avc1', frames: 1, keyFrames: 1, lostPackets: 0, independent: true, damaged: false },
    },
    init: 'AAAA',
    path: [HASH],
    index: 0,
    count: 2,
  },
};
const STRANGE: readonly Json[] = [
  null,
  true,
  -1,
  1.5,
  9e15,
  1e300,
  '',
  'x',
  '../..',
  'A',
  [],
  {},
  [null],
  { state: 'recording' },
  '0'.repeat(5000),
];

/** Changes one member somewhere. */
function mutate(random: Random, value: Json): Json {
  if (typeof value !== 'object' || value === null || random.int(0, 4) === 0) return random.pick(STRANGE);
  const copy = structuredClone(value) as Record<string, Json>;
  const keys = Object.keys(copy);
  if (keys.length === 0 || random.int(0, 8) === 0)
    return { ...copy, [random.pick(['__proto__', 'more', 'constructor'])]: random.pick(STRANGE) };
  const key = random.pick(keys);
  if (random.int(0, 6) === 0) delete copy[key];
  else copy[key] = mutate(random, copy[key] as Json);
  return Array.isArray(value) ? Object.values(copy) : copy;
}

function damage(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let n = random.int(0, 3); n > 0 && copy.length > 0; n -= 1) copy[random.int(0, copy.length)] = random.int(0, 256);
  return random.int(0, 5) === 0 ? copy.subarray(0, random.int(0, copy.length + 1)) : copy;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

t.test('what is right is read as it is', async (t) => {
  t.same(readHello(Buffer.from(JSON.stringify(VALID.hello))), VALID.hello);
  t.same(readStatus(Buffer.from(JSON.stringify({ ...VALID.status, more: 1 }))), VALID.status);
  t.match(readManifest(Buffer.from(JSON.stringify(VALID.manifest))), { handle: 1, manifest: { meta: { seq: 0 } } });
  t.match(readManifest(Buffer.from(JSON.stringify({ ...VALID.manifest, meta: 7 }))), { handle: 1, fault: { code: 'LR_FRAGMENT_META' } });
  t.throws(() => readStatus(Buffer.from(JSON.stringify({ ...VALID.status, streams: { __proto__x: { state: 'recording' } } }))), {
    code: 'LR_MESSAGE',
  });
  t.throws(() => readHello(Buffer.alloc(5000, 0x20)), { code: 'LR_MESSAGE_BYTES', detail: { limit: 4096 } });
});

t.test('fuzz: messages, chunks, batches', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const seen = new Map<string, number>();
  const count = (what: string, code: string): void => void seen.set(`${what} ${code}`, (seen.get(`${what} ${code}`) ?? 0) + 1);
  const chunk = Buffer.alloc(CHUNK_HEADER_BYTES + 50);
  writeChunkHeader(chunk, { handle: 3, offset: 100, total: 150 });
  const records: JournalRecord[] = [];
  for (let seq = 0; seq < 3; seq += 1)
    records.push({
      ...{ seq, run: 1, monoMs: 1, wall: { utcMs: 1, source: 'rtc', errorMs: 1 }, type: 'health', body: { seq } },
      prev: seq === 0 ? '0'.repeat(64) : recordHash(records[seq - 1] as JournalRecord),
    });
  const batch = encodeBatch({ epoch: EPOCH, records, head: recordHash(records[2] as JournalRecord) });
  t.equal(decodeBatch(batch).records.length, 3);
  const cases = fuzzCases(3000);
  for (let n = 0; n < cases; n += 1) {
    const json = (value: unknown) => damage(random, Buffer.from(canonicalJson(mutate(random, value as Json))));
    count(
      'hello',
      codeOf(() => readHello(json(VALID.hello))),
    );
    count(
      'status',
      codeOf(() => readStatus(json(VALID.status))),
    );
    count('manifest', readManifest(json(VALID.manifest)).fault?.code ?? 'ok');
    count(
      'chunk',
      codeOf(() => readChunk(damage(random, chunk))),
    );
    if (n % 10 === 0)
      count(
        'batch',
        codeOf(() => decodeBatch(damage(random, batch))),
      );
  }
  for (const [what, times] of [...seen].sort()) t.comment(`${what}: ${times}`);
  const known = new Set(['ok', 'LR_MESSAGE', 'LR_MESSAGE_BYTES', 'LR_FRAGMENT_META', 'LR_CHUNK', 'LR_JOURNAL_BATCH', 'LR_JOURNAL_RECORD']);
  t.same(
    [...seen.keys()].filter((key) => !known.has(key.split(' ')[1] as string)),
    [],
  );
  t.ok(seen.size >= 10, 'both right and wrong were met');
});
