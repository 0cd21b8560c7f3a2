import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256Hex } from '@longroof/base/canonical';
import { systemDisk } from '@longroof/base/disk';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import { encodeFragmentBox, type FragmentMeta } from '@longroof/protocol/fragment';
import t from 'tap';
import { Coverage, GAP_MIN_MS, type GapPiece } from './coverage.js';
import { parseReelName, reelName, scanReel } from './scan.js';
import { testFragment, testInit } from './test-fragments.js';
import { FRONT } from './test-spool.js';

t.setTimeout(0);
const EPOCH = '0'.repeat(32);
const EXPECTED = { stream: 'front', epoch: EPOCH, run: 1, seqFirst: 0 };

function mutate(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const kind = random.int(0, 5);
  const at = random.int(0, copy.length);
  if (kind === 0) return copy.subarray(0, at);
  if (kind === 1) return Buffer.concat([copy.subarray(0, at), random.bytes(random.int(1, 40)), copy.subarray(at)]);
  if (kind === 2) return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + random.int(1, 200)))]);
  for (let count = random.int(1, 6); count > 0; count--)
    copy[random.int(0, copy.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.int(0, 256)]);
  return copy;
}

t.test('S2: the reel scanner never claims a fragment that is not whole, whatever the bytes', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const folder = mkdtempSync(path.join(tmpdir(), 'longroof-scan-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const init = testInit();
  const pieces: Uint8Array[] = [init.bytes];
  const hashes: string[] = [];
  for (let seq = 0; seq < 4; seq++) {
    const fragment = testFragment(random, FRONT, { startMonoMs: 1000 + seq * 1000, payloadBytes: 40 });
    const sha256 = sha256Hex(...fragment.parts);
    const wall = { utcMs: 0, source: 'none', errorMs: 0 } as const;
    const meta: FragmentMeta = { ...fragment.meta, unit: 'w', epoch: EPOCH, run: 1, seq, boot: 'b', sha256, wall };
    hashes.push(sha256);
    pieces.push(encodeFragmentBox(meta), ...fragment.parts);
  }
  const whole = Buffer.concat(pieces);
  const file = path.join(folder, reelName(EXPECTED));
  const scan = (bytes: Uint8Array): ReturnType<typeof scanReel> => {
    writeFileSync(file, bytes);
    return scanReel(systemDisk, file, EXPECTED, { hashFromSeq: 0 });
  };
  t.equal(scan(whole).fragments.length, 4);
  t.equal(scan(whole).goodBytes, whole.length);
  const cases = fuzzCases(3000);
  for (let index = 0; index < cases; index++) {
    const bytes = random.next() < 0.02 ? random.bytes(random.int(0, 300)) : mutate(random, whole);
    const scanned = scan(bytes);
    const isSound =
      scanned.goodBytes <= bytes.length &&
      (scanned.why !== undefined || scanned.goodBytes === bytes.length) &&
      scanned.fragments.every(
        ({ meta, at }, seq) => meta.sha256 === hashes[seq] && sha256Hex(bytes.subarray(at, at + meta.bytes)) === hashes[seq],
      );
    if (!isSound) t.fail(`seed ${seed}, case ${index}: ${JSON.stringify(scanned)}`);
  }
});

t.test('names of reels are exactly those that are made', async (t) => {
  t.same(parseReelName(reelName(EXPECTED)), { epoch: EPOCH, run: 1, seqFirst: 0 });
  for (const name of ['', 'x.mp4', `${EPOCH}-1-0.mp4`, `${EPOCH}-000001-0000000000.mp4.tmp`, `${'F'.repeat(32)}-000001-0000000000.mp4`])
    t.equal(parseReelName(name), undefined, name);
});

/** What is missing between the last frame and an orderly close may count as closed time. */
const CLOSING_MS = 1500;

/** Spans of fragments and gaps, joined where they touch. */
function holesOf(spans: { from: number; to: number }[]): number {
  let holes = 0;
  let to = Number.POSITIVE_INFINITY;
  for (const span of spans.sort((a, b) => a.from - b.from)) {
    if (span.from - to > GAP_MIN_MS) holes += 1;
    to = to === Number.POSITIVE_INFINITY ? span.to : Math.max(to, span.to);
  }
  return holes;
}

t.test('S5: whatever comes in whatever order, every instant is in a fragment or a gap, and no gap lies under a fragment', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const cases = fuzzCases(300);
  for (let round = 0; round < cases; round++) {
    const random = seededRandom(seed + round);
    let now = random.int(0, 10_000);
    let last = now;
    const start = now;
    const coverage = new Coverage(now, 'configuration');
    const gaps: GapPiece[] = [...coverage.open(now)];
    const fragments: { from: number; to: number }[] = [];
    for (let step = 0; step < 200; step++) {
      now += random.int(0, random.next() < 0.1 ? 90_000 : 1500);
      const action = random.next();
      if (action < 0.5) {
        // A fragment never begins before what was settled already.
        const from = Math.max(coverage.accountedMonoMs - random.int(0, 30), last, random.next() < 0.5 ? last : now - 2000);
        const to = from + random.int(30, 1500);
        if (to > now) continue;
        gaps.push(...coverage.fragment(from, to));
        fragments.push({ from, to });
        last = to;
      } else if (action < 0.75) coverage.note(random.pick(['camera-stalled', 'camera-unreachable', 'starting', 'disk-full'] as const), now);
      else if (action < 0.95) gaps.push(...coverage.tick(now - 5000));
      else {
        gaps.push(...coverage.close(now, 'configuration'));
        now += random.int(0, 5000);
        if (random.next() < 0.5) gaps.push(...coverage.close(now, random.pick(['configuration', 'stopped'] as const)));
        now += random.int(0, 5000);
        gaps.push(...coverage.open(now));
        last = now;
      }
    }
    gaps.push(...coverage.close(now, 'stopped'));
    const spans = [...fragments, ...gaps.map(({ fromMonoMs, toMonoMs }) => ({ from: fromMonoMs, to: toMonoMs }))];
    const end = Math.max(...spans.map(({ to }) => to));
    if (holesOf(spans) > 0 || Math.min(...spans.map(({ from }) => from)) > start + GAP_MIN_MS || end < now - CLOSING_MS)
      t.fail(`seed ${seed + round}: a hole`);
    const byTime = [...gaps].sort((a, b) => a.fromMonoMs - b.fromMonoMs);
    if (byTime.some((gap, index) => index > 0 && gap.fromMonoMs < byTime[index - 1]!.toMonoMs))
      t.fail(`seed ${seed + round}: gaps overlap`);
    for (const { from, to } of fragments)
      if (gaps.some((gap) => Math.min(to, gap.toMonoMs) - Math.max(from, gap.fromMonoMs) > 30))
        t.fail(`seed ${seed + round}: a gap under footage`);
  }
  t.pass(`${cases} lives`);
});

t.test('S5: a failure is noticed later than it begins, flapping is one gap, a long gap is told less and less often', async (t) => {
  const coverage = new Coverage(0, 'configuration');
  coverage.open(0);
  t.same(coverage.fragment(40, 1000), [], 'less than 100 ms is jitter');
  coverage.note('camera-stalled', 6000);
  for (let at = 7000; at < 9000; at += 200) coverage.note(at % 400 === 0 ? 'starting' : 'camera-unreachable', at);
  coverage.note('camera-unreachable', 9000, 'no route');
  t.same(
    coverage.fragment(20_000, 21_000).map(({ fromMonoMs, toMonoMs, cause }) => [fromMonoMs, toMonoMs, cause]),
    [
      [1000, 9000, 'camera-stalled'],
      [9000, 20_000, 'camera-unreachable'],
    ],
  );
  coverage.note('camera-refused', 21_000);
  let told = 0;
  for (let at = 22_000; at < 86_400_000; at += 1000) told += coverage.tick(at).length;
  t.ok(told > 100 && told < 160, `${told} records for a day`);
});
