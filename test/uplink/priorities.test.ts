/** The order of footage: a better claim goes before what is under way within one window; what may not go over this link waits, in order. */
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { newCounters } from '@longroof/edge-agent/uplink/counters';
import { FootageLane } from '@longroof/edge-agent/uplink/footage-lane';
import { CLAIMS, type Claim, claimOf, goesBefore, priorityOf } from '@longroof/edge-agent/uplink/priority';
import { Reporter } from '@longroof/edge-agent/uplink/reporter';
import { readChunk } from '@longroof/protocol/chunk';
import type { ManifestMessage } from '@longroof/protocol/messages';
import type { Up } from '@longroof/protocol/topics';
import t from 'tap';
import { type MemoryFragment, MemorySpool } from './memory-spool.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
const random = seededRandom(seed);
const FRONT = { camera: 'front', rendition: 'original' as const };
const CREDIT = 1024 * 1024;

/** A lane, and a centre that answers each chunk when it is told to; `log` is what was sent, as the seq of its fragment and the bytes. */
function lane(allows: (claim: Claim) => boolean = () => true) {
  const clock = new SimClock();
  const spool = new MemorySpool(clock, random, 'wagon-1');
  const counters = newCounters();
  const log: { seq: number; bytes: number }[] = [];
  const opened: number[] = [];
  const seqOf = new Map<number, number>();
  const unanswered: { handle: number; end: number; total: number }[] = [];
  const line = {
    publish(up: Up, payload: Buffer) {
      if (up === 'manifest') {
        const { handle, meta } = JSON.parse(payload.toString()) as ManifestMessage;
        if (!seqOf.has(handle)) opened.push(meta.seq);
        seqOf.set(handle, meta.seq);
      } else if (up === 'chunk') {
        const chunk = readChunk(payload);
        log.push({ seq: seqOf.get(chunk.handle)!, bytes: chunk.payload.length });
        unanswered.push({ handle: chunk.handle, end: chunk.offset + chunk.payload.length, total: chunk.total });
      }
    },
  };
  const footage: FootageLane = new FootageLane({
    ...{ spool, clock, counters, reporter: new Reporter(spool, clock, silentLog) },
    ...{ journalUnsent: () => false, onSilence: () => undefined, allows },
  });
  footage.open(line, CREDIT);
  const add = (bytes: number, claim: Claim, within = 0): MemoryFragment => {
    const fragment = spool.addFragment(FRONT, 0, bytes);
    footage.enqueue(fragment, priorityOf(claim, within)).catch(() => undefined);
    return fragment;
  };
  /** Answers the oldest chunk that was sent; false where there is none. */
  const answer = async (): Promise<boolean> => {
    const chunk = unanswered.shift();
    if (!chunk) return false;
    const fragment = spool.fragments[seqOf.get(chunk.handle)!]!;
    if (chunk.end === chunk.total) await footage.receipt(receiptFor(fragment));
    else footage.acknowledged({ what: 'part', handle: chunk.handle, offset: chunk.end });
    await clock.advance(1);
    return true;
  };
  return { clock, spool, counters, footage, log, opened, add, answer };
}

function receiptFor({ meta }: MemoryFragment) {
  const { unit, epoch, camera, rendition, run, seq, sha256, bytes } = meta;
  const what = 'longroof-stored-1' as const;
  return { what, unit, epoch, camera, rendition, run, seq, sha256, bytes, storeEpoch: 's', copies: 1, storedUtcMs: 0 };
}

t.test('claims are bands of one number', async (test) => {
  test.same(CLAIMS, ['urgent', 'held', 'pull', 'offer', 'policy']);
  for (const claim of CLAIMS)
    for (const within of [0, 1, 2 ** 40, 2 ** 50 - 1, 2 ** 60, -5]) {
      const priority = priorityOf(claim, within);
      test.ok(Number.isSafeInteger(priority));
      test.equal(claimOf(priority), claim, `${claim} ${within}`);
    }
  const sorted = CLAIMS.flatMap((claim) => [priorityOf(claim, 0), priorityOf(claim, 7)]);
  test.same(
    [...sorted].sort((a, b) => a - b),
    sorted,
  );
  test.equal(claimOf(1), 'pull', 'a plain number is a pull');
  test.ok(goesBefore(priorityOf('held', 9), priorityOf('pull', 0)));
  test.notOk(goesBefore(priorityOf('pull', 0), priorityOf('pull', 9)), 'within one claim nothing gives way');
});

t.test('a lower claim gives way within one window, and goes on afterwards where it was', async (test) => {
  for (const [low, high] of [
    ['policy', 'pull'],
    ['pull', 'held'],
    ['held', 'urgent'],
  ] as const) {
    const { footage, log, add, answer, counters, clock } = lane();
    const big = add(1_500_000, low);
    await clock.advance(1);
    for (let i = 0; i < 15; i += 1) await answer();
    const before = log.length;
    const windowBytes = counters.windowBytes;
    test.ok(before > 10 && log.every(({ seq }) => seq === 0), `${low} is under way`);
    const better = add(300_000, high);
    await clock.advance(1);
    while (!better.released && (await answer()));
    test.ok(better.released, `${high} is through`);
    const lastOfHigh = log.findLastIndex(({ seq }) => seq === 1);
    const between = log.slice(before, lastOfHigh).filter(({ seq }) => seq === 0);
    const bytes = between.reduce((sum, chunk) => sum + chunk.bytes, 0);
    test.ok(bytes <= windowBytes, `${bytes} bytes of ${low} went before the end of ${high}, of a window of ${windowBytes}`);
    while (await answer());
    test.ok(big.released, 'and then the other, whole');
    test.equal(
      log.filter(({ seq }) => seq === 0).reduce((sum, chunk) => sum + chunk.bytes, 0),
      big.meta.bytes,
      'none of it sent twice',
    );
    test.equal(counters.stalls + counters.rewinds, 0);
    footage.close();
  }
});

t.test('what waits for its turn for minutes is no stall, and holds no bytes', async (test) => {
  const { log, add, answer, counters, clock, spool } = lane();
  const low = add(800_000, 'policy');
  await clock.advance(1);
  for (let i = 0; i < 5; i += 1) await answer();
  for (let n = 0; n < 8; n += 1) {
    const high = add(60_000, 'pull', n);
    await clock.advance(15_000);
    while (!high.released && (await answer()));
  }
  test.equal(counters.stalls, 0);
  while (await answer());
  test.ok(low.released);
  test.ok(spool.reads > 10, `its bytes were let go and read again: ${spool.reads} reads of 9 fragments`);
  test.equal(
    log.filter(({ seq }) => seq === 0).reduce((sum, chunk) => sum + chunk.bytes, 0),
    800_000,
  );
});

t.test('what may not go waits, also in the middle; the rest goes, and nothing is lost when it may go again', async (test) => {
  let allowed: readonly Claim[] = CLAIMS;
  const { footage, log, add, answer, clock, opened } = lane((claim) => allowed.includes(claim));
  const pulled = add(1_000_000, 'pull');
  await clock.advance(1);
  for (let i = 0; i < 10; i += 1) await answer();
  allowed = ['urgent'];
  for (let i = 0; i < 20; i += 1) add(1000, random.pick(['held', 'pull', 'offer', 'policy']));
  const urgent = add(100_000, 'urgent');
  await clock.advance(1);
  while (await answer());
  test.ok(urgent.released && !pulled.released);
  test.same(opened, [0, 21], 'nothing else was begun');
  const sent = log.length;
  await clock.advance(600_000);
  test.equal(log.length, sent, 'and nothing goes in ten minutes');
  allowed = CLAIMS;
  footage.pump();
  await clock.advance(1);
  while (await answer());
  test.ok(pulled.released);
  test.equal(footage.underWayBytes, 0);
});

t.test(`any mix of claims arrives best first and whole (${fuzzCases(10)} runs)`, async (test) => {
  for (let run = 0; run < Math.min(500, fuzzCases(10)); run += 1) {
    const { add, answer, clock, spool, counters } = lane();
    const waiting: { fragment: MemoryFragment; claim: Claim }[] = [];
    for (let i = 0; i < 30; i += 1) {
      const claim = random.pick(CLAIMS);
      waiting.push({ claim, fragment: add(random.int(1, 50_000), claim, random.int(0, 3)) });
      await clock.advance(1);
      for (let n = random.int(0, 4); n > 0; n -= 1) await answer();
    }
    while (await answer());
    if (spool.fragments.some(({ released }) => !released)) test.fail('one is left');
    if (counters.stalls + counters.rewinds + counters.refusals > 0) test.fail('something was sent again');
  }
  test.pass('all of them');
});
