import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256Hex } from '@longroof/base/canonical';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import type { GapBody } from '@longroof/protocol/journal';
import t from 'tap';
import { QUEUE_BYTES_MAX } from './client.js';
import { checkSpool } from './fsck.js';
import { openSpool, type SpoolOptions } from './open.js';
import type { Spool, StoredFragment } from './spool.js';
import { testFragment } from './test-fragments.js';
import { FRONT, testKeyPem } from './test-spool.js';

function folder(t: { teardown(run: () => void): void }): string {
  const made = mkdtempSync(path.join(tmpdir(), 'longroof-worker-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

function open(root: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  return openSpool({
    ...{ path: root, quotaBytes: 256 * 2 ** 20, unit: 'wagon-7', journalKeyPem: testKeyPem, version: '1', configSha256: 'ab' },
    ...{ cameras: [{ camera: 'front', renditions: ['original', 'proxy'] }], clock: systemClock, log: silentLog, ...options },
  });
}

function damage(root: string, scratchIn: string): unknown {
  const scratch = path.join(scratchIn, `scratch-${systemClock.mono()}`);
  mkdirSync(scratch);
  return checkSpool(systemDisk, root, scratch).damage;
}

/** Waits until the disk has all of the stream up to a time: what was queued is then written, synced and indexed. */
async function durableUntil(spool: Spool, write: () => void, endMonoMs: number): Promise<void> {
  const reached = new Promise<void>((resolve) => {
    spool.onDurable((streams) => {
      if (streams.some((one) => one.endMonoMs >= endMonoMs)) resolve();
    });
  });
  write();
  await reached;
}

t.test('S7: a disk that stalls for three seconds costs no footage; the agent never waits for it', async (t) => {
  const at = folder(t);
  const stallMs = 3000;
  process.env['LONGROOF_TEST_SYNC_MS'] = String(stallMs);
  const diskModule = new URL('./test-slow-disk.js', import.meta.url).href;
  const spool = await open(path.join(at, 'spool'), { faults: { diskModule } });
  delete process.env['LONGROOF_TEST_SYNC_MS'];
  const random = seededRandom(3);
  spool.openStream(FRONT);
  let startMonoMs = systemClock.mono();
  let longestMs = 0;
  for (let index = 0; index < 40; index++) {
    await systemClock.sleep(100);
    const fragment = testFragment(random, FRONT, { startMonoMs, durationMs: 100, payloadBytes: 40_000 });
    startMonoMs += 100;
    const before = systemClock.mono();
    t.ok(spool.write(fragment, { utcMs: systemClock.utc(), source: 'ntp', errorMs: 20 }));
    longestMs = Math.max(longestMs, systemClock.mono() - before);
  }
  // Whoever waits for the disk waits for all of the stall; a busy machine alone does not hold a write up for as long.
  t.ok(longestMs < stallMs, `the longest write took ${Math.round(longestMs)} ms`);
  await spool.close();
  const again = await open(path.join(at, 'spool'));
  t.equal((await again.select([FRONT], 0, systemClock.utc() + 1000)).fragments.length, 40);
  await again.close();
  t.same(damage(path.join(at, 'spool'), at), []);
});

t.test('S5 S7: beyond its bound the queue refuses, and the time is a gap of cause disk-slow', async (t) => {
  const at = folder(t);
  const spool = await open(path.join(at, 'spool'));
  const random = seededRandom(4);
  // The camera sends from before the stream opens: no time of `starting` lies in front.
  let startMonoMs = systemClock.mono();
  spool.openStream(FRONT);
  let refused = 0;
  const fragments = Array.from({ length: 20 }, (_, index) =>
    testFragment(random, FRONT, { startMonoMs: startMonoMs + index * 1000, payloadBytes: 8 * 2 ** 20, zeros: true }),
  );
  // All in one turn of the loop: the worker cannot keep up.
  for (const fragment of fragments) {
    if (!spool.write(fragment, { utcMs: systemClock.utc(), source: 'ntp', errorMs: 20 })) refused += 1;
    t.ok(spool.stats().queuedBytes <= QUEUE_BYTES_MAX + 9 * 2 ** 20);
  }
  startMonoMs += 20_000;
  t.ok(refused > 0);
  // The queue is empty again before the next fragment comes, however slow the disk is.
  while (spool.stats().queuedBytes > 0) await systemClock.sleep(20);
  const last = (): boolean =>
    spool.write(testFragment(random, FRONT, { startMonoMs }), { utcMs: systemClock.utc(), source: 'ntp', errorMs: 20 });
  await durableUntil(spool, () => t.ok(last(), 'taken again'), startMonoMs + 1000);
  await spool.close();
  const again = await open(path.join(at, 'spool'));
  const gaps = (await again.journal(0, 1e6)).filter((record) => record.type === 'gap').map((record) => record.body);
  t.same([...new Set(gaps.map((gap) => (gap as GapBody).cause))], ['disk-slow'], 'one gap, or several where the worker caught up between');
  await again.close();
  t.same(damage(path.join(at, 'spool'), at), []);
});

t.test('S2: a program killed at any moment has every fragment that it called durable', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const at = folder(t);
  const root = path.join(at, 'spool');
  const program = fileURLToPath(new URL('./test-killed.js', import.meta.url));
  const claimed = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [program, root, testKeyPem], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    let running: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      running = resolve;
    });
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
      // Three commits of both streams: enough to lose something of.
      if (text.split('\n').length > 6) running();
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await started;
    await systemClock.sleep(random.int(0, 1200));
    child.kill('SIGKILL');
    await ended;
    for (const line of text.split('\n').slice(0, -1)) claimed.add(line);
  }
  const spool = await open(root);
  const { fragments } = await spool.select([FRONT, { camera: 'front', rendition: 'proxy' }], 0, systemClock.utc() + 1000);
  const found = new Set(fragments.map(({ meta }) => `${meta.rendition === 'proxy' ? 'front.proxy' : 'front'} ${meta.run} ${meta.seq}`));
  t.same(
    [...claimed].filter((line) => !found.has(line)),
    [],
  );
  t.ok(claimed.size > 6);
  const runs = (await spool.journal(0, 1e6)).filter((record) => record.type === 'run').map((record) => record.body);
  t.match(runs, [{ ended: 'first' }, { ended: 'agent-restart' }, { ended: 'agent-restart' }, { ended: 'agent-restart' }]);
  await spool.close();
  t.same(damage(root, at), []);
});

t.test('S8: flushes a second and bytes written over footage bytes are measured', async (t) => {
  const at = folder(t);
  const spool = await open(path.join(at, 'spool'));
  const random = seededRandom(5);
  spool.openStream(FRONT);
  const startMonoMs = systemClock.mono();
  let durable = 0;
  spool.onDurable(() => {
    durable += 1;
  });
  let written = 0;
  // However many of them a slow machine puts into one commit, three commits are wanted.
  for (; written < 10 || durable < 3; written++) {
    const fragment = testFragment(random, FRONT, { startMonoMs: startMonoMs + written * 100, durationMs: 100, payloadBytes: 200_000 });
    spool.write(fragment, { utcMs: systemClock.utc(), source: 'ntp', errorMs: 20 });
    await systemClock.sleep(100);
  }
  while (spool.stats().fragments < written) await systemClock.sleep(50);
  const stats = spool.stats();
  t.ok(stats.flushesPerS > 0);
  t.ok(stats.writeAmplification >= 0 && stats.writeAmplification < 5, `${stats.writeAmplification}`);
  t.match(stats, { state: /ok|slow/, fragments: written, pendingFragments: written, quotaBytes: 256 * 2 ** 20 });
  t.ok(stats.usedBytes > 2_000_000 && stats.freeBytes > 0);
  await spool.close();
});

t.test('urgent records are durable without waiting for a tick, also those that come while a commit is under way', async (t) => {
  // No tick comes by itself.
  const clock = { ...systemClock, every: () => ({ cancel: () => undefined }) };
  const spool = await open(path.join(folder(t), 'spool'), { clock });
  const calm = spool.record('health', { n: 0 });
  const first = spool.record('event', { event: 'beat' }, { urgent: true });
  await Promise.resolve();
  // The commit of the first is under way.
  const second = spool.record('event', { event: 'beat' }, { urgent: true });
  t.equal(await first, (await calm) + 1);
  t.equal(await second, (await first) + 1);
  await spool.close();
});

t.test('fragments are read into memory that serves for the next one; what is damaged is told and nothing given', async (t) => {
  const root = path.join(folder(t), 'spool');
  const spool = await open(root);
  const random = seededRandom(6);
  spool.openStream(FRONT);
  const startMonoMs = systemClock.mono();
  const write = (): void => {
    for (const at of [0, 1000]) {
      const fragment = testFragment(random, FRONT, { startMonoMs: startMonoMs + at, payloadBytes: 90_000 });
      spool.write(fragment, { utcMs: systemClock.utc() + at, source: 'ntp', errorMs: 20 });
    }
  };
  await durableUntil(spool, write, startMonoMs + 2000);
  const [first, second] = (await spool.select([FRONT], 0, systemClock.utc() + 5000)).fragments as [StoredFragment, StoredFragment];
  const plain = await spool.read(first);
  const memory = spool.memory.allocate(100_000);
  const pooled = await spool.read(first, memory);
  t.ok(pooled.equals(plain));
  t.equal(pooled.buffer, memory.buffer, 'no memory of its own');
  spool.memory.give(pooled);
  const again = await spool.read(second, spool.memory.allocate(95_000));
  t.equal(again.buffer, memory.buffer, 'the piece serves once more');
  t.equal(sha256Hex(again), second.meta.sha256);
  const reel = openSync(second.reelPath, 'r+');
  writeSync(reel, Buffer.from('damage'), 0, 6, second.offset + 1000);
  closeSync(reel);
  await t.rejects(spool.read(second, spool.memory.allocate(95_000)), { code: 'LR_SPOOL_CORRUPT' });
  await spool.close();
});
