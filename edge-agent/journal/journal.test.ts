import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { GENESIS_PREV, type JournalRecord } from '@longroof/protocol/journal';
import t from 'tap';
import { CHECKPOINT_MS, CHECKPOINT_RECORDS, Chain, type DraftRecord } from './chain.js';
import { listSegments, openLog, SEGMENT_BYTES } from './log.js';
import { readSegment } from './segment.js';
import { verifyJournal } from './verify.js';

t.setTimeout(0);
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const journalKeyPem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const journalKey = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
const EPOCH = 'ab'.repeat(16);
const START = { next: 0, head: undefined };
const wall = { utcMs: 1795000000000, source: 'ntp', errorMs: 20 } as const;

function chain(next = 0, head = GENESIS_PREV): Chain {
  return new Chain({ unit: 'wagon-7', epoch: EPOCH, run: 1, journalKeyPem, next, head, atMonoMs: 0 });
}

function drafts(count: number, size = 10): DraftRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    monoMs: index,
    wall,
    type: 'event',
    body: { event: 'x'.repeat(size), detail: { index } },
  }));
}

function folder(t: { teardown(run: () => void): void }): string {
  const made = mkdtempSync(path.join(tmpdir(), 'longroof-journal-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

t.test('records are read back across segments, from anywhere, within the bytes asked for', async (t) => {
  const at = folder(t);
  const { log } = openLog(systemDisk, at, EPOCH, START, () => {});
  const writer = chain();
  for (let round = 0; round < 30; round++) {
    const batch = writer.encode(drafts(100, 600), undefined);
    log.append(batch.bytes, batch.next);
    writer.adopt(batch);
  }
  t.ok(readdirSync(at).length > 1, 'more than one segment');
  const seen: JournalRecord[] = [];
  while (seen.length < 3000) {
    const next = log.read(seen.length, 50_000);
    t.ok(next.length > 0 && next.length < 70);
    seen.push(...next);
  }
  t.same(
    seen.map((record) => record.seq),
    Array.from({ length: 3000 }, (_, index) => index),
  );
  t.equal(log.read(1234, 1)[0]?.seq, 1234);
  t.equal(log.read(5, 1).length, 1, 'always one');
  t.same(log.read(3000, 1000), []);
  const second = log.segments[1]!.firstSeq;
  t.equal(
    log.removeOldest((_segment, next) => next <= 2000),
    1,
  );
  t.equal(log.oldest, second);
  t.throws(() => log.read(0, 100), { code: 'LR_JOURNAL_GONE' });
  log.close();
  const again = openLog(systemDisk, at, EPOCH, { next: second, head: undefined }, () => {});
  t.equal(again.next, 3000);
  t.equal(again.head, writer.head);
  t.ok(log.bytes < 30 * 100 * 1000 && SEGMENT_BYTES === 2 ** 20);
});

t.test('a checkpoint is due after 100 records or five minutes, and is signed', async (t) => {
  const at = folder(t);
  const { log } = openLog(systemDisk, at, EPOCH, START, () => {});
  const writer = chain();
  const add = (count: number, monoMs: number): void => {
    const batch = writer.encode(drafts(count), writer.checkpointDue(monoMs) ? { monoMs, wall } : undefined);
    log.append(batch.bytes, batch.next);
    writer.adopt(batch);
  };
  add(CHECKPOINT_RECORDS, 1000);
  t.ok(writer.checkpointDue(1000));
  add(1, 1000);
  t.notOk(writer.checkpointDue(1000 + CHECKPOINT_MS), 'nothing stands open');
  add(1, 2000);
  t.ok(writer.checkpointDue(1000 + CHECKPOINT_MS));
  log.close();
  const segments = listSegments(systemDisk, at).epochs.get(EPOCH)!;
  const options = { unit: 'wagon-7', epoch: EPOCH, journalKey };
  const wrong = (verdict: ReturnType<typeof verifyJournal>): string[] => verdict.problems.map((problem) => problem.what);
  t.same(wrong(verifyJournal(systemDisk, segments, options, () => {})), ['first'], 'only the genesis record is missing here');
  t.same(wrong(verifyJournal(systemDisk, segments, { ...options, unit: 'wagon-8' }, () => {})), ['first', 'signature']);
});

t.test('a torn tail is cut off; anything else that breaks the chain is refused', async (t) => {
  const at = folder(t);
  const { log } = openLog(systemDisk, at, EPOCH, START, () => {});
  const batch = chain().encode(drafts(5), undefined);
  log.append(batch.bytes, batch.next);
  log.close();
  const file = path.join(at, readdirSync(at)[0]!);
  appendFileSync(file, batch.bytes.subarray(0, 50));
  const opened = openLog(systemDisk, at, EPOCH, START, () => {});
  t.match(opened, { next: 5, head: batch.head, cutBytes: 50 });
  opened.log.close();
  appendFileSync(file, '{"seq":5}\n');
  t.throws(() => openLog(systemDisk, at, EPOCH, START, () => {}), { code: 'LR_JOURNAL_RECORD' });
});

t.test('a batch that fails leaves nothing behind, and goes through the next time', async (t) => {
  const at = folder(t);
  for (const failing of ['append', 'datasync'] as const) {
    let fails = 0;
    const fail = (): never => {
      fails += 1;
      throw toFault(Object.assign(new Error('injected'), { code: 'EIO' }));
    };
    const disk: typeof systemDisk = {
      ...systemDisk,
      append: (fd, parts) => {
        if (failing === 'append' && fails < 2) {
          systemDisk.append(fd, [Buffer.concat(parts).subarray(0, 77)]);
          fail();
        }
        systemDisk.append(fd, parts);
      },
      datasync: (fd) => (failing === 'datasync' && fails < 2 ? fail() : systemDisk.datasync(fd)),
    };
    const { log, next, head } = openLog(disk, at, EPOCH, START, () => {});
    const writer = chain(next, head);
    for (let attempt = 0; attempt < 2; attempt++) {
      const batch = writer.encode(drafts(3), undefined);
      t.throws(() => log.append(batch.bytes, batch.next), { code: 'LR_SYS_EIO' });
      t.equal(log.next, next);
    }
    const batch = writer.encode(drafts(4), undefined);
    log.append(batch.bytes, batch.next);
    writer.adopt(batch);
    log.close();
    t.match(
      openLog(systemDisk, at, EPOCH, START, () => {}),
      { next: next + 4, head: batch.head, cutBytes: 0 },
    );
  }
});

t.test('reading never ends in anything but records of one chain and a reason, whatever the bytes', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const good = chain().encode(drafts(6), { monoMs: 1, wall }).bytes;
  const lines = good.toString().split('\n');
  const cases = fuzzCases(5000);
  for (let index = 0; index < cases; index++) {
    const bytes = Buffer.from(good);
    for (let count = random.int(1, 4); count > 0; count--)
      bytes[random.int(0, bytes.length)] = random.pick([0x0a, 0x22, 0x7b, 0x30, random.int(0, 256)]);
    const end = readSegment(bytes, { next: 0, head: GENESIS_PREV }, () => {});
    // Only the last record kept can be other than it was: nothing that follows vouches for it.
    const kept = bytes.subarray(0, end.goodBytes).toString().split('\n').slice(0, -1);
    const changed = kept.findIndex((line, at) => line !== lines[at]);
    if (changed >= 0 && changed !== kept.length - 1) t.fail(`seed ${seed}, case ${index}: record ${changed} changed and the chain went on`);
    if (end.fault && end.fault.kind !== 'corrupt') t.fail(`seed ${seed}, case ${index}: ${end.fault.code}`);
  }
  t.pass(`${cases} cases`);
});
