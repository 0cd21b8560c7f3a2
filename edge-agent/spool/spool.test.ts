import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fault } from '@longroof/base/errors';
import type { GapBody } from '@longroof/protocol/journal';
import { eventId } from '@longroof/protocol/marks';
import t from 'tap';
import type { HoldOutcome } from './holds.js';
import { chooseReels } from './retention.js';
import type { ReelRow } from './rows.js';
import { FRONT, FRONT_PROXY, TestSpool } from './test-spool.js';

const short = ({ cause, fromMonoMs, durationMs }: GapBody): [string, number, number] => [cause, fromMonoMs, durationMs];

t.test('S1: a fragment is indexed and claimed only after its bytes and its directory entry are synced', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const order: string[] = [];
  spool.faults.judge = (operation, file) => {
    if (operation === 'datasync' || operation === 'syncDirectory')
      order.push(`${operation} ${path.basename(file).replace(/^[0-9a-f]{32}-/, '')}`);
    const rows = spool.core.state.index.maxIds().fragment;
    if (rows > 0) order.push('indexed too early');
    return undefined;
  };
  spool.write(FRONT, spool.clock.mono());
  t.same(spool.core.commit().durable, [{ stream: FRONT, seq: 0, endMonoMs: 61_000 }]);
  t.same(order.slice(0, 3), ['datasync 000001-0000000000.mp4', 'syncDirectory reels', 'syncDirectory front']);
  t.equal(spool.core.state.index.maxIds().fragment, 1);

  for (const refused of ['datasync', 'syncDirectory'] as const) {
    await spool.clock.advance(70_000);
    spool.faults.judge = (operation, file) => (operation === refused && file.includes('reels') ? { code: 'EIO' } : undefined);
    spool.write(FRONT, spool.clock.mono());
    t.same(spool.core.commit({ force: true }).durable, [], `${refused} failed: nothing is claimed`);
    t.equal(spool.core.state.diskState.state, 'failing');
    spool.faults.judge = () => undefined;
    await spool.clock.advance(1000);
    spool.core.commit({ force: true });
    t.equal(spool.core.state.diskState.state, 'ok');
  }
  t.equal(spool.core.state.index.maxIds().fragment, 1);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test(
  'S2: after a kill, verified fragments without a row are pending, the rest is cut off and is a gap with the right cause',
  async (t) => {
    const spool = new TestSpool();
    t.teardown(() => spool.remove());
    spool.core.openStream(FRONT);
    await spool.footage(FRONT, 5);
    spool.write(FRONT, spool.clock.mono());
    await spool.killed(4000, {
      before: (folder) => {
        const reel = readdirSync(path.join(folder, 'reels/front'))[0]!;
        writeFileSync(path.join(folder, 'reels/front', reel), Buffer.from('half a fragment'), { flag: 'a' });
      },
    });
    t.match(spool.bodies('run').at(-1), { ended: 'agent-restart' });
    t.match(spool.bodies('event').at(-1), { event: 'spool-recovered', detail: { addedFragments: 1, cutBytes: 15 } });
    t.same(spool.bodies('gap').map(short), [['agent-restart', 66_000, 3000]]);
    t.match(spool.bodies('catalog'), [{ camera: 'front', run: 1, count: 6 }]);
    const found = spool.core.select([FRONT], 0, Number.MAX_SAFE_INTEGER);
    t.equal(found.fragments.length, 6);
    t.ok(found.fragments.every((fragment) => !fragment.released));

    spool.core.openStream(FRONT);
    spool.core.noteCause(FRONT, 'camera-unreachable', spool.clock.mono() + 500);
    await spool.clock.advance(3000);
    spool.core.commit();
    const utcMs = spool.clock.utc();
    await spool.killed(30_000, { boot: 'boot-2', powerCut: true });
    t.match(spool.bodies('run').at(-1), { ended: 'power-cut' });
    const gaps = spool.bodies('gap').slice(1);
    t.match(gaps, [{ cause: 'camera-unreachable' }, { cause: 'power-cut' }], 'the gap before the cut keeps its own cause');
    t.equal(gaps.at(-1)?.fromWall?.utcMs, utcMs, 'a gap across a boot says when it began');
    t.equal(gaps.at(-1)!.fromMonoMs + gaps.at(-1)!.durationMs, 9000);
    spool.core.close();
    t.same(spool.fsck().damage, []);
  },
);

t.test('S2: an index that is lost or broken is made anew from reels and journal, and nothing differs', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  spool.core.noteClock({ atMonoMs: 60_000, offsetMs: spool.clock.utc() - spool.clock.mono(), source: 'gnss', errorMs: 5 });
  await spool.footage(FRONT, 70);
  await spool.clock.advance(5000);
  await spool.footage(FRONT, 70);
  spool.core.close();
  const utcMs = spool.clock.utc();
  const before = (): unknown => {
    const { fragments, missing } = spool.core.select([FRONT], utcMs - 1e6, utcMs);
    return { fragments: fragments.map(({ meta, wall, offset }) => ({ meta, wall, offset })), missing };
  };
  spool.reopen();
  const whole = before();
  t.match(whole, { missing: [{ cause: 'configuration' }, { cause: 'camera-stalled' }] });
  for (const spoil of ['remove', 'rubbish', 'cut'] as const) {
    await spool.killed(0, {
      before: (folder) => {
        const index = path.join(folder, 'index.db');
        for (const end of ['-wal', '-shm']) rmSync(index + end, { force: true });
        if (spoil === 'remove') rmSync(index);
        else writeFileSync(index, spoil === 'rubbish' ? Buffer.alloc(50_000, 7) : Buffer.alloc(0));
      },
    });
    t.same(before(), whole, spoil);
    t.match(spool.bodies('event').at(-1), { event: 'spool-recovered', detail: { indexRebuilt: true } });
  }
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S2: a journal that is lost or broken is never repaired in silence: a new epoch names the end of the old one', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 3);
  spool.core.close();
  const old = { epoch: spool.core.identity.epoch, seq: spool.core.state.ledger.next - 1, hash: spool.core.state.ledger.head };
  rmSync(path.join(spool.options.path, 'journal'), { recursive: true });
  spool.reopen();
  t.not(spool.core.identity.epoch, old.epoch);
  t.match(spool.bodies('genesis'), [{ previous: old }]);
  const { fragments } = spool.core.select([FRONT], 0, spool.clock.utc());
  t.match(
    fragments.map((fragment) => fragment.meta.epoch),
    [old.epoch, old.epoch, old.epoch],
    'footage of the old epoch stays',
  );
  t.ok(spool.core.read(fragments[0]!).length > 0);
  spool.core.close();
  t.same(spool.fsck().damage, []);

  const second = spool.core.identity.epoch;
  const segment = path.join(spool.options.path, 'journal', readdirSync(path.join(spool.options.path, 'journal'))[0]!);
  const lines = spool.faults.disk.readFile(segment).toString().replace('"stopped"', '"starting"').replace('spool-closed', 'spool-opened');
  writeFileSync(segment, lines);
  rmSync(path.join(spool.options.path, 'index.db'));
  spool.reopen();
  t.not(spool.core.identity.epoch, second);
  t.match(spool.bodies('genesis'), [{ previous: { epoch: second } }]);
  t.match(spool.bodies('event')[0], { event: 'spool-new-epoch' });
  spool.core.close();
  t.match(spool.fsck().damage, [{ what: 'journal-chain' }]);

  spool.options = { ...spool.options, unit: 'wagon-8' };
  const third = spool.core.identity.epoch;
  spool.reopen();
  t.not(spool.core.identity.epoch, third, 'a card in another wagon begins anew');
  spool.core.close();
});

t.test('S4: released footage goes first, then what is past its promise, and a broken promise is a loss on record', async (t) => {
  const spool = new TestSpool({ quotaBytes: 16 * 2 ** 20, retention: { originalMs: 5 * 60_000, proxyMs: 30 * 60_000 } });
  t.teardown(() => spool.remove());
  for (const stream of [FRONT, FRONT_PROXY]) spool.core.openStream(stream);
  const minute = async (payloadBytes: number): Promise<void> => {
    for (let index = 0; index < 60; index += 10) {
      const startMonoMs = spool.clock.mono();
      for (let second = 0; second < 10; second++) {
        spool.write(FRONT, startMonoMs + second * 1000, payloadBytes);
        spool.write(FRONT_PROXY, startMonoMs + second * 1000, 1000);
      }
      await spool.clock.advance(10_000);
      spool.core.commit();
    }
  };
  await minute(20_000);
  await minute(20_000);
  // The second minute's originals are at the centre.
  const { fragments } = spool.core.select([FRONT], 0, Number.MAX_SAFE_INTEGER);
  for (const fragment of fragments.filter(({ meta }) => meta.seq >= 60)) spool.core.release(fragment.meta, () => {});
  for (let index = 0; index < 25; index++) await minute(20_000);
  const disposed = [...spool.records('dispose'), ...spool.records('loss')].sort((a, b) => a.seq - b.seq);
  const of = (reason: string): number[] => disposed.filter(({ body }) => body.reason === reason).map(({ body }) => body.seqFirst);
  t.equal(disposed[0]?.body.reason, 'released');
  t.same(of('released'), [60]);
  t.equal(disposed[1]?.body.reason, 'expired', 'then the oldest that nobody asked for');
  t.same(of('expired').slice(0, 2), [0, 120]);
  t.same(of('no-space'), []);
  t.ok(
    disposed.every(({ body }) => body.rendition === 'original'),
    'proxies keep their longer promise',
  );
  t.ok(spool.core.state.reelBytes < 16 * 2 ** 20);
  for (let index = 0; index < 4; index++) await minute(120_000);
  const losses = spool.bodies('loss');
  t.ok(losses.length > 0 && losses.every((body) => body.reason === 'no-space'));
  t.match(spool.bodies('event').at(-1), { event: 'footage-lost' });
  const { missing } = spool.core.select([FRONT], 0, Number.MAX_SAFE_INTEGER);
  t.same(new Set(missing.map(({ cause }) => cause)), new Set(['configuration', 'disposed', 'lost']));
  spool.core.close();
  const report = spool.fsck();
  t.same(report.damage, []);
  spool.reopen();
  t.equal(spool.core.state.reelBytes, spool.core.state.index.totals().fileBytes);
});

t.test('S4: the choice is by release, then age, then rung', async (t) => {
  const reel = (id: number, rung = 0): ReelRow => ({ id, rung, fileBytes: 10 }) as ReelRow;
  const candidates = {
    released: [reel(7)],
    originals: [reel(1), reel(3), reel(7)],
    proxies: [reel(2, 1), reel(4, 1)],
    derived: [reel(6, 2)],
    strips: [reel(5, 3)],
  };
  const reasons = (bytes: number, expired: number[]): string[] =>
    chooseReels(candidates, bytes, (row) => expired.includes(row.id)).map(({ reel: { id }, reason }) => `${id} ${reason}`);
  t.same(reasons(5, []), ['7 released']);
  t.same(reasons(30, [2]), ['7 released', '2 expired', '1 no-space']);
  t.same(reasons(1000, []), ['7 released', '1 no-space', '3 no-space', '2 no-space', '4 no-space', '5 no-space']);
  t.same(reasons(30, [2, 6]), ['7 released', '2 expired', '6 expired'], 'copies make room, in their turn, before anything is lost');
});

t.test('S6: holds take at most half, are never recycled, and survive the loss of the index', async (t) => {
  const spool = new TestSpool({ quotaBytes: 16 * 2 ** 20, retention: { originalMs: 0, proxyMs: 0 } });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  const hold = (holdId: string, fromUtcMs: number, toUtcMs: number): HoldOutcome => {
    let outcome: HoldOutcome | Fault | undefined;
    const request = { holdId, cameras: ['front'], fromUtcMs, toUtcMs, owner: 'desk', reviewUtcMs: toUtcMs + 1e9 };
    spool.core.hold(request, (answer) => {
      outcome = answer;
    });
    spool.core.commit({ force: true });
    if (!outcome || outcome instanceof Fault) throw outcome ?? new Error('no answer');
    return outcome;
  };
  const startUtcMs = spool.clock.utc();
  await spool.footage(FRONT, 120, 50_000);
  t.match(hold('h1', startUtcMs, startUtcMs + 1000), { placed: true });
  t.match(hold('h1', startUtcMs, startUtcMs + 1000), { placed: true }, 'again changes nothing');
  await spool.footage(FRONT, 130, 50_000);
  const refused = hold('h2', 0, spool.clock.utc());
  t.match(refused, { placed: false, reason: /holds may keep 8388608 bytes/ });
  const event = eventId('0b8a1c7e-0000-4000-8000-000000000000');
  t.match(
    hold(event, 0, spool.clock.utc()),
    { placed: false, reason: /holds of events may keep 6291456 bytes/ },
    'events leave a part to people',
  );
  t.match(spool.bodies('hold'), [
    { holdId: 'h1', action: 'placed' },
    { holdId: 'h2', action: 'refused' },
    { holdId: event, action: 'refused' },
  ]);
  await spool.killed(0, { before: (folder) => rmSync(path.join(folder, 'index.db')) });
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 300, 50_000);
  t.equal(spool.core.select([FRONT], startUtcMs, startUtcMs + 5000).fragments.length, 5, 'the oldest of all is still there');
  t.ok(spool.bodies('dispose').length > 0);
  let lifted: boolean | Fault | undefined;
  spool.core.releaseHold('h1', (answer) => {
    lifted = answer;
  });
  await spool.footage(FRONT, 120, 50_000);
  t.equal(lifted, true);
  t.equal(spool.core.select([FRONT], startUtcMs, startUtcMs + 5000).fragments.length, 0);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S7: stray files stop nothing, and a disk that is full, read-only or failing is a state that passes', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 2);
  spool.core.close();
  const { path: root } = spool.options;
  mkdirSync(path.join(root, 'lost+found'));
  mkdirSync(path.join(root, 'reels/front/0.mp4'));
  mkdirSync(path.join(root, 'reels/UPPER'));
  for (const stray of ['notes.txt', 'reels/x.mp4', 'reels/front/holiday.mp4', 'journal/readme', 'reels/front/.fuse_hidden'])
    writeFileSync(path.join(root, stray), 'not ours');
  spool.reopen();
  t.equal(spool.core.state.recovered.findings.stray.length, 7);
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 2);
  for (const [code, state, cause] of [
    ['ENOSPC', 'full', 'disk-full'],
    ['EROFS', 'read-only', 'disk-failed'],
    ['EIO', 'failing', 'disk-failed'],
  ] as const) {
    spool.faults.judge = (operation) => (operation === 'read' ? undefined : { code, torn: 100 });
    await spool.footage(FRONT, 5);
    t.equal(spool.core.state.diskState.state, state);
    t.equal(spool.write(FRONT, spool.clock.mono()), false, 'what comes is dropped, not kept in memory');
    spool.faults.judge = () => undefined;
    await spool.footage(FRONT, 3);
    t.equal(spool.core.state.diskState.state, 'ok', 'records again');
    t.match(spool.bodies('gap').at(-1), { cause });
  }
  const stopped = spool.core.state.fragments;
  t.ok(stopped >= 2 + 2 + 3 * 2);
  spool.core.close();
  const report = spool.fsck();
  t.same(report.damage, []);
  t.equal(report.notes.filter((note) => note.what === 'stray').length, 8);
});

t.test('S7: a spool on a full disk opens, says so, and records as soon as there is room', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 2);
  spool.core.close();
  spool.faults.judge = (operation) => (operation === 'append' || operation === 'openAppend' ? { code: 'ENOSPC' } : undefined);
  await spool.clock.advance(3000);
  spool.reopen();
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 3);
  t.equal(spool.core.state.diskState.state, 'full');
  t.equal(spool.core.select([FRONT], 0, spool.clock.utc()).fragments.length, 2, 'what is there can be read');
  spool.faults.judge = () => undefined;
  await spool.footage(FRONT, 3);
  t.equal(spool.core.state.diskState.state, 'ok');
  t.match(spool.bodies('run'), [{ ended: 'first' }, { ended: 'clean' }]);
  t.match(spool.bodies('gap'), [{ cause: 'stopped', durationMs: 3000 }, { cause: 'disk-full' }]);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S5: gaps have the cause that was noted, from the end of the last fragment on; long ones are told while they last', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await spool.clock.advance(2000);
  await spool.footage(FRONT, 3);
  await spool.clock.advance(5000);
  spool.core.noteCause(FRONT, 'camera-stalled', spool.clock.mono());
  for (let index = 0; index < 20; index++) {
    await spool.clock.advance(1000);
    spool.core.commit();
  }
  const open = spool.bodies('gap');
  t.same(
    open.map(({ cause }) => cause),
    ['starting', 'camera-stalled'],
    'reported while it lasts',
  );
  const { missing } = spool.core.select([FRONT], spool.clock.utc() - 20_000, spool.clock.utc());
  t.match(missing, [{ cause: 'camera-stalled' }]);
  t.equal(missing.length, 1);
  await spool.footage(FRONT, 1);
  const gaps = spool.bodies('gap').map(short);
  t.same(gaps[0], ['starting', 60_000, 2000]);
  t.equal(
    gaps.slice(1).reduce((sum, [, , durationMs]) => sum + durationMs, 0),
    25_000,
  );
  spool.core.closeStream(FRONT, 'configuration');
  spool.core.commit();
  await spool.clock.advance(60_000);
  spool.core.openStream(FRONT);
  await spool.footage(FRONT, 1);
  t.same(spool.bodies('gap').map(short).at(-1), ['configuration', spool.clock.mono() - 61_000, 60_000]);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a clock that is set later moves the footage from before, and what is missing with it', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  const wrong = { utcMs: Date.UTC(2016, 0, 1), source: 'rtc', errorMs: 3_600_000 } as const;
  spool.core.openStream(FRONT);
  for (let index = 0; index < 10; index++) {
    const startMonoMs = spool.clock.mono();
    await spool.clock.advance(1000);
    const { testFragment } = await import('./test-fragments.js');
    spool.core.write(testFragment(spool.random, FRONT, { startMonoMs }), { ...wrong, utcMs: wrong.utcMs + index * 1000 });
    spool.core.commit();
  }
  const trueUtcMs = Date.UTC(2026, 10, 23, 14, 5);
  spool.core.noteClock({ atMonoMs: spool.clock.mono(), offsetMs: trueUtcMs - spool.clock.mono(), source: 'gnss', errorMs: 5 });
  spool.core.noteClock({ atMonoMs: spool.clock.mono() + 1, offsetMs: trueUtcMs - spool.clock.mono(), source: 'gnss', errorMs: 5 });
  spool.core.commit({ force: true });
  t.equal(spool.records('clock').length, 1, 'an anchor that says nothing new is not recorded');
  t.equal(spool.core.select([FRONT], wrong.utcMs, wrong.utcMs + 20_000).fragments.length, 0);
  const found = spool.core.select([FRONT], trueUtcMs - 60_000, trueUtcMs);
  t.equal(found.fragments.length, 10);
  t.match(found.fragments[0]?.wall, { source: 'gnss', utcMs: trueUtcMs - 10_000 });
  t.match(found.missing, [{ cause: 'configuration', fromUtcMs: trueUtcMs - 60_000, toUtcMs: trueUtcMs - 10_000 }]);
  spool.core.close();
});
