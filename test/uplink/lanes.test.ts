/** The lanes, the window and the queue by themselves, on a clock that is moved by hand: waits of 30 s, bounds of memory, long runs. */
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { newCounters } from '@longroof/edge-agent/uplink/counters';
import { readAck, readDesired, readReceipt } from '@longroof/edge-agent/uplink/down';
import { FootageLane } from '@longroof/edge-agent/uplink/footage-lane';
import { FragmentQueue, QUEUE_MAX } from '@longroof/edge-agent/uplink/fragment-queue';
import { encodeThatFits, JournalLane } from '@longroof/edge-agent/uplink/journal-lane';
import { Reporter } from '@longroof/edge-agent/uplink/reporter';
import { Window } from '@longroof/edge-agent/uplink/window';
import { CHUNK_HEADER_BYTES, readChunk } from '@longroof/protocol/chunk';
import { BATCH_BYTES_MAX, decodeBatch } from '@longroof/protocol/journal';
import type { ManifestMessage } from '@longroof/protocol/messages';
import type { Up } from '@longroof/protocol/topics';
import t from 'tap';
import { MemorySpool } from './memory-spool.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
const random = seededRandom(seed);
const UNIT = 'wagon-1';
const FRONT = { camera: 'front', rendition: 'original' as const };

class Paper {
  sent: { up: Up; payload: Buffer; atMs: number }[] = [];
  readonly #clock: SimClock;
  constructor(clock: SimClock) {
    this.#clock = clock;
  }
  publish(up: Up, payload: Buffer): void {
    this.sent.push({ up, payload, atMs: this.#clock.mono() });
  }
  of(up: Up): Buffer[] {
    return this.sent.filter((one) => one.up === up).map((one) => one.payload);
  }
}

function lanes() {
  const clock = new SimClock();
  const spool = new MemorySpool(clock, random, UNIT);
  const counters = newCounters();
  const reporter = new Reporter(spool, clock, silentLog);
  let silences = 0;
  const journal = new JournalLane({ spool, clock, log: silentLog, counters, onIdle: () => footage.pump() });
  const footage: FootageLane = new FootageLane({
    spool,
    clock,
    counters,
    reporter,
    journalUnsent: () => journal.unsent,
    onSilence: () => {
      silences += 1;
    },
  });
  return { clock, spool, counters, reporter, journal, footage, line: new Paper(clock), silences: () => silences };
}

t.test('journal: urgent at once, routine gathered for 30 s, resent after 30 s, one batch under way', async (test) => {
  const { clock, spool, journal, line } = lanes();
  await spool.record('health', { n: 0 });
  journal.open(line, 0);
  await clock.advance(1);
  test.equal(line.sent.length, 1, 'what there is goes at once');
  test.ok(journal.acknowledged(1));
  await spool.record('health', { n: 1 });
  await clock.advance(29_000);
  await spool.record('health', { n: 2 });
  test.equal(line.sent.length, 1);
  await clock.advance(1_100);
  test.equal(decodeBatch(line.sent[1]!.payload).records.length, 2, 'gathered');
  await spool.record('event', { event: 'x' }, { urgent: true });
  await clock.advance(10);
  test.equal(line.sent.length, 2, 'one batch at a time');
  test.ok(journal.acknowledged(3));
  await clock.advance(10);
  test.equal(decodeBatch(line.sent[2]!.payload).records[0]?.seq, 3, 'the urgent one follows at once');
  await clock.advance(30_100);
  test.same(line.sent[3]!.payload, line.sent[2]!.payload, 'sent again');
  test.ok(journal.acknowledged(2), 'a hole at the other side');
  await clock.advance(10);
  test.equal(decodeBatch(line.sent[4]!.payload).records[0]?.seq, 2);
  test.notOk(journal.acknowledged(99), 'more than there is');
  test.ok(journal.acknowledged(4));
  await clock.advance(100_000);
  test.equal(line.sent.length, 5, 'then it is quiet');
});

t.test('journal: a long absence goes in batches that each fit, of a chain that holds', async (test) => {
  const { clock, spool, journal, line } = lanes();
  for (let i = 0; i < 3000; i += 1) await spool.record('health', { n: i, noise: random.bytes(100).toString('hex') });
  journal.open(line, 0);
  let next = 0;
  for (let i = 0; i < 500 && next < 3000; i += 1) {
    await clock.advance(1);
    const message = line.of('journal')[i];
    if (!message) break;
    test.ok(message.length <= BATCH_BYTES_MAX);
    const batch = decodeBatch(message);
    test.equal(batch.records[0]?.seq, next);
    next += batch.records.length;
    journal.acknowledged(next);
  }
  test.equal(next, 3000);
  const noise = spool.records.slice(0, 500);
  const { message, count } = encodeThatFits(spool.identity.epoch, noise);
  test.ok(message.length <= BATCH_BYTES_MAX && count > 0);
});

t.test('footage waits for a journal batch that is not out, and goes beside one that is under way', async (test) => {
  const { clock, spool, journal, footage, line } = lanes();
  await spool.record('health', { n: 0 });
  spool.addFragment(FRONT, 0, 100_000);
  journal.open(line, 0);
  footage.open(line, 1024 * 1024);
  const sent = footage.enqueue(spool.fragments[0]!, 1);
  sent.catch(() => undefined);
  await clock.advance(10);
  test.same([...new Set(line.sent.map((one) => one.up))], ['journal', 'manifest', 'chunk']);
  test.equal(line.of('chunk').length, 4, 'a window of 32 KiB');
  test.equal(footage.underWayBytes, 32 * 1024);
});

t.test('footage: never more in memory than the window and one fragment, and silence ends the connection', async (test) => {
  const { clock, spool, footage, line, counters, silences } = lanes();
  for (let i = 0; i < 50; i += 1) void footage.enqueue(spool.addFragment(FRONT, i, 20_000), 1);
  footage.open(line, 1024 * 1024);
  await clock.advance(25_000);
  test.ok(spool.reads <= 3, `${spool.reads} read`);
  test.equal(line.of('chunk').length, 4, 'a fragment in three chunks, one of the next, then no room for another');
  test.equal(counters.stalls, 0);
  await clock.advance(10_000);
  test.ok(counters.stalls > 0);
  await clock.advance(60_000);
  test.ok(silences() > 0);
  footage.close();
  const fresh = new (line.constructor as typeof Paper)(clock);
  footage.open(fresh, 1024 * 1024);
  await clock.advance(10);
  const first = JSON.parse(fresh.of('manifest')[0]!.toString()) as ManifestMessage;
  test.equal(first.meta.seq, 0, 'the order is kept through connections');
  test.equal(first.handle, 1);
  test.ok(first.init, 'a new connection is given its init segments anew');
});

t.test('a receipt for footage that has gone meanwhile ends its flight at once, and the next goes', async (test) => {
  const { clock, spool, footage, line, counters } = lanes();
  const fragments = Array.from({ length: 20 }, (_, i) => spool.addFragment(FRONT, i, 1000));
  const outcomes: unknown[] = [];
  for (const fragment of fragments) footage.enqueue(fragment, 1).then((outcome) => outcomes.push(outcome), test.fail);
  footage.open(line, 1024 * 1024);
  for (const { meta } of fragments) {
    await clock.advance(100);
    spool.fragments.shift();
    const receipt = { what: 'longroof-stored-1' as const, ...meta, storeEpoch: 'store-1', copies: 1, storedUtcMs: clock.utc() };
    await footage.receipt(receipt);
    await test.rejects(footage.receipt(receipt), { code: 'LR_RECEIPT_UNKNOWN' }, 'told twice it is for nothing that is here');
    await clock.advance(1);
  }
  test.same(
    outcomes,
    fragments.map(() => 'stored'),
  );
  test.equal(counters.fragmentsStored, 20);
  test.equal(counters.stalls, 0);
});

t.test('a controller gone wrong does not fill the journal', async (test) => {
  const { clock, spool, reporter } = lanes();
  for (let i = 0; i < 1000; i += 1) reporter.report('upload-refused', 'LR_X');
  test.equal(spool.records.length, 20);
  await clock.advance(600_001);
  reporter.report('upload-refused', 'LR_X');
  test.match(spool.records.at(-1)?.body, { detail: { code: 'LR_X', leftOut: 980 } });
});

/** A link of fixed rate and delay behind a queue without end; gives goodput over capacity and the longest queue. */
function simulate(
  bytesPerMs: number,
  delayMs: number,
  durationMs: number,
  creditBytes: number,
  changeMs = 0,
): { use: number; queueMs: number } {
  const window = new Window(creditBytes);
  let nowMs = 1000;
  const endMs = nowMs + durationMs;
  let freeMs = nowMs;
  let underWay = 0;
  let acked = 0;
  let queueMs = 0;
  const flying: { sentMs: number; backMs: number; bytes: number }[] = [];
  while (nowMs < endMs) {
    const extraMs = changeMs > 0 && nowMs > 1000 + durationMs / 2 ? changeMs : 0;
    while (underWay === 0 || underWay + window.chunkBytes <= window.bytes) {
      const bytes = window.chunkBytes;
      freeMs = Math.max(freeMs, nowMs) + bytes / bytesPerMs;
      if (nowMs > 1000 + durationMs / 4) queueMs = Math.max(queueMs, freeMs - nowMs);
      flying.push({ sentMs: nowMs, backMs: freeMs + delayMs + extraMs, bytes });
      underWay += bytes;
    }
    const first = flying.shift()!;
    nowMs = Math.max(nowMs, first.backMs);
    underWay -= first.bytes;
    acked += first.bytes;
    window.acknowledged(first.sentMs, nowMs, 'part');
  }
  return { use: acked / (bytesPerMs * (nowMs - 1000)), queueMs };
}

t.test('window: a thin link is full with a short queue, a fat one is filled, a longer way is learnt', async (test) => {
  const thin = simulate(250, 40, 60_000, 1024 * 1024);
  test.comment(`2 Mbit/s, 40 ms: ${(thin.use * 100).toFixed(0)} % used, longest queue ${thin.queueMs.toFixed(0)} ms`);
  test.ok(thin.use > 0.95 && thin.queueMs < 250);
  const fat = simulate(2500, 40, 20_000, 1024 * 1024);
  test.comment(`20 Mbit/s, 40 ms: ${(fat.use * 100).toFixed(0)} % used, longest queue ${fat.queueMs.toFixed(0)} ms`);
  test.ok(fat.use > 0.95 && fat.queueMs < 150);
  const far = simulate(250, 40, 300_000, 1024 * 1024, 400);
  test.ok(far.use > 0.6, `after the way has become 400 ms longer: ${(far.use * 100).toFixed(0)} %`);
  const tiny = simulate(4, 300, 120_000, 1024 * 1024);
  test.ok(tiny.use > 0.8, `32 kbit/s: ${(tiny.use * 100).toFixed(0)} %`);
  test.equal(new Window(1).bytes, 8 * 1024, 'one chunk at least');
});

t.test(`window: bounds hold for any times (${fuzzCases(20)} runs)`, async (test) => {
  for (let run = 0; run < fuzzCases(20); run += 1) {
    const credit = random.int(1, 16 * 1024 * 1024);
    const window = new Window(credit);
    let nowMs = random.int(0, 1e6);
    for (let i = 0; i < 500; i += 1) {
      nowMs += random.int(0, 500);
      window.acknowledged(nowMs - random.int(0, 3000), nowMs, random.pick(['part', 'receipt']));
      const { bytes, chunkBytes } = window;
      if (bytes < 8 * 1024 || bytes > Math.max(8 * 1024, Math.min(credit, 8 * 1024 * 1024)) || chunkBytes > 120 * 1024)
        test.fail(`window ${bytes}`);
    }
  }
  test.pass('between one chunk and the credit');
});

t.test('queue: best priority first, in order; known fragments once; bounded', async (test) => {
  const { spool } = lanes();
  const fragments = Array.from({ length: 300 }, (_, i) => spool.addFragment(FRONT, i, 1));
  for (let run = 0; run < Math.min(1000, fuzzCases(20)); run += 1) {
    const queue = new FragmentQueue();
    const best = new Map<number, number>();
    for (let i = 0; i < 300; i += 1) {
      const fragment = random.pick(fragments);
      const priority = random.int(0, 5);
      queue.add(fragment, priority);
      best.set(fragment.meta.seq, Math.min(best.get(fragment.meta.seq) ?? 9, priority));
    }
    let last = { priority: -1, order: -1 };
    for (let entry = queue.take(); entry; entry = queue.take()) {
      if (entry.priority !== best.get(entry.fragment.meta.seq)) test.fail('not its best priority');
      if (entry.priority < last.priority || (entry.priority === last.priority && entry.order < last.order)) test.fail('out of order');
      last = entry;
      best.delete(entry.fragment.meta.seq);
      queue.settle(entry, 'stored');
    }
    if (best.size > 0 || queue.length > 0) test.fail('some were left');
  }
  const full = new FragmentQueue();
  const one = spool.fragments[0]!;
  for (let seq = 0; seq < QUEUE_MAX; seq += 1) full.add({ ...one, meta: { ...one.meta, seq } }, 1);
  test.throws(() => full.add({ ...one, meta: { ...one.meta, seq: QUEUE_MAX } }, 1), { code: 'LR_UPLINK_QUEUE', kind: 'full' });
  test.doesNotThrow(() => full.add({ ...one, meta: { ...one.meta } }, 1), 'one that waits already takes no room');
});

t.test(`readers of what comes down: ${fuzzCases(2000)} pieces of garbage`, async (test) => {
  const good = [
    '{"what":"part","handle":1,"offset":2}',
    '{"what":"refused","topic":"x","code":"LR_X","message":"m"}',
    '{"statement":{},"keyId":"","signature":""}',
  ];
  for (let i = 0; i < fuzzCases(2000); i += 1) {
    const bytes = random.next() < 0.5 ? random.bytes(random.int(0, 60)) : Buffer.from(random.pick(good));
    if (bytes.length > 0) for (let n = random.int(0, 3); n > 0; n -= 1) bytes[random.int(0, bytes.length)] = random.int(0, 256);
    for (const read of [readAck, readReceipt, readDesired]) {
      try {
        read(bytes);
      } catch (error) {
        if ((error as { code?: string }).code !== 'LR_DOWN_SHAPE') test.fail(`${String(error)} for ${bytes.toString('hex')}`);
      }
    }
  }
  test.throws(() => readAck(Buffer.alloc(200 * 1024, 0x20)), { code: 'LR_DOWN_SHAPE' }, 'too large');
  test.pass('each is read or refused with LR_DOWN_SHAPE');
});

t.test('chunks follow each other without a hole and end with the fragment', async (test) => {
  const { clock, spool, footage, line } = lanes();
  const fragment = spool.addFragment(FRONT, 0, 700_001);
  footage.open(line, 8 * 1024 * 1024);
  footage.enqueue(fragment, 1).catch(() => undefined);
  const parts: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < 200 && at < 700_001; i += 1) {
    await clock.advance(1);
    for (const payload of line.of('chunk').slice(parts.length)) {
      const chunk = readChunk(payload);
      test.equal(chunk.offset, at);
      at += chunk.payload.length;
      parts.push(payload.subarray(CHUNK_HEADER_BYTES));
      footage.acknowledged({ what: 'part', handle: chunk.handle, offset: at });
    }
  }
  test.ok(Buffer.concat(parts).equals(fragment.data));
});
