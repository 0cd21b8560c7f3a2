import { generateKeyPairSync } from 'node:crypto';
import { sha256 } from '@longroof/base/canonical';
import { seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { CHUNK_HEADER_BYTES, readChunk, writeChunkHeader } from './chunk.js';
import { decodeFragmentBox, encodeFragmentBox, type FragmentMeta, parseStreamText, streamText } from './fragment.js';
import {
  checkpointBytes,
  decodeBatch,
  encodeBatch,
  GENESIS_PREV,
  type JournalRecord,
  recordHash,
  signBytes,
  verifyBytes,
} from './journal.js';
import { MerkleFold, merklePath, merklePaths, merkleRoot, merkleVerify } from './merkle.js';
import { signStatement, verifyStatement } from './signed.js';
import { downTopic, parseTopic, partition, upTopic } from './topics.js';
import { bestWall } from './wall.js';

const meta: FragmentMeta = {
  v: 1,
  unit: 'wagon-7',
  camera: 'front',
  rendition: 'original',
  epoch: '00112233445566778899aabbccddeeff',
  run: 3,
  seq: 41,
  boot: '5f0c7a52-9a0f-4d1c-8a6e-0123456789ab',
  startMonoMs: 123456.25,
  arrivalMonoMs: 123470,
  start90k: 1000,
  duration90k: 90000,
  wall: { utcMs: 1795000000000.5, source: 'gnss', errorMs: 200 },
  cameraUtcMs: null,
  bytes: 500123,
  sha256: 'ab'.repeat(32),
  initSha256: 'cd'.repeat(32),
  codec: 'avc1.64001f',
  frames: 25,
  keyFrames: 1,
  lostPackets: 0,
  independent: true,
  damaged: false,
};

t.test('a fragment box gives back what went in, and one flipped bit anywhere is seen', async (t) => {
  const box = encodeFragmentBox(meta);
  t.same(decodeFragmentBox(box), meta);
  for (let at = 0; at < box.length; at++) {
    const flipped = Buffer.from(box);
    flipped[at] = flipped[at]! ^ 0x10;
    t.throws(() => decodeFragmentBox(flipped), { code: /^LR_FRAGMENT/ }, `byte ${at}`);
  }
});

t.test('stream names', async (t) => {
  for (const stream of [
    { camera: 'front', rendition: 'original' },
    { camera: 'a-1', rendition: 'proxy' },
  ] as const)
    t.same(parseStreamText(streamText(stream)), stream);
  for (const text of ['', 'Front', 'front.other', 'front.proxy.x', '../x', 'front.']) t.equal(parseStreamText(text), undefined, text);
});

t.test('Merkle tree: known roots of RFC 6962 and every path of every size', async (t) => {
  t.equal(merkleRoot([]).toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  // The first leaves of the certificate transparency reference tests: the empty string and 00.
  t.equal(merkleRoot([Buffer.alloc(0)]).toString('hex'), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  t.equal(
    merkleRoot([Buffer.alloc(0), Buffer.from([0])]).toString('hex'),
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  );
  for (let count = 1; count <= 33; count++) {
    const leaves = Array.from({ length: count }, (_, index) => sha256(`leaf ${index}`));
    const root = merkleRoot(leaves);
    const fold = new MerkleFold();
    for (const leaf of leaves) fold.add(leaf);
    if (!fold.root().equals(root)) t.fail(`folded one by one, ${count} leaves have another root`);
    if (merklePaths(leaves).some((path, index) => !Buffer.concat(path).equals(Buffer.concat(merklePath(leaves, index)))))
      t.fail(`all paths at once differ at ${count}`);
    for (let index = 0; index < count; index++) {
      const path = merklePath(leaves, index);
      if (!merkleVerify(leaves[index]!, index, count, path, root)) t.fail(`leaf ${index} of ${count}`);
      if (merkleVerify(sha256('other'), index, count, path, root)) t.fail(`another leaf passed at ${index} of ${count}`);
      if (count > 1 && merkleVerify(leaves[index]!, (index + 1) % count, count, path, root))
        t.fail(`another place passed at ${index} of ${count}`);
    }
  }
});

function chain(count: number, first: { seq: number; prev: string } = { seq: 0, prev: GENESIS_PREV }): JournalRecord[] {
  const records: JournalRecord[] = [];
  let prev = first.prev;
  for (let index = 0; index < count; index++) {
    const record: JournalRecord = {
      seq: first.seq + index,
      run: 1,
      monoMs: 1000 + index,
      wall: { utcMs: 1795000000000 + index, source: 'ntp', errorMs: 20 },
      type: 'event',
      body: { event: 'test', detail: { n: index } },
      prev,
    };
    records.push(record);
    prev = recordHash(record);
  }
  return records;
}

t.test('a journal batch keeps its chain; a changed, dropped or moved record breaks it', async (t) => {
  const records = chain(20, { seq: 7, prev: 'ee'.repeat(32) });
  const batch = { epoch: meta.epoch, records, head: recordHash(records.at(-1)!) };
  t.same(decodeBatch(encodeBatch(batch)), batch);
  const broken: JournalRecord[][] = [
    records.map((record, index) => (index === 5 ? { ...record, body: { event: 'other' } } : record)),
    [...records.slice(0, 5), ...records.slice(6)],
    [records[1]!, records[0]!, ...records.slice(2)],
  ];
  for (const other of broken) t.throws(() => decodeBatch(encodeBatch({ ...batch, records: other })), { code: 'LR_JOURNAL_BATCH' });
  t.throws(() => decodeBatch(Buffer.from('rubbish')), { code: 'LR_JOURNAL_BATCH' });
});

t.test('a batch that unpacks to far more than it may is refused', async (t) => {
  const { gzipSync } = await import('node:zlib');
  t.throws(() => decodeBatch(gzipSync(Buffer.alloc(60 * 1024 * 1024, 0x20), { level: 9 })), { code: 'LR_JOURNAL_BATCH' });
});

t.test('signatures: of bytes and of statements, by the named key only', async (t) => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = checkpointBytes('wagon-7', meta.epoch, 4, 'aa'.repeat(32));
  const signature = signBytes(pair.privateKey, bytes);
  t.ok(verifyBytes(pair.publicKey, bytes, signature));
  t.notOk(verifyBytes(pair.publicKey, checkpointBytes('wagon-8', meta.epoch, 4, 'aa'.repeat(32)), signature));
  const signed = signStatement(pair.privateKey, { what: 'x', n: 1 });
  t.ok(verifyStatement(pair.publicKey, signed));
  t.notOk(verifyStatement(other.publicKey, signed));
  t.notOk(verifyStatement(pair.publicKey, { ...signed, statement: { what: 'x', n: 2 } }));
});

t.test("topics are the unit's own, in its own partition", async (t) => {
  t.same(parseTopic(upTopic('wagon-7', 'journal')), { unit: 'wagon-7', up: 'journal' });
  t.same(parseTopic(downTopic('wagon-7', 'ack')), { unit: 'wagon-7', down: 'ack' });
  const wrongPart = partition('wagon-7') === '00' ? '01' : '00';
  for (const topic of [
    `lr/1/${wrongPart}/wagon-7/journal`,
    'lr/1/xx',
    '#',
    upTopic('wagon-7', 'journal').replace('journal', 'other'),
    `${upTopic('wagon-7', 'chunk')}/x`,
  ]) {
    t.equal(parseTopic(topic), undefined, topic);
  }
});

t.test('a chunk header gives back what went in', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 500; round++) {
    const payload = random.bytes(random.int(1, 200));
    const offset = random.int(0, 1_000_000);
    const message = Buffer.concat([Buffer.alloc(CHUNK_HEADER_BYTES), payload]);
    const head = { handle: random.int(0, 2 ** 31), offset, total: offset + payload.length + random.int(0, 5) };
    writeChunkHeader(message, head);
    t.same(readChunk(message), { ...head, payload });
  }
});

t.test('a later, better clock serves earlier times of the boot, at the price of drift', async (t) => {
  const claim = { utcMs: 5_000, source: 'rtc', errorMs: 3_600_000 } as const;
  const anchor = { atMonoMs: 600_000, offsetMs: 1_000_000, source: 'gnss', errorMs: 200 } as const;
  t.same(bestWall(0, claim, []), claim);
  t.same(bestWall(0, claim, [anchor]), { utcMs: 1_000_000, source: 'gnss', errorMs: 260 });
  t.same(bestWall(0, { utcMs: 1_000_010, source: 'ntp', errorMs: 20 }, [anchor]), { utcMs: 1_000_010, source: 'ntp', errorMs: 20 });
});

t.test('a clock that nobody vouches for and that jumps leaves the time from before as it was', async (t) => {
  const before = { utcMs: 1_000_000, source: 'rtc', errorMs: 10_030 } as const;
  const jumped = { atMonoMs: 100_000, offsetMs: 60_000_000, source: 'rtc', errorMs: 10_000 } as const;
  t.same(bestWall(0, before, [jumped]), before);
  t.same(bestWall(0, before, [jumped, { ...jumped, source: 'ntp', errorMs: 100 }]), { utcMs: 60_000_000, source: 'ntp', errorMs: 110 });
});
