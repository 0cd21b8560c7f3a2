/** Footage that is made on the unit: it covers no time, and its rungs have quotas and promises of their own. */
import type { Fault } from '@longroof/base/errors';
import type { StreamName } from '@longroof/protocol/fragment';
import t from 'tap';
import type { HoldOutcome } from './holds.js';
import { FRONT, TestSpool } from './test-spool.js';

const STRIP: StreamName = { camera: 'front', rendition: 'strip' };
const DERIVED: StreamName = { camera: 'front', rendition: 'derived' };

t.test('strips keep within their own quota, oldest first, and leave no gap', async (t) => {
  const stripBytes = 200_000;
  const spool = new TestSpool({ retention: { originalMs: 3_600_000, proxyMs: 3_600_000, stripMs: 0, stripBytes } });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  for (let minute = 0; minute < 20; minute++) {
    const startMonoMs = spool.clock.mono();
    await spool.footage(FRONT, 60);
    spool.write(STRIP, startMonoMs, 30_000, { durationMs: 60_000 });
    spool.core.commit();
  }
  await spool.clock.advance(70_000);
  spool.core.commit();
  const disposed = spool.bodies('dispose');
  t.ok(disposed.length >= 10, `${disposed.length} of 20 strips are gone`);
  t.ok(disposed.every(({ rendition, reason }) => rendition === 'strip' && reason === 'over-limit'));
  t.same(
    disposed.map(({ seqFirst }) => seqFirst),
    disposed.map((_, index) => index),
    'the oldest',
  );
  t.ok((spool.core.state.rungBytes[3] ?? 0) <= stripBytes + 60_000);
  t.same(
    spool.bodies('gap').filter(({ rendition }) => rendition !== 'original'),
    [],
  );
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('copies of any time, in any order, are no hole; a receipt over one frees nothing else', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const beginMonoMs = spool.clock.mono();
  await spool.footage(FRONT, 30);
  for (const second of [20, 21, 5, 6, 20]) spool.write(DERIVED, beginMonoMs + second * 1000);
  await spool.footage(FRONT, 10);
  const select = (stream: StreamName) => spool.core.select([stream], 0, Number.MAX_SAFE_INTEGER).fragments;
  t.same(
    select(DERIVED)
      .map(({ meta }) => meta.seq)
      .sort(),
    [0, 1, 2, 3, 4],
  );
  for (const { meta } of select(DERIVED)) spool.core.release(meta, (outcome) => t.equal(outcome, true));
  spool.core.commit({ force: true });
  t.equal(select(DERIVED).filter((one) => one.released).length, 5);
  t.equal(select(FRONT).filter((one) => one.released).length, 0);
  t.same(spool.bodies('gap').filter(({ rendition }) => rendition === 'derived').length, 0);
  await spool.killed(5000, { boot: 'boot-2', powerCut: true });
  t.equal(select(DERIVED).length, 5);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a hold keeps what the camera sent; copies and strips only where it says so', async (t) => {
  const spool = new TestSpool({ quotaBytes: 64 * 2 ** 20 });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const [fromUtcMs, startMonoMs] = [spool.clock.utc(), spool.clock.mono()];
  const made = (): void => {
    for (const stream of [STRIP, DERIVED]) spool.write(stream, startMonoMs + 1000, 30_000);
    spool.core.commit({ force: true });
  };
  await spool.footage(FRONT, 120);
  made();
  const hold = (holdId: string, more: { made?: true } = {}): HoldOutcome => {
    let outcome: HoldOutcome | Fault | undefined;
    const request = { holdId, cameras: ['front'], fromUtcMs, toUtcMs: fromUtcMs + 60_000, owner: 'desk', reviewUtcMs: fromUtcMs + 1e9 };
    spool.core.hold({ ...request, ...more }, (answer) => {
      outcome = answer;
    });
    spool.core.commit({ force: true });
    return outcome as HoldOutcome;
  };
  const heldStreams = (): string[] => {
    const { index } = spool.core.state;
    const held = index.streams().filter(({ id }) => [...index.reelsOfStream(id)].some((reel) => index.isHeld(reel.id)));
    return held.map(({ name }) => name).sort();
  };
  const plain = hold('h1');
  t.match(plain, { placed: true });
  t.same(heldStreams(), ['front']);
  made();
  t.same(heldStreams(), ['front'], 'nor those that are made later');
  t.match(hold('h2', { made: true }), { placed: true });
  t.same(heldStreams(), ['front', 'front.derived', 'front.strip']);
  t.same(
    spool.bodies('hold').map((body) => body.made),
    [undefined, true],
  );
  spool.core.close();
  t.same(spool.fsck().damage, []);
});
