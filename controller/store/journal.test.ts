import { seededRandom, testSeed } from '@longroof/base/random';
import { GENESIS_PREV, type JournalRecord, recordHash, recordText } from '@longroof/protocol/journal';
import t from 'tap';
import { type KeptRecord, packSoon, packTogether, unpack } from './segment.js';

/** A chain of them, from a number on; every few have come together. */
function chain(count: number, seq = 0, about: (n: number) => object = (n) => ({ n })): KeptRecord[] {
  const kept: KeptRecord[] = [];
  for (let n = 0; n < count; n += 1) {
    const wall = { utcMs: 1_770_000_000_000 + n, source: 'gnss' as const, errorMs: 3 };
    const prev = kept.at(-1)?.hash ?? GENESIS_PREV;
    const text = recordText({ seq: seq + n, run: 1, monoMs: n * 10, wall, type: 'health', body: about(n) as never, prev });
    kept.push({ seq: seq + n, text, hash: recordHash(text), receivedUtcMs: 1_770_000_100_000 + Math.floor(n / 7) * 1000 });
  }
  return kept;
}

t.test('records come out of a segment as they went in, byte for byte, however it was packed', async (t) => {
  const bodies: ((n: number) => object)[] = [
    (n) => ({ n }),
    () => ({ text: 'a\ttab, a\nline, "prev":"x", \u2028, \ud800, ترافیک' }),
    (n) => ({ prev: 'f'.repeat(64), inner: { prev: '0'.repeat(64), n } }),
    () => ({}),
  ];
  for (const about of bodies)
    for (const count of [1, 2, 40, 1500]) {
      const records = chain(count, 12, about);
      t.same(unpack(packSoon(records)), records);
      t.same(unpack(await packTogether(records)), records);
    }
  const one = chain(3);
  const forked = { ...(JSON.parse(one[1]?.text as string) as JournalRecord), prev: 'a'.repeat(64) };
  const text = recordText(forked);
  const broken = [one[0] as KeptRecord, { ...(one[1] as KeptRecord), text, hash: recordHash(text) }];
  t.same(unpack(packSoon(broken)), broken, 'also where one does not follow from the one before');
  t.throws(() => packSoon([one[0] as KeptRecord, one[2] as KeptRecord]), { code: 'LR_ASSERT' }, 'a number is missing');
});

t.test('a record that names the hash before it elsewhere too keeps both', async (t) => {
  const [first] = chain(1) as [KeptRecord];
  const wall = { utcMs: 1, source: 'none' as const, errorMs: 1 };
  const body = { head: first.hash, signature: `"prev":"${first.hash}"`, prev: first.hash } as never;
  const record = { seq: 1, run: 1, monoMs: 1, wall, type: 'checkpoint' as const, body, prev: first.hash, zzz: { prev: first.hash } };
  const text = recordText(record as JournalRecord);
  const records = [first, { seq: 1, text, hash: recordHash(text), receivedUtcMs: first.receivedUtcMs }];
  t.same(unpack(packSoon(records)), records);
});

t.test('one changed byte is told, never read over', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const records = chain(30, 0, () => ({ root: random.bytes(32).toString('hex') }));
  const segment = packSoon(records);
  let same = 0;
  for (let at = 0; at < segment.packed.length; at += 1) {
    const packed = Buffer.from(segment.packed);
    packed[at] = (packed[at] as number) ^ (1 << random.int(0, 8));
    try {
      t.same(unpack({ ...segment, packed }), records, `byte ${at}: what is read is what was written`);
      same += 1;
    } catch (error) {
      if ((error as { code?: string }).code !== 'LR_STORE_SEGMENT') throw error;
    }
  }
  t.ok(same < segment.packed.length / 50, `${same} of ${segment.packed.length} changed nothing that is read`);
  t.throws(() => unpack({ ...segment, seq_last: 30 }), { code: 'LR_STORE_SEGMENT' });
  t.throws(() => unpack({ ...segment, head: 'a'.repeat(64) }), { code: 'LR_STORE_SEGMENT' });
});
