/** Units and coverage, from rows as ingest writes them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { openStore } from '../store/open.js';
import { insertReels, type NewReel } from '../store/reels.js';
import type { FragmentTable } from '../store/tables.js';
import { CoverageReader } from './coverage.js';
import { type GapSpan, type IslandSpan, layLine, type ReelSpan } from './coverage-line.js';
import { UnitReader } from './units.js';

const EPOCH = 'cd'.repeat(16);
const T0 = Date.UTC(2026, 4, 17, 14);
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-coverage-'));
t.teardown(() => fs.rmSync(dir, { recursive: true }));
const stream = { unit: 'wagon-1', epoch: EPOCH, camera: 'front', rendition: 'original' as const, run: 2 };

function reel(index: number, fromS: number, gone: NewReel['gone'] = null): NewReel {
  const times = { start_mono_ms: 5000 + fromS * 1000, start_utc_ms: T0 + fromS * 1000, end_utc_ms: T0 + (fromS + 60) * 1000 };
  const about = { count: 60, bytes: 60_000, root: '', init_sha256: 'i', codec: 'avc1', lost_packets: 0, boot: 'b' };
  return {
    ...stream,
    ...times,
    ...about,
    seq_first: index * 60,
    wall_source: 'gnss',
    wall_error_ms: 3,
    by_clock: 0,
    catalog_seq: null,
    gone,
  };
}

function fragment(seq: number, fromS: number): FragmentTable {
  const times = { start_mono_ms: 5000 + fromS * 1000, start_utc_ms: T0 + fromS * 1000, start90k: fromS * 90_000, duration90k: 90_000 };
  const about = { sha256: 's', init_sha256: 'i', bytes: 1000, independent: 1, damaged: 0, codec: 'avc1', meta_json: '{}' };
  return { ...stream, ...times, ...about, seq, wall_source: 'gnss', wall_error_ms: 3, by_clock: 0, stored_utc_ms: T0, place: null };
}

const clockAt = (utcMs: number): { utc(): number } => ({ utc: () => utcMs });

async function open(name: string) {
  const store = await openStore({ dir: path.join(dir, name), clock: new SimClock(), log: silentLog });
  t.teardown(() => store.close());
  const { db } = store;
  const status = { online: true, epoch: EPOCH, run: 2, utcMs: T0, version: '0.1.0', streams: { front: { state: 'recording' } } };
  await db
    .insertInto('unit')
    .values({
      unit: 'wagon-1',
      part: '00',
      first_seen_utc_ms: T0,
      last_seen_utc_ms: T0,
      online: 1,
      epoch: EPOCH,
      run: 2,
      version: '0.1.0',
      status_json: JSON.stringify(status),
      generation: 0,
      lat_deg: 35.7,
      lon_deg: 51.4,
      fix_utc_ms: T0,
      power_json: null,
      power_utc_ms: null,
    })
    .execute();
  await db.insertInto('init').values({ sha256: 'i', codec: 'avc1', base64: '' }).execute();
  return db;
}

t.test('coverage: where footage is, why there is none', async (t) => {
  const db = await open('coverage');
  // Six minutes: disposed; pulled; on the wagon, half of it pulled; unreachable; on the wagon; not yet reported, 20 s of it pulled.
  await db.transaction().execute((trx) => insertReels(trx, [reel(0, 0, 'expired'), reel(1, 60, 'released'), reel(2, 120), reel(3, 240)]));
  const seqs = [...Array(60).keys()].map((n) => n + 60).concat([...Array(30).keys()].map((n) => n + 120));
  await db
    .insertInto('fragment')
    .values(seqs.map((seq) => fragment(seq, seq)))
    .execute();
  await db
    .insertInto('fragment')
    .values([...Array(20).keys()].map((n) => fragment(240 + n, 300 + n)))
    .execute();
  const gap = { ...stream, from_utc_ms: T0 + 180_000, to_utc_ms: T0 + 240_000 };
  await db
    .insertInto('gap')
    .values({ ...gap, seq: 9, cause: 'camera-unreachable', detail: 'no route' })
    .execute();
  const coverage = new CoverageReader(db, clockAt(T0 + 3_600_000));
  const shape = await coverage.read({ unit: 'wagon-1', fromMs: T0 - 60_000, toMs: T0 + 360_000 });
  const clock = { source: 'gnss', errorMs: 3 };
  t.same(shape, {
    unit: 'wagon-1',
    from: at(-60),
    to: at(360),
    cameras: [
      {
        camera: 'front',
        rendition: 'original',
        footage: [
          { from: at(0), to: at(60), where: 'disposed', bytes: 60_000, clock },
          { from: at(60), to: at(120), where: 'centre', bytes: 60_000, clock },
          { from: at(120), to: at(150), where: 'wagon-and-centre', bytes: 30_000, clock },
          { from: at(150), to: at(180), where: 'wagon', bytes: 30_000, clock },
          { from: at(240), to: at(300), where: 'wagon', bytes: 60_000, clock },
          { from: at(300), to: at(320), where: 'centre', bytes: 20_000, clock },
        ],
        gaps: [
          { from: at(-60), to: at(0), cause: 'configuration' },
          { from: at(180), to: at(240), cause: 'camera-unreachable', detail: 'no route' },
          { from: at(320), to: at(360), cause: 'not-yet-reported' },
        ],
      },
    ],
    events: [],
  });
  const part = await coverage.read({ unit: 'wagon-1', camera: 'front', fromMs: T0 + 130_000, toMs: T0 + 200_000 });
  t.same(
    part.cameras[0]?.footage.map((span) => [span.from, span.to, span.bytes]),
    [
      [at(130), at(150), 20_000],
      [at(150), at(180), 30_000],
    ],
  );
  const ask = (fromMs: number, toMs: number, unit = 'wagon-1', camera?: string) =>
    coverage.read({ unit, fromMs, toMs, ...(camera ? { camera } : {}) });
  await t.rejects(ask(T0, T0), { code: 'LR_COVERAGE_SPAN' });
  await t.rejects(ask(T0, T0 + 7 * 86_400_000 + 1), { code: 'LR_COVERAGE_SPAN' });
  await t.rejects(ask(T0, Number.NaN), { code: 'LR_COVERAGE_SPAN' });
  await t.rejects(ask(T0, T0 + 1000, 'wagon-9'), { code: 'LR_UNIT_UNKNOWN' });
  await t.rejects(ask(T0, T0 + 1000, 'wagon-1', 'roof'), { code: 'LR_CAMERA_UNKNOWN' });
});

t.test('what is being recorded is neither footage nor a gap; before the first record the unit was not set up', async (t) => {
  const db = await open('young');
  const ask = async (nowS: number): Promise<string[][]> => {
    const reader = new CoverageReader(db, clockAt(T0 + nowS * 1000));
    const shape = await reader.read({ unit: 'wagon-1', fromMs: T0 - 60_000, toMs: T0 + nowS * 1000 });
    return (shape.cameras[0]?.gaps ?? []).map((gap) => [gap.from, gap.to, gap.cause]);
  };
  t.same(await ask(20), [[at(-60), at(20), 'being-recorded']], 'nothing is known but that it records');
  await db
    .insertInto('epoch')
    .values({
      ...{ unit: 'wagon-1', epoch: EPOCH, journal_key_pem: '', next_seq: 1, head: '', started_utc_ms: T0 },
      ...{ unit_certificate_pem: null, packed_next: 0 },
    })
    .execute();
  const record = { run: 2, utc_ms: T0, type: 'genesis', body_json: '', received_utc_ms: T0 };
  await db
    .insertInto('noted_record')
    .values({ unit: 'wagon-1', epoch: EPOCH, seq: 0, ...record })
    .execute();
  const before = [at(-60), at(0), 'configuration'];
  t.same(await ask(20), [before, [at(0), at(20), 'being-recorded']]);
  t.same(
    await ask(600),
    [before, [at(0), at(450), 'not-yet-reported'], [at(450), at(600), 'being-recorded']],
    'no longer than a reel takes',
  );
  await db.transaction().execute((trx) => insertReels(trx, [reel(0, 0)]));
  t.same(await ask(70), [before, [at(60), at(70), 'being-recorded']]);
  await db.updateTable('unit').set({ online: 0 }).execute();
  t.same(await ask(70), [before, [at(60), at(70), 'not-yet-reported']], 'of a wagon that is away nothing is known');
});

t.test('a unit says how it is', async (t) => {
  const db = await open('units');
  const units = new UnitReader(db, clockAt(T0));
  t.match(await units.get('wagon-1'), {
    online: true,
    state: 'recording',
    cameras: [{ id: 'front', state: 'recording', renditions: ['original'] }],
    position: { latDeg: 35.7, lonDeg: 51.4, at: at(0) },
    journal: { next: 0, whole: true },
  });
  const say = (online: boolean, streams: Record<string, { state: string; code?: string }>) =>
    db
      .updateTable('unit')
      .set({ online: online ? 1 : 0, status_json: JSON.stringify({ online, streams }) })
      .execute();
  await say(true, { front: { state: 'recording' }, 'front.proxy': { state: 'refused', code: 'LR_RTSP_AUTH' } });
  t.match(await units.get('wagon-1'), {
    state: 'degraded',
    cameras: [{ state: 'recording', code: 'LR_RTSP_AUTH', renditions: ['original', 'proxy'] }],
  });
  await say(true, { front: { state: 'stalled' } });
  t.match(await units.get('wagon-1'), { state: 'not-recording' });
  const body = JSON.stringify({ cameras: [{ camera: 'front', renditions: ['original'] }] });
  await db
    .insertInto('noted_record')
    .values({ unit: 'wagon-1', epoch: EPOCH, seq: 1, run: 2, utc_ms: 0, type: 'run', body_json: body, received_utc_ms: 0 })
    .execute();
  await say(false, {});
  t.match(await units.get('wagon-1'), { state: 'offline', cameras: [{ id: 'front', state: 'unknown' }] });
  await db
    .insertInto('refusal')
    .values({ unit: 'wagon-1', code: 'LR_JOURNAL_FORK', count: 2, last_utc_ms: T0, last_message: 'forked' })
    .execute();
  t.match(await units.list(), [
    { journal: { whole: false }, refusals: [{ code: 'LR_JOURNAL_FORK', count: 2, last: at(0), message: 'forked' }] },
  ]);
  await t.rejects(units.get('wagon-2'), { code: 'LR_UNIT_UNKNOWN' });
});

t.test('every instant comes out once, whatever was told', async (t) => {
  const seed = testSeed();
  t.comment(`LONGROOF_SEED=${seed}`);
  const random = seededRandom(seed);
  const claim = { source: 'ntp', errorMs: 1 };
  for (let n = 0; n < fuzzCases(500); n++) {
    const reels: ReelSpan[] = [];
    const islands: IslandSpan[] = [];
    const gaps: GapSpan[] = [];
    for (let i = random.int(0, 6); i > 0; i--) {
      const startMonoMs = random.int(0, 100_000);
      const base = { epoch: 'e', run: random.int(0, 2), startMonoMs, startUtcMs: startMonoMs + random.int(-2000, 2000), claim, bytes: 100 };
      const seqFirst = random.int(0, 50);
      const gone = random.pick([null, 'lost', 'released'] as const);
      reels.push({ ...base, seqFirst, count: random.int(1, 20), durationMs: random.int(0, 60_000), gone });
      islands.push({
        ...base,
        seqFirst: seqFirst + random.int(-5, 5),
        seqLast: seqFirst + random.int(5, 30),
        endMonoMs: startMonoMs + 9000,
      });
      const fromMs = random.int(0, 100_000);
      gaps.push({ fromMs, toMs: fromMs + random.int(0, 40_000), cause: 'stopped' });
    }
    const span = { fromMs: random.int(0, 50_000), toMs: random.int(50_001, 120_000), bornMs: random.int(0, 2) === 0 ? undefined : 30_000 };
    const line = layLine(span, { reels, islands, gaps });
    const all = [...line.footage, ...line.gaps].sort((a, b) => a.fromMs - b.fromMs);
    let end = span.fromMs;
    for (const one of all) {
      if (one.fromMs < end || one.toMs <= one.fromMs) t.fail('twice, or backwards');
      if (one.fromMs - end >= 1000) t.fail('an instant that nothing is said of');
      end = one.toMs;
    }
    if (end > span.toMs || span.toMs - end >= 1000) t.fail('the end');
  }
  t.pass('held');
});

t.test('a unit that spares its battery is not one in trouble, as long as it keeps its word', async (t) => {
  const db = await open('standby');
  const says = (mode: string, nextContactS: number | null, shed: object | null = null) => {
    const about = { mode, reason: 'watch-spent', sentence: '', supplyV: 12.1, left: null, shed };
    const power = { ...about, nextContactUtcMs: nextContactS === null ? null : T0 + nextContactS * 1000 };
    return db
      .updateTable('unit')
      .set({ power_json: JSON.stringify(power), power_utc_ms: T0 })
      .execute();
  };
  const is = async (online: boolean, streams: Record<string, { state: string; code?: string }>, nowS = 0) => {
    const status_json = JSON.stringify({ online: true, streams });
    await db
      .updateTable('unit')
      .set({ online: online ? 1 : 0, status_json })
      .execute();
    const { state, cameras } = await new UnitReader(db, clockAt(T0 + nowS * 1000)).get('wagon-1');
    return [state, ...cameras.map((camera) => camera.state)].join(' ');
  };
  const rest = { front: { state: 'stopped' }, 'front.proxy': { state: 'stopped' } };
  await says('standby', 600);
  t.equal(await is(true, rest), 'standby stopped', 'reached, and at rest');
  t.equal(await is(true, { front: { state: 'stalled' } }), 'not-recording stalled', 'a camera that fails is no rest');
  t.equal(await is(false, rest, 590), 'standby stopped', 'its link rests too, as it said');
  t.equal(await is(false, rest, 890), 'standby stopped', 'a modem needs a while');
  t.equal(await is(false, rest, 910), 'offline unknown', 'it did not keep its word');
  await says('standby', null);
  t.equal(await is(false, rest), 'offline unknown', 'its link should not rest');
  await says('shutdown', null);
  t.equal(await is(true, rest), 'off stopped', 'it switches itself off');
  t.equal(await is(false, rest), 'off stopped', 'and has said so before it was gone');
  t.equal(await is(true, { front: { state: 'recording' } }), 'recording recording', 'not yet');
  await says('driving', null);
  t.equal(await is(true, rest, 10), 'standby stopped', 'it wakes');
  t.equal(await is(true, { front: { state: 'connecting', code: 'LR_RTSP_CONNECT' } }, 10), 'standby connecting');
  t.equal(await is(true, { front: { state: 'recording' }, 'front.proxy': { state: 'stopped' } }, 10), 'recording recording');
  t.equal(await is(true, { front: { state: 'refused', code: 'LR_RTSP_AUTH' } }, 10), 'not-recording refused', 'a fault is told at once');
  t.equal(await is(true, rest, 20), 'not-recording stopped', 'nothing is to rest while it drives');
  await says('parked-watch', null, { proxies: true, cameras: [] });
  const spared = { front: { state: 'recording' }, 'front.proxy': { state: 'stopped' } };
  t.equal(await is(true, spared), 'recording recording', 'a sub-stream that was given up');
  t.equal(await is(true, { ...spared, 'front.proxy': { state: 'refused', code: 'LR_RTSP_AUTH' } }), 'degraded recording');
  t.equal(await is(true, { ...spared, rear: { state: 'stopped' } }, 20), 'degraded recording stopped', 'a whole camera is missed');
  t.match((await new UnitReader(db, clockAt(T0)).get('wagon-1')).power, { shed: { proxies: true, cameras: [] } });
});
