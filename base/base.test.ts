import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { canonicalJson, sha256Hex } from './canonical.js';
import { parseRfc3339, rfc3339 } from './clock.js';
import { SimClock } from './clock-sim.js';
import { systemDisk, writeDurably } from './disk.js';
import { Fault, toFault } from './errors.js';
import { isId } from './ids.js';
import { redactUrls } from './log.js';
import { BoundedQueue } from './queue.js';
import { seededRandom, testSeed } from './random.js';
import { Backoff } from './retry.js';

t.test('a foreign error becomes a fault of the right kind, once', async (t) => {
  const missing = toFault(Object.assign(new Error('gone'), { code: 'ENOENT' }), 'open x');
  t.equal(missing.kind, 'not-found');
  t.equal(missing.code, 'LR_SYS_ENOENT');
  t.equal(missing.message, 'open x: gone');
  t.equal(toFault(missing, 'again'), missing);
  t.equal(toFault(Object.assign(new Error('full'), { code: 'ENOSPC' })).retryable, true);
  t.equal(new Fault('denied', 'LR_X', 'no').retryable, false);
});

t.test('the simulated clock fires timers in order and lets reactions run between', async (t) => {
  const clock = new SimClock(0);
  const seen: string[] = [];
  clock.after(20, () => seen.push('b'));
  clock.after(10, () => seen.push('a'));
  const ticks = clock.every(15, () => seen.push(`tick ${clock.mono()}`));
  void clock.sleep(12).then(() => seen.push('slept'));
  await clock.advance(31);
  ticks.cancel();
  await clock.advance(100);
  t.same(seen, ['a', 'slept', 'tick 15', 'b', 'tick 30']);
  const utcMs = clock.utc();
  clock.stepUtc(86_400_000);
  t.equal(clock.utc() - utcMs, 86_400_000);
  t.equal(clock.mono(), 131);
});

t.test('a folder is made with its parents, again without harm, and not where a file stands', async (t) => {
  const root = mkdtempSync(path.join(tmpdir(), 'longroof-base-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const deep = path.join(root, 'a/b/c');
  systemDisk.makeDirectory(deep);
  systemDisk.makeDirectory(deep);
  t.equal(systemDisk.stat(deep)?.isDirectory, true);
  systemDisk.writeFile(path.join(root, 'file'), 'x');
  t.throws(() => systemDisk.makeDirectory(path.join(root, 'file')), { code: 'LR_SYS_EEXIST' });
  t.throws(() => systemDisk.makeDirectory(path.join(root, 'file/below')), { code: 'LR_SYS_ENOTDIR' });
});

t.test('back-off grows to its limit, jitters, and starts again after success', async (t) => {
  const backoff = new Backoff({ firstMs: 100, maxMs: 1000, random: () => 1 });
  t.same(
    [1, 2, 3, 4, 5, 6].map(() => backoff.nextMs()),
    [100, 200, 400, 800, 1000, 1000],
  );
  backoff.reset();
  t.equal(backoff.nextMs(), 100);
  const low = new Backoff({ firstMs: 100, maxMs: 1000, random: () => 0 });
  t.equal(low.nextMs(), 50);
});

t.test('a bounded queue keeps its order and never grows past its bounds', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const queue = new BoundedQueue<number>({ countMax: 50, weightMax: 300 }, (item) => item);
  const model: number[] = [];
  for (let step = 0; step < 5000; step++) {
    if (random.next() < 0.55) {
      const item = random.int(1, 40);
      const fits = model.length < 50 && (model.length === 0 || model.reduce((sum, next) => sum + next, 0) + item <= 300);
      t.equal(queue.push(item), fits);
      if (fits) model.push(item);
    } else t.equal(queue.shift(), model.shift());
    if (queue.length !== model.length || queue.weight !== model.reduce((sum, next) => sum + next, 0)) t.fail(`drifted at step ${step}`);
  }
});

t.test('canonical JSON does not depend on the order of members', async (t) => {
  t.equal(canonicalJson({ b: [1, null, 'ü"'], a: { y: true, x: undefined }, c: 1e21 }), '{"a":{"y":true},"b":[1,null,"ü\\""],"c":1e+21}');
  t.throws(() => canonicalJson({ a: Number.NaN }), { code: 'LR_JSON_NUMBER' });
  t.equal(sha256Hex('a', Buffer.from('bc')), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

t.test('RFC 3339 times need a zone', async (t) => {
  t.equal(rfc3339(parseRfc3339('2026-11-23T14:05:00+03:30')), '2026-11-23T10:35:00.000Z');
  for (const text of ['2026-11-23', '2026-11-23T14:05:00', 'yesterday', '2026-13-40T00:00:00Z'])
    t.ok(Number.isNaN(parseRfc3339(text)), text);
});

t.test('ids and URLs', async (t) => {
  t.ok(isId('wagon-7'));
  for (const text of ['', 'Wagon', 'a/b', '..', 'x'.repeat(33), 7, null]) t.notOk(isId(text), String(text));
  t.equal(redactUrls('at rtsp://user:p@ss@10.0.0.1/x and http://h/y'), 'at rtsp://***@10.0.0.1/x and http://h/y');
});

t.test('a durable write replaces the whole file or nothing, also over a stale temporary file', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'longroof-disk-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'state.json');
  systemDisk.writeFile(`${file}.tmp`, 'torn');
  writeDurably(systemDisk, file, 'one');
  writeDurably(systemDisk, file, 'two');
  t.equal(systemDisk.readFile(file).toString(), 'two');
  t.same(systemDisk.list(folder), ['state.json']);
  t.throws(() => writeDurably(systemDisk, path.join(folder, 'none', 'x'), 'y'), { code: 'LR_SYS_ENOENT' });
});

t.test('gathered writes and reads at the end of a file', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'longroof-disk-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'f');
  const fd = systemDisk.openAppend(file, { exclusive: true });
  systemDisk.append(fd, [Buffer.from('abc'), Buffer.alloc(0), Buffer.from('defg')]);
  systemDisk.datasync(fd);
  systemDisk.close(fd);
  t.throws(() => systemDisk.openAppend(file, { exclusive: true }), { code: 'LR_SYS_EEXIST' });
  const reader = systemDisk.openRead(file);
  t.equal(systemDisk.read(reader, 2, 3).toString(), 'cde');
  t.equal(systemDisk.read(reader, 5, 10).toString(), 'fg');
  systemDisk.close(reader);
  t.ok(systemDisk.space(folder).freeBytes > 0);
  t.equal(systemDisk.stat(path.join(folder, 'none')), undefined);
});
