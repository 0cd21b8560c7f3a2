/**
 * S5 across disposals: where reels went on from each other by the camera's clock, and the monotonic one jumped between them by more than
 * jitter, as it does on a busy machine, no instant is left out when one of them goes.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { WallClaim } from '@longroof/protocol/fragment';
import t from 'tap';
import { testFragment } from './test-fragments.js';
import { FRONT, TestSpool } from './test-spool.js';

const JUMP_MS = 116;

/** Fragments of a second that adjoin by media time, each of which seems to begin a little late. */
async function footage(spool: TestSpool, from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; index += 1) {
    const startMonoMs = spool.clock.mono();
    await spool.clock.advance(1000 + JUMP_MS);
    spool.write(FRONT, startMonoMs, 50_000, { start90k: index * 90_000 });
    spool.core.commit();
  }
}

async function overflowing(): Promise<{ spool: TestSpool; fromUtcMs: number }> {
  const spool = new TestSpool({ quotaBytes: 16 * 2 ** 20, retention: { originalMs: 0, proxyMs: 0 } });
  spool.core.openStream(FRONT);
  const fromUtcMs = spool.clock.utc();
  await footage(spool, 0, 150);
  return { spool, fromUtcMs };
}

t.test('reels that go, oldest first', async (t) => {
  const { spool } = await overflowing();
  t.teardown(() => spool.remove());
  await footage(spool, 150, 300);
  t.ok(spool.bodies('dispose').length > 1);
  t.same(
    spool.bodies('gap').filter(({ cause }) => cause !== 'configuration'),
    [],
    'nothing was missing while it was recorded',
  );
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('with one between them that is held, and with an index that is made anew from the journal', async (t) => {
  const { spool, fromUtcMs } = await overflowing();
  t.teardown(() => spool.remove());
  const [at, reviewUtcMs] = [fromUtcMs + 80_000, fromUtcMs + 1e9];
  spool.core.hold({ holdId: 'h1', cameras: ['front'], fromUtcMs: at, toUtcMs: at + 1000, owner: 'desk', reviewUtcMs }, () => undefined);
  spool.core.commit({ force: true });
  await footage(spool, 150, 350);
  t.ok(spool.core.select([FRONT], at, at + 500).fragments.length > 0, 'still there');
  t.equal(spool.core.select([FRONT], at - 70_000, at - 60_000).fragments.length, 0, 'gone before it');
  t.equal(spool.core.select([FRONT], at + 70_000, at + 80_000).fragments.length, 0, 'and behind it');
  await spool.killed(5000, { before: (folder) => rmSync(path.join(folder, 'index.db')) });
  t.same(spool.fsck().damage, [], 'made anew');
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a reel that begins after the one before it has gone', async (t) => {
  const { spool } = await overflowing();
  t.teardown(() => spool.remove());
  const { state } = spool.core;
  await spool.clock.advance(200_000);
  spool.core.commit({ force: true });
  const [reel] = [...state.index.reelsOfStream(state.index.streamId('front'))].sort((a, b) => b.seqFirst - a.seqFirst);
  if (!reel) throw new Error('no reel');
  const body = { camera: 'front', rendition: 'original' as const, run: reel.run, seqFirst: reel.seqFirst, count: reel.count };
  state.ledger.add('dispose', { ...body, bytes: reel.bytes, root: '0'.repeat(64), reason: 'over-limit' }, { own: true });
  spool.core.commit({ force: true });
  const gone = state.index.lastGap(reel.stream, 'disposed');
  t.equal(gone && gone.fromMono + gone.duration, reel.endMono);
  spool.write(FRONT, reel.endMono + JUMP_MS, 50_000, { start90k: 150 * 90_000 });
  spool.core.commit({ force: true });
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

/** The board's own clock, which nobody vouches for, and which the recorder is told of when it is set. */
class Board {
  readonly spool = new TestSpool();

  claim(monoMs: number): WallClaim {
    const { clock } = this.spool;
    return { utcMs: clock.utc() - clock.mono() + monoMs, source: 'rtc', errorMs: 10_000 };
  }

  set(byMs: number): void {
    this.spool.clock.stepUtc(byMs);
    const atMonoMs = this.spool.clock.mono();
    this.spool.core.noteClock({ atMonoMs, offsetMs: this.spool.clock.utc() - atMonoMs, source: 'rtc', errorMs: 10_000 });
  }

  async footage(seconds: number, keyEvery = 1): Promise<void> {
    for (let at = 0; at < seconds; at += 1) {
      const startMonoMs = this.spool.clock.mono();
      await this.spool.clock.advance(1000);
      const independent = at % keyEvery === 0;
      this.spool.core.write(testFragment(this.spool.random, FRONT, { startMonoMs, independent }), this.claim(startMonoMs));
      this.spool.core.commit({ force: true });
    }
  }

  /** As the centre dates a reel: by its record. */
  starts(): number[] {
    return this.spool
      .records('catalog')
      .map(({ body, wall, monoMs }) => Math.round(body.startWall?.utcMs ?? wall.utcMs + body.startMonoMs - monoMs));
  }

  lose(seqFirst: number): void {
    const { state } = this.spool.core;
    const reel = [...state.index.reelsOfStream(state.index.streamId('front'))].find((one) => one.seqFirst === seqFirst);
    if (!reel) throw new Error(`no reel begins at ${seqFirst}`);
    const body = { camera: 'front', rendition: 'original' as const, run: reel.run, seqFirst, count: reel.count, bytes: reel.bytes };
    state.ledger.add('loss', { ...body, root: '0'.repeat(64), reason: 'no-space' }, { own: true });
    this.spool.core.commit({ force: true });
  }
}

const STEP_MS = 12 * 60_000;

t.test('a clock that is set: the reel ends at the next key frame, and each keeps its time, also when it has gone', async (t) => {
  const board = new Board();
  const { spool } = board;
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const fromUtcMs = spool.clock.utc();
  board.set(0);
  await board.footage(10, 5);
  board.set(STEP_MS);
  await board.footage(10, 5);
  await spool.killed(2000);
  spool.core.openStream(FRONT);
  spool.core.commit({ force: true });
  t.same(board.starts(), [fromUtcMs, fromUtcMs + 10_000 + STEP_MS], 'two reels, told after the kill, by the clock of each');
  for (const seqFirst of [0, 10]) board.lose(seqFirst);
  for (const from of [fromUtcMs, fromUtcMs + 10_000 + STEP_MS]) {
    const { missing, fragments } = spool.core.select([FRONT], from, from + 10_000);
    t.equal(fragments.length, 0);
    t.match(missing, [{ cause: 'lost', fromUtcMs: from, toUtcMs: from + 10_000 }]);
  }
  t.same(spool.fsck().damage, []);
});

t.test('a clock that is set between two key frames, and back: no reel of two times', async (t) => {
  const board = new Board();
  const { spool } = board;
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const fromUtcMs = spool.clock.utc();
  board.set(0);
  await board.footage(13, 5);
  board.set(STEP_MS);
  await board.footage(10, 5);
  board.set(-STEP_MS);
  await board.footage(10, 5);
  spool.core.close();
  t.same(board.starts(), [fromUtcMs, fromUtcMs + 13_000 + STEP_MS, fromUtcMs + 23_000]);
  t.equal(spool.bodies('catalog')[2]?.startWall, undefined, 'said only where the record would say something else');
  t.same(spool.fsck().damage, []);
});

t.test('a clock that nobody knows, and that is set: wagon and centre date its footage alike', async (t) => {
  const { spool } = new Board();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const bootUtcMs = Date.UTC(2019, 0, 1) - spool.clock.mono();
  const claim = (monoMs: number, byMs: number): WallClaim => ({ utcMs: bootUtcMs + byMs + monoMs, source: 'none', errorMs: 1e12 });
  spool.core.noteClock({ atMonoMs: spool.clock.mono(), offsetMs: bootUtcMs, source: 'none', errorMs: 1e12 });
  const expected: number[] = [];
  for (const byMs of [0, STEP_MS]) {
    expected.push(claim(spool.clock.mono(), byMs).utcMs);
    for (let at = 0; at < 10; at += 1) {
      const startMonoMs = spool.clock.mono();
      await spool.clock.advance(1000);
      spool.core.write(testFragment(spool.random, FRONT, { startMonoMs, independent: true }), claim(startMonoMs, byMs));
      spool.core.commit({ force: true });
    }
  }
  spool.core.close();
  const dated = spool.records('catalog').map(({ body, wall, monoMs }) => ({
    utcMs: Math.round(body.startWall?.utcMs ?? wall.utcMs + body.startMonoMs - monoMs),
    source: body.startWall?.source ?? wall.source,
  }));
  t.same(
    dated,
    expected.map((utcMs) => ({ utcMs, source: 'none' })),
    'as the centre dates its reels',
  );
  spool.reopen();
  for (const [index, from] of expected.entries()) {
    const { fragments } = spool.core.select([FRONT], from, from + 10_000);
    t.same([fragments.length, fragments[0]?.meta.seq, fragments[0]?.wall.source], [10, index * 10, 'none'], 'as the wagon does');
  }
  spool.core.close();
});
