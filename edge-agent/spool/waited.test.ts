import { rmSync } from 'node:fs';
import path from 'node:path';
import type { GapBody } from '@longroof/protocol/journal';
import t, { type Test } from 'tap';
import type { Waited } from './recover-coverage.js';
import { FRONT, TestSpool } from './test-spool.js';

/** [cause, from, to] in milliseconds. */
const short = ({ cause, fromMonoMs, durationMs }: GapBody): [string, number, number] => [cause, fromMonoMs, fromMonoMs + durationMs];
const gapsOf = (spool: TestSpool, rendition: string): [string, number, number][] =>
  spool
    .bodies('gap')
    .filter((gap) => gap.rendition === rendition)
    .map(short);
const failed = (sinceMonoMs: number): Waited => ({ sinceMonoMs, cause: 'disk-failed', detail: 'LR_SYS_EROFS' });

/** Five seconds of footage, then the end given, then 3 s of waiting before the spool opens. */
async function restarted(t: Test, end: 'killed' | 'power cut' | 'stopped'): Promise<TestSpool> {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 5);
  const before = (): void => {
    spool.options = { ...spool.options, waited: [failed(spool.clock.mono() - 3000)] };
  };
  if (end === 'power cut') await spool.killed(30_000, { boot: 'boot-2', powerCut: true, before });
  else if (end === 'killed') await spool.killed(10_000, { before });
  else {
    spool.core.close();
    await spool.clock.advance(10_000);
    before();
    spool.reopen();
  }
  return spool;
}

/** Streams open, footage flows, the end is clean: every instant is accounted for. */
async function recordsOn(t: Test, spool: TestSpool): Promise<void> {
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 2);
  spool.core.close();
  t.same(spool.fsck().damage, []);
  const row = spool.bodies('gap').filter((gap) => gap.rendition === 'original');
  const last = row.at(-1)!;
  t.ok(last.fromMonoMs + last.durationMs <= spool.clock.mono(), 'no gap reaches beyond the end');
}

t.test('S5: a new spool’s wait for its disk is a gap of every stream that was to be recorded', async (t) => {
  const spool = new TestSpool({ waited: [failed(52_000)] });
  t.teardown(() => spool.remove());
  for (const rendition of ['original', 'proxy']) t.same(gapsOf(spool, rendition), [['disk-failed', 52_000, 60_000]]);
  t.match(spool.bodies('gap')[0], { detail: 'LR_SYS_EROFS' });
  await spool.clock.advance(700);
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 3);
  t.same(
    gapsOf(spool, 'original'),
    [
      ['disk-failed', 52_000, 60_000],
      ['disk-failed', 60_000, 60_700],
    ],
    'it goes on until the stream opens',
  );
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S5: after a kill the time until the start is the kill’s, the wait is the disk’s', async (t) => {
  const spool = await restarted(t, 'killed');
  t.same(gapsOf(spool, 'original'), [
    ['agent-restart', 65_000, 72_000],
    ['disk-failed', 72_000, 75_000],
  ]);
  await recordsOn(t, spool);
});

t.test('S5: after a power cut likewise, and the part before the boot says when it began', async (t) => {
  const spool = await restarted(t, 'power cut');
  const gaps = spool.bodies('gap').filter((gap) => gap.rendition === 'original');
  t.match(gaps, [{ cause: 'power-cut' }, { cause: 'disk-failed', fromMonoMs: 6000, durationMs: 3000 }]);
  t.ok(gaps[0]?.fromWall, 'from an earlier boot');
  t.equal(gaps[1]?.fromWall, undefined);
  t.equal(gaps[0]!.fromMonoMs + gaps[0]!.durationMs, 6000);
  await recordsOn(t, spool);
});

t.test('S5: after an orderly stop the time until the start is the stop’s', async (t) => {
  const spool = await restarted(t, 'stopped');
  t.same(gapsOf(spool, 'original'), [
    ['stopped', 65_000, 72_000],
    ['disk-failed', 72_000, 75_000],
  ]);
  await recordsOn(t, spool);
});

t.test('S5: a disk that was full first and failed then has a gap of each', async (t) => {
  const waited: Waited[] = [{ sinceMonoMs: 40_000, cause: 'disk-full', detail: 'LR_SYS_ENOSPC' }, failed(55_000)];
  const spool = new TestSpool({ waited });
  t.teardown(() => spool.remove());
  t.same(gapsOf(spool, 'original'), [
    ['disk-full', 40_000, 55_000],
    ['disk-failed', 55_000, 60_000],
  ]);
});

t.test('S5: a stream that is configured no more did not wait', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 5);
  await spool.killed(10_000, {
    before: () => {
      spool.options = { ...spool.options, cameras: [{ camera: 'rear', renditions: ['original'] }], waited: [failed(72_000)] };
    },
  });
  const ofCamera = (camera: string) => spool.bodies('gap').filter((gap) => gap.camera === camera && gap.rendition === 'original');
  t.same(ofCamera('front').map(short), [['agent-restart', 65_000, 75_000]]);
  t.same(ofCamera('rear').map(short), [['disk-failed', 72_000, 75_000]]);
  t.notOk(spool.core.state.streams.get('front')?.coverage.isOpen);
});

t.test('S5: reels of which neither index nor journal tells any more do not hide the wait', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 5);
  await spool.killed(10_000, {
    before: (folder) => {
      for (const name of ['index.db', 'index.db-wal', 'index.db-shm', 'journal', 'spool.json'])
        rmSync(path.join(folder, name), { force: true, recursive: true });
      spool.options = { ...spool.options, waited: [failed(72_000)] };
    },
  });
  t.same(gapsOf(spool, 'original').at(-1), ['disk-failed', 72_000, 75_000]);
});

t.test(
  'S7: a spool that opens while its disk takes no write is open, and the first write that goes through tells of the wait',
  async (t) => {
    const spool = await restarted(t, 'killed');
    spool.core.abandon();
    await spool.clock.advance(2000);
    spool.options = { ...spool.options, waited: [failed(75_500)] };
    spool.faults.judge = (operation) => (operation === 'append' || operation === 'datasync' ? { code: 'EROFS' } : undefined);
    spool.reopen();
    t.equal(spool.core.state.diskState.state, 'read-only');
    spool.core.openStream(FRONT);
    t.equal(spool.write(FRONT, spool.clock.mono()), false);
    await spool.clock.advance(4000);
    spool.faults.judge = () => undefined;
    spool.core.commit();
    t.equal(spool.core.state.diskState.state, 'ok');
    await spool.footage(FRONT, 3);
    const gaps = gapsOf(spool, 'original').slice(2);
    t.same(gaps.map(([cause]) => cause).join(), 'agent-restart,disk-failed,disk-failed');
    t.equal(gaps.at(-1)?.[2], 81_000, 'up to the footage');
    spool.core.close();
    t.same(spool.fsck().damage, []);
  },
);
