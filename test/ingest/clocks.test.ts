/** Clock records in whatever batches they come, before and after what they date: the same times at the end, those of the one rule. */
import { seededRandom, testSeed } from '@longroof/base/random';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';
import t from 'tap';
import { type Centre, startCentre } from './centre.js';
import { BASE_UTC_MS, ScriptedUnit, START_MONO_MS } from './scripted-unit.js';

const HOUR_MS = 3_600_000;
/** Of the first round, in one batch: neither the newest nor the one of the least error is the best for what was long before. */
const FIRST_ERRORS_MS = [51, 45, 190];
const claim = (monoMs: number, errorMs: number) => ({ utcMs: BASE_UTC_MS - 9 * HOUR_MS + monoMs, source: 'rtc' as const, errorMs });

/** What is dated: a reel, an event, a fragment. Their claims are as good as each other. */
class Dated {
  readonly errorMs: number;
  readonly unit: ScriptedUnit;
  readonly #centre: Centre;

  constructor(centre: Centre, unit: ScriptedUnit, errorMs: number) {
    this.#centre = centre;
    this.unit = unit;
    this.errorMs = errorMs;
  }

  say(): void {
    const { unit, errorMs } = this;
    const about = { camera: 'front', rendition: 'proxy' as const, run: 1, seqFirst: 0, count: 60, bytes: 1000, lostPackets: 0 };
    const startWall = claim(START_MONO_MS, errorMs);
    const hashes = { root: 'a'.repeat(64), initSha256: 'b'.repeat(64), codec: 'avc1.64001f' };
    unit.record('catalog', { ...about, ...hashes, startMonoMs: START_MONO_MS, durationMs: 60_000, startWall });
    const wall = claim(START_MONO_MS, errorMs);
    unit.record('event', { event: 'mark', detail: { kind: 'panic', atMonoMs: START_MONO_MS, on: true } }, { monoMs: START_MONO_MS, wall });
  }

  upload(): Promise<unknown> {
    return this.unit.upload(this.unit.fragment(0, Buffer.alloc(50), { wall: claim(START_MONO_MS, this.errorMs) }));
  }

  async times(): Promise<number[]> {
    const { db } = this.#centre.store;
    const { unit } = this.unit;
    const reel = await db.selectFrom('reel').select('start_utc_ms as ms').where('unit', '=', unit).executeTakeFirstOrThrow();
    const event = await db.selectFrom('event').select('at_utc_ms as ms').where('unit', '=', unit).executeTakeFirstOrThrow();
    const fragment = await db.selectFrom('fragment').select('start_utc_ms as ms').where('unit', '=', unit).executeTakeFirstOrThrow();
    return [reel.ms, event.ms, fragment.ms];
  }
}

t.test('the order and the batches in which clocks come', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 12; round += 1) {
    const unit = await ScriptedUnit.create(centre, `wagon-${round}`);
    await unit.join();
    const dated = new Dated(centre, unit, [1e12, 10_000, 100][round % 3] as number);
    const anchors: ClockAnchor[] = Array.from({ length: 3 }, (_, n) => ({
      ...{ atMonoMs: START_MONO_MS + (n + 1) * 100_000, offsetMs: BASE_UTC_MS + n * HOUR_MS, source: 'ntp' },
      errorMs: FIRST_ERRORS_MS[round * 3 + n] ?? random.int(30, 200) * (round % 2 === 0 ? 1 : 60),
    }));
    const isFirst = round === 0;
    const sayAt = isFirst ? 0 : random.int(0, 3);
    for (const [n, anchor] of anchors.entries()) {
      if (n === sayAt) dated.say();
      unit.record('clock', anchor);
    }
    const uploadAt = random.int(2, unit.records.length);
    for (let next = 2, uploaded = false; next < unit.records.length || !uploaded; ) {
      if (next >= uploadAt && !uploaded) {
        await dated.upload();
        uploaded = true;
      }
      if (next < unit.records.length)
        next = await unit.sendJournal(next, Math.min(unit.records.length, next + (isFirst ? 9 : random.int(1, 4))));
    }
    const expected = bestWall(START_MONO_MS, claim(START_MONO_MS, dated.errorMs), anchors).utcMs;
    const told = `round ${round}: claim ${dated.errorMs}, clocks ${anchors.map(({ errorMs }) => errorMs).join(', ')}`;
    t.same(await dated.times(), [expected, expected, expected], told);
    await unit.end();
  }
});

t.test('a copy keeps the time of its originals, fragments and reel alike', async (t) => {
  const centre = await startCentre(t.testdir());
  t.teardown(() => centre.stop());
  const unit = await ScriptedUnit.create(centre, 'wagon-1');
  await unit.join();
  const { db } = centre.store;
  const startWall = claim(START_MONO_MS, 10_000);
  const copied = { rendition: 'derived' as const };
  const about = { camera: 'front', ...copied, run: 1, seqFirst: 0, count: 60, bytes: 1000, lostPackets: 0 };
  const hashes = { root: 'a'.repeat(64), initSha256: 'b'.repeat(64), codec: 'avc1.64001f' };
  const reel = { ...about, ...hashes, startMonoMs: START_MONO_MS, durationMs: 60_000, startWall };
  unit.record('catalog', reel);
  await unit.sendJournal(2);
  await unit.upload(unit.fragment(0, Buffer.alloc(50), { ...copied, wall: startWall }));
  unit.record('clock', { atMonoMs: START_MONO_MS + 1000, offsetMs: BASE_UTC_MS, source: 'gnss', errorMs: 40 });
  unit.record('catalog', { ...reel, seqFirst: 60 });
  await unit.sendJournal(3);
  await unit.upload(unit.fragment(1, Buffer.alloc(51), { ...copied, wall: startWall }));
  for (const table of ['reel', 'fragment'] as const) {
    const rows = await db.selectFrom(table).select('start_utc_ms').execute();
    t.same(rows, [{ start_utc_ms: startWall.utcMs }, { start_utc_ms: startWall.utcMs }], table);
  }
  await unit.end();
});
