/** When footage was: wagon, centre, manifest and `longroof-verify` go by one rule, whatever clocks the unit has had. */
import { systemClock } from '@longroof/base/clock';
import { seededRandom, testSeed } from '@longroof/base/random';
import { WallBook } from '@longroof/edge-agent/spool/wall-book';
import { encodeFragmentBox, type FragmentMeta, type WallClaim } from '@longroof/protocol/fragment';
import { bestWall, type ClockAnchor, servingAnchors } from '@longroof/protocol/wall';
import t, { type Test } from 'tap';
import { START_MONO_MS } from '../ingest/scripted-unit.js';
import { forge, makeScene, type Scene, type SceneOptions, verify } from './exported.js';

async function scene(t: Test, options: SceneOptions): Promise<Scene> {
  const one = await makeScene(t.testdir(), options);
  t.teardown(async () => {
    await one.unit.end();
    await one.centre.stop();
  });
  return one;
}

/** What was recorded, dated by a wagon that knows these anchors. */
async function onTheWagon({ centre, anchors }: Scene): Promise<{ fromUtcMs: number; toUtcMs: number; metas: FragmentMeta[] }> {
  const rows = await centre.store.db.selectFrom('fragment').select('meta_json').orderBy('seq').execute();
  const metas = rows.map((row) => JSON.parse(row.meta_json) as FragmentMeta);
  const book = new WallBook(systemClock, anchors);
  const starts = metas.map(({ startMonoMs, wall }) => book.at(startMonoMs, wall).utcMs);
  return { fromUtcMs: Math.min(...starts), toUtcMs: Math.max(...starts) + 1000, metas };
}

const HOUR_MS = 3_600_000;
const unknown = { source: 'none', errorMs: 1e12 } as const;
const unkept = { source: 'rtc', errorMs: 10_000 } as const;
const ntp = { source: 'ntp', errorMs: 100 } as const;
const CASES: { what: string; clock: SceneOptions['clock']; next: NonNullable<SceneOptions['next']>; byMs: number; source: string }[] = [
  { what: 'nobody keeps it, and it is set', clock: unkept, next: { ...unkept, atSeconds: 8, byMs: HOUR_MS }, byMs: 0, source: 'rtc' },
  {
    what: 'nobody knows it, and it is set',
    clock: unknown,
    next: { ...unkept, atSeconds: 8, byMs: HOUR_MS },
    byMs: HOUR_MS,
    source: 'rtc',
  },
  { what: 'nobody knows it, then as little', clock: unknown, next: { ...unknown, atSeconds: 8, byMs: HOUR_MS }, byMs: 0, source: 'none' },
  {
    what: 'kept, then a little better, and another time',
    clock: ntp,
    next: { source: 'ntp', errorMs: 80, atSeconds: 8, byMs: HOUR_MS },
    byMs: 0,
    source: 'ntp',
  },
  {
    what: 'kept, then far better, and another time',
    clock: ntp,
    next: { source: 'gnss', errorMs: 40, atSeconds: 8, byMs: HOUR_MS },
    byMs: HOUR_MS,
    source: 'gnss',
  },
];

for (const { what, clock, next, byMs, source } of CASES)
  t.test(`a clock: ${what}`, async (t) => {
    const one = await scene(t, { seqs: [1, 2, 3, 4, 5, 6, 7], clock, next });
    const fromUtcMs = one.unit.utcOf(START_MONO_MS) + 1000 + byMs;
    const times = { fromUtcMs, toUtcMs: fromUtcMs + 7000 };
    t.match(await onTheWagon(one), times, 'the wagon');
    const { db } = one.centre.store;
    const rows = await db.selectFrom('fragment').select(['seq', 'start_utc_ms', 'wall_source']).orderBy('seq').execute();
    for (const row of rows) t.match(row, { start_utc_ms: fromUtcMs + (row.seq - 1) * 1000, wall_source: source }, 'the centre');
    const reels = await db.selectFrom('reel').select(['seq_first', 'start_utc_ms', 'wall_source']).execute();
    for (const reel of reels) t.match(reel, { start_utc_ms: fromUtcMs + (reel.seq_first - 1) * 1000, wall_source: source });
    const said = verify(one.zip, one.root);
    t.match(said, { verdict: 'proven', faults: [], notProven: [] });
    t.match(said.cameras, [{ ...times, clock: { sources: [source], signed: true }, bound: { reel: 7 } }], 'the verifier');
    await forge(one, (_files, manifest) => t.match(manifest, { footage: [times] }, 'the manifest'));
  });

t.test('times that do not follow from the records', async (t) => {
  const one = await scene(t, { clock: ntp, next: { source: 'ntp', errorMs: 80, atSeconds: 8, byMs: HOUR_MS } });
  const claim = (by: { fromUtcMs?: number; toUtcMs?: number }) =>
    forge(one, (_files, manifest) => {
      const [footage] = (manifest as unknown as { footage: { fromUtcMs: number; toUtcMs: number }[] }).footage;
      footage!.fromUtcMs += by.fromUtcMs ?? 0;
      footage!.toUtcMs += by.toUtcMs ?? 0;
    });
  for (const by of [{ fromUtcMs: -HOUR_MS }, { toUtcMs: HOUR_MS }, { fromUtcMs: HOUR_MS, toUtcMs: HOUR_MS }, { fromUtcMs: 2 }])
    t.match(verify(await claim(by), one.root), { verdict: 'broken', faults: [{ code: 'LR_PROOF_TIME' }] }, JSON.stringify(by));
  const old = await forge(one, (_files, manifest) => {
    const [footage] = (manifest as unknown as { footage: { fromUtcMs?: number; toUtcMs?: number }[] }).footage;
    delete footage!.fromUtcMs;
    delete footage!.toUtcMs;
  });
  t.equal(verify(old, one.root).verdict, 'proven', 'an export of before gives no times');
});

t.test('whoever holds the key of the centre and changes what the fragments claim', async (t) => {
  const one = await scene(t, { clock: ntp });
  const { metas } = await onTheWagon(one);
  const claimed = (byMs: number, wall: Partial<WallClaim>) =>
    forge(one, (files, manifest) => {
      for (const meta of metas) {
        const name = 'proof/front.fragments';
        const bytes = files.get(name) as Buffer;
        const box = encodeFragmentBox(meta);
        const at = bytes.indexOf(box);
        const changed = encodeFragmentBox({ ...meta, wall: { ...meta.wall, ...wall, utcMs: meta.wall.utcMs + byMs } });
        files.set(name, Buffer.concat([bytes.subarray(0, at), changed, bytes.subarray(at + box.length)]));
      }
      const [footage] = (manifest as unknown as { footage: { fromUtcMs: number; toUtcMs: number }[] }).footage;
      footage!.fromUtcMs += byMs;
      footage!.toUtcMs += byMs;
    });
  const said = verify(await claimed(HOUR_MS, { errorMs: 0 }), one.root);
  t.match(said, { verdict: 'partly', notProven: [/its time/], cameras: [{ clock: { signed: false } }] });
  const near = verify(await claimed(1500, { errorMs: 0 }), one.root);
  t.ok((near.cameras[0]?.clock.errorMs ?? 0) > 1600, 'what is near is told with all of the error that follows from the records');
  const worse = verify(await claimed(HOUR_MS, { errorMs: HOUR_MS }), one.root);
  t.match(worse.faults, [{ code: 'LR_PROOF_TIME' }], 'the records date better what claims to be worse');
});

t.test('the clocks that an export takes along date as all of them do', (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round += 1) {
    const clocks: ClockAnchor[] = Array.from({ length: random.int(0, 30) }, (_, n) => ({
      ...{ atMonoMs: (n + 1) * 10_000_000 + random.int(0, 9_000_000), offsetMs: n, source: 'rtc' },
      errorMs: random.int(0, 5) * 1000,
    }));
    const from = random.int(0, 300_000_000);
    const to = from + random.int(0, 100_000_000);
    const serving = servingAnchors(clocks, from, to);
    const none = { utcMs: 0, source: 'none', errorMs: Number.MAX_VALUE } as const;
    for (let at = from; at <= to; at += 1 + (to - from) / 40)
      if (bestWall(at, none, clocks).utcMs !== bestWall(at, none, serving).utcMs) t.fail(`round ${round}, at ${at}`);
    if (serving.length > clocks.length) t.fail('more than there are');
  }
  t.pass('all alike');
  t.end();
});
