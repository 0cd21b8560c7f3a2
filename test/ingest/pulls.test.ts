/** Pulls: asked for, waited for, carried out, ended. */
import { PULLS_MAX } from '@longroof/protocol/messages';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Centre, startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS } from './scripted-unit.js';

async function prepared(t: Test): Promise<{ centre: Centre; unit: ScriptedUnit; ask: (more?: object) => Promise<string> }> {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const fromUtcMs = unit.utcOf(START_MONO_MS);
  const ask = (more: object = {}) =>
    centre.pulls.create('anna', {
      ...{ unitId: 'wagon-1', cameras: ['front'], fromUtcMs, toUtcMs: fromUtcMs + 10_000, rendition: 'proxy', reason: 'a reason' },
      ...more,
    });
  return { centre, unit, ask };
}

const stream = { camera: 'front', rendition: 'proxy' as const };

t.test('what cannot be asked for is refused with its code', async (t) => {
  const { centre, ask } = await prepared(t);
  const now = Date.now();
  await t.rejects(ask({ unitId: 'wagon-2' }), { code: 'LR_UNIT_UNKNOWN', kind: 'not-found' });
  await t.rejects(ask({ cameras: ['front', 'roof'] }), { code: 'LR_CAMERA_UNKNOWN' });
  await t.rejects(ask({ cameras: [] }), { code: 'LR_CAMERA_UNKNOWN' });
  await t.rejects(ask({ cameras: ['../x'] }), { code: 'LR_CAMERA_UNKNOWN' });
  await t.rejects(ask({ fromUtcMs: now - 10, toUtcMs: now - 20 }), { code: 'LR_PULL_SPAN' });
  await t.rejects(ask({ fromUtcMs: now - 25 * 3_600_000, toUtcMs: now }), { code: 'LR_PULL_SPAN' });
  await t.rejects(ask({ fromUtcMs: Number.NaN, toUtcMs: now }), { code: 'LR_PULL_SPAN' });
  await t.rejects(ask({ fromUtcMs: now + 5000, toUtcMs: now + 6000 }), { code: 'LR_PULL_FUTURE' });
  await t.rejects(ask({ fromUtcMs: now - 5000, toUtcMs: now + 600_000 }), { code: 'LR_PULL_FUTURE' });
  await t.rejects(ask({ reason: '  ' }), { code: 'LR_PULL_REASON' });
  await t.rejects(ask({ reason: 'x'.repeat(501) }), { code: 'LR_PULL_REASON' });
  await t.rejects(ask({ rendition: 'derived' }), { code: 'LR_RENDITION_UNKNOWN' });
  for (const more of [{ rateBps: 1 }, { rateBps: 300_000.5 }, { rateBps: 300_000, rendition: 'strip' }])
    await t.rejects(ask(more), { code: 'LR_PULL_RATE' });
  t.same(await centre.pulls.list(), []);
  t.equal(await centre.pulls.get('none'), undefined);
});

t.test('asked of a wagon that is away it waits, and goes out when it is back, under a rising generation', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  await unit.cut();
  await until('offline', () => !centre.ingest.isOnline('wagon-1'));
  const id = await ask({ caseNumber: ' C-1 ', cameras: ['front', 'front'] });
  t.match(await centre.pulls.get(id), {
    ...{ state: 'waiting', waitingSince: /^20..-.*Z$/, person: 'anna', quality: 'proxy', caseNumber: 'C-1' },
    ...{ cameras: ['front'], parts: [], missing: [], bytesTotal: null },
  });
  await unit.connect();
  await unit.hello(41);
  const desired = await until('desired', () => unit.desired[0]);
  t.match(desired.statement, { generation: 42, epoch: unit.epoch, pulls: [{ pullId: id }] }, 'above what the unit has seen');
  t.match(await centre.pulls.get(id), { state: 'queued' });
  const later = await ask({ reason: 'another' });
  const second = await until('desired again', () => unit.desired[1]);
  t.match(second.statement, { generation: 43, pulls: [{ pullId: id }, { pullId: later }] });
  t.same(
    (await centre.pulls.list()).map((pull) => pull.id),
    [later, id],
  );
  await unit.end();
});

t.test('time that was never recorded: done, with what is missing and why', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const id = await ask();
  const missing = [
    { ...stream, fromUtcMs: unit.utcOf(START_MONO_MS), toUtcMs: unit.utcOf(START_MONO_MS) + 10_000, cause: 'power-cut' as const },
  ];
  unit.record('done', { pullId: id, state: 'planned', parts: [], missing });
  unit.record('done', { pullId: id, state: 'complete' });
  await unit.sendJournal(2);
  t.match(await centre.pulls.get(id), {
    state: 'done',
    ended: /Z$/,
    bytesDone: 0,
    bytesTotal: 0,
    missing: [{ camera: 'front', cause: 'power-cut' }],
  });
  await unit.end();
});

t.test('refused by the unit: failed with its code; a late plan changes nothing', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const id = await ask();
  unit.record('done', { pullId: id, state: 'refused', code: 'LR_PULL_PARTS' });
  unit.record('done', { pullId: id, state: 'planned', parts: [{ ...stream, run: 1, seqFirst: 0, seqLast: 3, bytes: 40 }] });
  await unit.sendJournal(2);
  t.match(await centre.pulls.get(id), { state: 'failed', problem: { code: 'LR_PULL_PARTS' }, bytesTotal: null });
  await unit.end();
});

t.test('partial: done with what came; planned again after a new disk: the new plan counts', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const id = await ask();
  const part = { ...stream, run: 1, seqFirst: 0, seqLast: 3, bytes: 4000 };
  unit.record('done', { pullId: id, state: 'planned', parts: [part] });
  await unit.sendJournal(2);
  await unit.upload(unit.fragment(0, Buffer.alloc(1000)));
  t.match(await centre.pulls.get(id), {
    state: 'running',
    bytesDone: 1000,
    bytesTotal: 4000,
    parts: [{ bytesDone: 1000, bytesTotal: 4000 }],
  });
  await unit.cut();
  await until('waiting', async () => (await centre.pulls.get(id))?.state === 'waiting');
  // A new disk: another epoch, another journal, another plan.
  unit.epoch = 'd'.repeat(32);
  unit.records.length = 0;
  unit.desired.length = 0;
  await unit.join();
  t.match((await until('desired', () => unit.desired[0])).statement, { epoch: 'd'.repeat(32), pulls: [{ pullId: id }] });
  unit.record('done', { pullId: id, state: 'planned', parts: [{ ...part, seqLast: 1, bytes: 1500 }] });
  await unit.sendJournal(2);
  await unit.upload(unit.fragment(0, Buffer.alloc(700)));
  t.match(await centre.pulls.get(id), { state: 'running', bytesDone: 700, bytesTotal: 1500 });
  unit.record('done', { pullId: id, state: 'partial' });
  await unit.sendJournal(3);
  t.match(await centre.pulls.get(id), { state: 'done', bytesDone: 700, bytesTotal: 1500 });
  await unit.end();
});

t.test('partial: what was planned and did not come is missing, with its time and a cause', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const id = await ask();
  const initSha256 = unit.fragment(0, Buffer.alloc(1)).meta.initSha256;
  const reel = { camera: 'front', rendition: 'proxy' as const, run: 1, seqFirst: 0, count: 10, bytes: 10, root: 'a'.repeat(64) };
  unit.record('catalog', { ...reel, startMonoMs: START_MONO_MS, durationMs: 10_000, initSha256, codec: 'avc1.64001f', lostPackets: 0 });
  unit.record('done', { pullId: id, state: 'planned', parts: [{ ...stream, run: 1, seqFirst: 0, seqLast: 9, bytes: 1000 }] });
  await unit.sendJournal(2);
  for (const seq of [0, 1, 4, 5]) await unit.upload(unit.fragment(seq, Buffer.alloc(100, seq)));
  unit.record('loss', { ...reel, reason: 'no-space' });
  unit.record('done', { pullId: id, state: 'partial' });
  await unit.sendJournal(4);
  const at = (seq: number) => new Date(unit.utcOf(START_MONO_MS) + seq * 1000).toISOString();
  t.match(await centre.pulls.get(id), {
    ...{ state: 'done', bytesDone: 400, bytesTotal: 1000 },
    missing: [
      { camera: 'front', from: at(2), to: at(4), cause: 'lost' },
      { camera: 'front', from: at(6), to: at(10), cause: 'lost' },
    ],
  });
  await unit.end();
});

t.test('partial: of a reel that was told of after the clock was set, what is missing lies at its own time', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const id = await ask();
  const initSha256 = unit.fragment(0, Buffer.alloc(1)).meta.initSha256;
  const reel = { camera: 'front', rendition: 'proxy' as const, run: 1, seqFirst: 0, count: 10, bytes: 10, root: 'a'.repeat(64) };
  const times = { startMonoMs: START_MONO_MS, durationMs: 10_000 };
  const startWall = { utcMs: unit.utcOf(START_MONO_MS), source: 'rtc' as const, errorMs: 10_000 };
  unit.record('done', { pullId: id, state: 'planned', parts: [{ ...stream, run: 1, seqFirst: 0, seqLast: 9, bytes: 1000 }] });
  const record = unit.record('clock', { atMonoMs: unit.monoMs, offsetMs: unit.utcOf(0) + 720_000, source: 'rtc', errorMs: 10_000 });
  const wall = { ...record.wall, utcMs: record.wall.utcMs + 720_000 };
  unit.record('catalog', { ...reel, ...times, initSha256, codec: 'avc1.64001f', lostPackets: 0, startWall }, { wall });
  unit.record('loss', { ...reel, reason: 'no-space' });
  unit.record('done', { pullId: id, state: 'partial' });
  await unit.sendJournal(2);
  const at = (seq: number) => new Date(startWall.utcMs + seq * 1000).toISOString();
  t.match(await centre.pulls.get(id), { state: 'done', missing: [{ camera: 'front', from: at(0), to: at(10), cause: 'lost' }] });
  await unit.end();
});

t.test('a pull of another unit cannot be ended, and the newest pulls wait for their turn', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  const ids: string[] = [];
  for (let n = 0; n < PULLS_MAX + 2; n += 1) ids.push(await ask({ reason: `number ${n}` }));
  const named = () => unit.desired.at(-1)?.statement.pulls.map((pull) => pull.pullId);
  await until('all sent', () => unit.desired.length === PULLS_MAX + 2);
  t.equal(named()?.length, PULLS_MAX);
  const other = await ScriptedUnit.create(centre, 'wagon-2');
  await other.join();
  other.record('done', { pullId: ids[0] as string, state: 'refused', code: 'X' });
  await other.sendJournal(2);
  t.match(await centre.pulls.get(ids[0] as string), { state: 'queued' });
  for (const id of ids.slice(0, 2)) unit.record('done', { pullId: id, state: 'refused', code: 'LR_X' });
  await unit.sendJournal(2);
  await until('the next are named', () => named()?.includes(ids[PULLS_MAX + 1] as string));
  t.notOk(named()?.includes(ids[0] as string));
  await Promise.all([unit.end(), other.end()]);
});

t.test(
  'called off: the wagon is told, also when it was away or the message got lost; what comes of it later changes nothing',
  async (t) => {
    const { centre, unit, ask } = await prepared(t);
    await t.rejects(centre.pulls.cancel('none'), { code: 'LR_PULL_UNKNOWN' });
    await unit.hello();
    const first = await ask();
    await until('desired', () => unit.desired.length === 1);
    await centre.pulls.cancel(first);
    const empty = await until('told', () => unit.desired[1]);
    t.match(empty.statement, { generation: 2, pulls: { length: 0 } });
    t.match(await centre.pulls.get(first), { state: 'cancelled', ended: /Z$/ });
    await t.rejects(centre.pulls.cancel(first), { code: 'LR_PULL_ENDED' });
    unit.record('done', { pullId: first, state: 'complete' });
    await unit.sendJournal(unit.records.length - 1);
    t.match(await centre.pulls.get(first), { state: 'cancelled' });
    await unit.cut();
    await unit.connect();
    await unit.hello(2);
    const second = await ask();
    const third = await until('desired', () => unit.desired.find(({ statement }) => statement.generation === 3));
    t.match(third.statement.pulls, [{ pullId: second }], 'one that is known to be called off is not told of again');
    await unit.cut();
    await until('offline', () => !centre.ingest.isOnline('wagon-1'));
    await centre.pulls.cancel(second);
    for (const generation of [3, 3]) {
      await unit.connect();
      const seen = unit.desired.length;
      await unit.hello(generation);
      t.match((await until('told when it is back', () => unit.desired[seen])).statement, { pulls: { length: 0 } });
      await unit.cut();
    }
    await unit.end();
  },
);

t.test('urgent ones go first, and only they say so', async (t) => {
  const { centre, unit, ask } = await prepared(t);
  await unit.hello();
  const calm = await ask();
  const urgent = await ask({ urgent: true });
  const { statement } = await until('both', () => unit.desired.find((one) => one.statement.pulls.length === 2));
  t.same(
    statement.pulls.map(({ pullId, urgent: flag }) => [pullId, flag]),
    [
      [urgent, true],
      [calm, undefined],
    ],
  );
  t.match(await centre.pulls.get(urgent), { urgent: true });
  t.match(await centre.pulls.get(calm), { urgent: false });
  await unit.end();
});
