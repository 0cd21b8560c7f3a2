/** Footage that is made on the unit: it covers no time, and its rungs have quotas and promises of their own. */
import type { Fault } from '@longroof/base/errors';
import type { StreamName } from '@longroof/protocol/fragment';
import t from 'tap';
import type { HoldOutcome } from './holds.js';
import { IndexDb } from './index-db.js';
import { FRONT, FRONT_PROXY, TestSpool } from './test-spool.js';

t.setTimeout(120_000);
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

t.test('originals and proxies keep within quotas of their own: released first, then expired, then as a loss; held ones stay', async (t) => {
  const spool = new TestSpool({
    retention: { originalMs: 1_200_000, proxyMs: 3_600_000, originalBytes: 500_000, proxyBytes: 200_000, derivedBytes: 60_000 },
  });
  t.teardown(() => spool.remove());
  for (const stream of [FRONT, FRONT_PROXY]) spool.core.openStream(stream);
  const [fromUtcMs, beginMonoMs] = [spool.clock.utc(), spool.clock.mono()];
  const minute = async (original: number, proxy: number): Promise<void> => {
    for (let second = 0; second < 60; second += 10) {
      const startMonoMs = spool.clock.mono();
      await spool.clock.advance(10_000);
      spool.write(FRONT, startMonoMs, original, { durationMs: 10_000 });
      spool.write(FRONT_PROXY, startMonoMs, proxy, { durationMs: 10_000 });
      spool.core.commit();
    }
  };
  for (let n = 0; n < 8; n++) await minute(8000, 400);
  await spool.clock.advance(30_000);
  spool.core.commit({ force: true });
  const hold = {
    holdId: 'h1',
    cameras: ['front'],
    fromUtcMs: fromUtcMs + 65_000,
    toUtcMs: fromUtcMs + 70_000,
    owner: 'desk',
    reviewUtcMs: 1e15,
  };
  spool.core.hold(hold, () => undefined);
  const released = spool.core.select([FRONT], fromUtcMs + 190_000, fromUtcMs + 230_000).fragments;
  const whole = spool.core.select([FRONT], 0, 1e15).fragments.filter(({ reelPath }) => reelPath === released[0]?.reelPath);
  for (const { meta } of whole) spool.core.release(meta, () => undefined);
  spool.core.commit({ force: true });
  t.same([...spool.bodies('dispose'), ...spool.bodies('loss')], [], 'within the quotas nothing goes');
  for (const second of [1, 2, 3, 4]) spool.write({ camera: 'front', rendition: 'derived' }, beginMonoMs + second * 1000, 30_000);
  for (let n = 0; n < 6; n++) await minute(8000, 400);
  await spool.clock.advance(900_000);
  for (let n = 0; n < 4; n++) await minute(8000, 400);
  const gone = [...spool.records('dispose'), ...spool.records('loss')]
    .sort((a, b) => a.seq - b.seq)
    .filter(({ body }) => body.rendition === 'original')
    .map(({ type, body }) => [type, body.reason, body.seqFirst]);
  t.same(gone[0], ['dispose', 'released', whole[0]?.meta.seq], 'what the centre has goes first');
  t.same(gone[1]?.slice(0, 2), ['loss', 'over-limit'], 'what was promised goes as a loss');
  t.ok(
    gone.some(([type, reason]) => type === 'dispose' && reason === 'expired'),
    'and what is past its promise as expired',
  );
  t.ok(spool.bodies('event').some(({ event, detail }) => event === 'footage-lost' && detail?.['why'] === 'over-limit'));
  t.ok((spool.core.state.rungBytes[0] ?? 0) <= 560_000, `originals take ${spool.core.state.rungBytes[0]} bytes`);
  t.ok(spool.core.select([FRONT], hold.fromUtcMs, hold.toUtcMs).fragments.length > 0, 'what is held is there');
  t.same(
    spool.bodies('loss').filter(({ rendition }) => rendition !== 'original'),
    [],
    'no proxy was lost for the originals',
  );
  const derived = spool.bodies('dispose').filter(({ rendition }) => rendition === 'derived');
  t.ok(derived.length >= 1 && derived.every(({ reason }) => reason === 'over-limit'), 'copies keep within theirs');
  const before = [...spool.core.state.rungBytes];
  await spool.killed(1000);
  t.ok(Math.abs((spool.core.state.rungBytes[0] ?? 0) - (before[0] ?? 0)) < 60_000, 'counted anew after a kill');
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a quota that only held footage fills is looked at once a minute, and loses nothing', async (t) => {
  const spool = new TestSpool({ retention: { originalMs: 0, proxyMs: 0, originalBytes: 20_000 } });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const hold = { holdId: 'h', cameras: ['front'], fromUtcMs: 0, toUtcMs: 1e15, owner: 'desk', reviewUtcMs: 1e15 };
  spool.core.hold(hold, () => undefined);
  await spool.footage(FRONT, 200);
  t.same([...spool.bodies('dispose'), ...spool.bodies('loss')], []);
  t.ok((spool.core.state.rungBytes[0] ?? 0) > 20_000);
  t.ok(spool.core.state.rungsAtMonoMs !== undefined);
});

t.test('what was not sent: newest reel first, of one rung or held, until a receipt has freed it', async (t) => {
  const spool = new TestSpool({ quotaBytes: 256 * 2 ** 20 });
  t.teardown(() => spool.remove());
  for (const stream of [FRONT, FRONT_PROXY]) spool.core.openStream(stream);
  const fromUtcMs = spool.clock.utc();
  for (let second = 0; second < 310; second += 10)
    for (const stream of [FRONT, FRONT_PROXY]) {
      if (stream === FRONT) await spool.clock.advance(10_000);
      spool.write(stream, spool.clock.mono() - 10_000, 400, { durationMs: 10_000 });
      spool.core.commit();
    }
  const all = (what: 'held' | 'original' | 'proxy' | 'strip') => {
    const found: { rendition: string; seq: number; placed: boolean }[] = [];
    for (let next: number | undefined = Number.MAX_SAFE_INTEGER; next !== undefined; ) {
      const { fragments, next: after }: ReturnType<typeof spool.core.unsent> = spool.core.unsent(what, next);
      found.push(...fragments.map(({ meta, place }) => ({ rendition: meta.rendition, seq: meta.seq, placed: place !== undefined })));
      next = after;
    }
    return found;
  };
  const originals = all('original');
  t.ok(originals.length >= 24 && originals.every(({ rendition, placed }) => rendition === 'original' && placed));
  t.ok((originals[0]?.seq ?? 0) > (originals.at(-1)?.seq ?? 0), 'the newest reel first');
  t.equal(new Set(originals.map(({ seq }) => seq)).size, originals.length, 'each once');
  t.ok(
    originals.every(({ seq }) => seq < 30),
    'nothing of the reel that is being written',
  );
  t.same([all('strip'), all('held')], [[], []]);
  spool.core.hold(
    { holdId: 'h1', cameras: ['front'], fromUtcMs: fromUtcMs + 70_000, toUtcMs: fromUtcMs + 71_000, owner: 'desk', reviewUtcMs: 1e15 },
    () => undefined,
  );
  spool.core.commit({ force: true });
  t.same([...new Set(all('held').map(({ rendition }) => rendition))].sort(), ['original', 'proxy']);
  for (const { meta } of spool.core.select([FRONT], 0, fromUtcMs + 100_000).fragments) spool.core.release(meta, () => undefined);
  spool.core.commit({ force: true });
  t.equal(all('original').length, originals.length - 10);
  t.ok(all('proxy').length >= 24);
});

t.test('the commit finds disposed reels by their index, however many reels there are', async (t) => {
  const index = new IndexDb(':memory:');
  const texts: string[] = [];
  const prepare = index.db.prepare.bind(index.db);
  index.db.prepare = ((text: string) => {
    texts.push(text);
    return prepare(text);
  }) as typeof index.db.prepare;
  index.goneReels();
  const plan = prepare(`EXPLAIN QUERY PLAN ${texts[0]}`).all(2) as { detail: string }[];
  t.match(plan.map(({ detail }) => detail).join(), /^SEARCH reels USING INDEX reels_state/);
  index.close();
});
