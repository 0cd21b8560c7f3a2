/** What a restored centre makes of journals that tell of receipts it knows nothing of. */
import { seededRandom } from '@longroof/base/random';
import { RestoreReader } from '@longroof/controller/fleet/restores';
import { firstAuditBreak } from '@longroof/controller/store/audit';
import t, { type Test } from 'tap';
import { until } from '../peers/program.js';
import { type Centre, startCentre } from './centre.js';
import { ScriptedUnit, START_MONO_MS } from './scripted-unit.js';

const stream = { camera: 'front', rendition: 'proxy' as const };
const reel = { ...stream, run: 1, bytes: 5000, root: 'b'.repeat(64) };
const random = seededRandom(7);

async function restored(t: Test): Promise<{ centre: Centre; unit: ScriptedUnit; reader: RestoreReader }> {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const { db, storeEpoch } = centre.store;
  const times = { backup_utc_ms: Date.now() - 60_000, restored_utc_ms: Date.now() };
  await db
    .insertInto('restore')
    .values({ store_epoch: storeEpoch, before_epoch: 'f'.repeat(32), ...times, manifest_sha256: 'a'.repeat(64) })
    .execute();
  return { centre, unit, reader: new RestoreReader(db) };
}

/** Tells of a reel of ten fragments of a second. */
function catalog(unit: ScriptedUnit, seqFirst: number): void {
  const startMonoMs = START_MONO_MS + seqFirst * 1000;
  unit.record('catalog', {
    ...{ ...reel, seqFirst, count: 10, startMonoMs, durationMs: 10_000, initSha256: 'c'.repeat(64), codec: 'avc1.64001f', lostPackets: 0 },
  });
}

async function store(unit: ScriptedUnit, seq: number): Promise<void> {
  const before = unit.receipts.length;
  const fragment = unit.fragment(seq, random.bytes(500));
  const handle = unit.manifest(fragment);
  unit.chunk(handle, fragment, 0, 500);
  await until('its receipt', () => unit.receipts.length > before);
}

t.test('what had a receipt, is not here and is gone from the wagon is listed with its time', async (t) => {
  const { centre, unit, reader } = await restored(t);
  for (const seqFirst of [0, 10, 20, 30]) catalog(unit, seqFirst);
  await unit.sendJournal(2);
  for (const seq of [0, 1, 5]) await store(unit, seq);
  for (let seq = 10; seq < 20; seq += 1) await store(unit, seq);
  const sent = unit.records.length;
  unit.record('event', { event: 'store-changed', detail: { storeEpoch: centre.store.storeEpoch, before: 'f'.repeat(32), released: 23 } });
  unit.record('dispose', { ...reel, seqFirst: 0, count: 10, reason: 'released' });
  unit.record('dispose', { ...reel, seqFirst: 10, count: 10, reason: 'released' });
  unit.record('loss', { ...reel, seqFirst: 20, count: 10, reason: 'no-space', receipted: [[22, 24, 1500]] });
  unit.record('dispose', { ...reel, seqFirst: 30, count: 10, reason: 'expired' });
  await unit.sendJournal(sent);
  const [told] = await reader.list();
  t.match(told, { lostPieces: 3, lostFragments: 10, units: [{ unitId: 'wagon-1', state: 'offering', receipted: 23 }] });
  const at = (seq: number): string => new Date(unit.utcOf(START_MONO_MS + seq * 1000)).toISOString();
  t.match(told?.lost, [
    { unitId: 'wagon-1', ...{ camera: 'front', quality: 'proxy' }, from: at(2), to: at(5), fragments: 3, bytes: null, gone: 'released' },
    { from: at(6), to: at(10), fragments: 4, seqFirst: 6, seqLast: 9 },
    { from: at(22), to: at(25), fragments: 3, bytes: 1500, gone: 'lost' },
  ]);
  unit.record('event', { event: 'store-offered', detail: { storeEpoch: centre.store.storeEpoch, fragments: 13, bytes: 6500, refused: 0 } });
  await unit.sendJournal(unit.records.length - 1);
  t.match((await reader.list(1))[0], { lost: { length: 1 }, units: [{ state: 'offered', stored: 13, storedBytes: 6500 }] });
  const audits = await centre.store.db.selectFrom('audit').select(['action', 'subject']).execute();
  t.same(
    audits,
    Array.from({ length: 2 }, () => ({ action: 'footage-lost', subject: 'unit:wagon-1' })),
  );
  t.equal(await firstAuditBreak(centre.store.db), undefined);
  await unit.end();
});

t.test('a pull whose footage went before it came back ends, with what is gone as missing', async (t) => {
  const { centre, unit } = await restored(t);
  const fromUtcMs = unit.utcOf(START_MONO_MS);
  const id = await centre.pulls.create('anna', {
    ...{ unitId: 'wagon-1', cameras: ['front'], fromUtcMs, toUtcMs: fromUtcMs + 10_000, rendition: 'proxy', reason: 'a reason' },
  });
  catalog(unit, 0);
  unit.record('done', { pullId: id, state: 'planned', parts: [{ ...stream, run: 1, seqFirst: 0, seqLast: 9, bytes: 5000 }], missing: [] });
  unit.record('done', { pullId: id, state: 'complete' });
  await unit.sendJournal(2);
  await store(unit, 0);
  t.match(await centre.pulls.get(id), { state: 'running' }, 'the rest may be on its way');
  unit.record('dispose', { ...reel, seqFirst: 0, count: 10, reason: 'released' });
  await unit.sendJournal(unit.records.length - 1);
  t.match(await centre.pulls.get(id), { state: 'done', bytesDone: 500, missing: [{ camera: 'front', cause: 'disposed' }] });
  await unit.end();
});

t.test('a pull that was made after the backup is known again from the journal, without who asked and why', async (t) => {
  const { centre, unit } = await restored(t);
  catalog(unit, 0);
  const parts = [{ ...stream, run: 1, seqFirst: 2, seqLast: 4, bytes: 1500 }];
  unit.record('done', { pullId: 'made-after', state: 'planned', parts, missing: [] });
  unit.record('done', { pullId: 'made-after', state: 'complete' });
  await unit.sendJournal(2);
  for (const seq of [2, 3, 4]) await store(unit, seq);
  const at = (seq: number): string => new Date(unit.utcOf(START_MONO_MS + seq * 1000)).toISOString();
  t.match(await centre.pulls.get('made-after'), {
    ...{ state: 'done', person: 'unknown', reason: /after the backup/, cameras: ['front'], quality: 'proxy' },
    ...{ from: at(2), to: at(5), bytesDone: 1500, missing: [] },
  });
  t.same(await centre.store.db.selectFrom('refusal').selectAll().execute(), []);
  unit.record('done', { pullId: 'never-planned', state: 'complete' });
  await unit.sendJournal(unit.records.length - 1);
  t.equal(await centre.pulls.get('never-planned'), undefined);
  await unit.end();
});

t.test('so is one that asked for a copy: as what it is, of what it was made, and a copy that is gone is listed as one', async (t) => {
  const { centre, unit, reader } = await restored(t);
  const copy = { ...reel, rendition: 'derived' as const, seqFirst: 0, count: 10 };
  const startMonoMs = START_MONO_MS;
  unit.record('catalog', { ...copy, startMonoMs, durationMs: 10_000, initSha256: 'c'.repeat(64), codec: 'avc1.64001f', lostPackets: 0 });
  const from = [{ rendition: 'original' as const, run: 1, seqFirst: 20, seqLast: 29, root: 'd'.repeat(64) }];
  const parts = [{ camera: 'front', rendition: 'derived' as const, run: 1, seqFirst: 0, seqLast: 9, bytes: 5000, from }];
  const derived = { rateBps: 300_000, tool: 'ffmpeg', heightMax: 360, keyMs: 1000, audio: false };
  unit.record('done', { pullId: 'copied', state: 'planned', parts, missing: [], derived });
  unit.record('done', { pullId: 'copied', state: 'complete' });
  await unit.sendJournal(2);
  const at = (seq: number): string => new Date(unit.utcOf(START_MONO_MS + seq * 1000)).toISOString();
  t.match(await centre.pulls.get('copied'), {
    ...{ state: 'running', person: 'unknown', quality: 'original', rate: '300k', derived, from: at(0), to: at(10), cameras: ['front'] },
    parts: [{ madeFrom: from }],
  });
  unit.record('dispose', { ...copy, reason: 'expired', receipted: [[0, 9, 5000]] });
  await unit.sendJournal(unit.records.length - 1);
  t.match(await centre.pulls.get('copied'), { state: 'done', missing: [{ camera: 'front', cause: 'disposed' }] });
  t.match((await reader.list())[0], { lostFragments: 10, lost: [{ quality: 'derived', from: at(0), to: at(10), gone: 'expired' }] });
  await unit.end();
});

t.test('events that are not what they should be project nothing', async (t) => {
  const { unit, reader } = await restored(t);
  const details: Record<string, string | number>[] = [
    {},
    { storeEpoch: 7, released: 1 },
    { storeEpoch: 'x'.repeat(100), released: 1 },
    { storeEpoch: 'a', released: -1 },
  ];
  for (const detail of details) unit.record('event', { event: 'store-changed', detail });
  unit.record('event', { event: 'store-offered', detail: { storeEpoch: 'a' } });
  for (const receipted of [[[1, 0, 5]], [[0, 1]], [['a', 1, 1]], 'no'])
    unit.record('dispose', { ...reel, seqFirst: 0, count: 10, reason: 'expired', receipted: receipted as never });
  t.equal(await unit.sendJournal(2), unit.records.length);
  t.match((await reader.list())[0], { lostPieces: 0, units: [{ unitId: 'wagon-1', state: 'awaited' }] });
  await unit.end();
});
