import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';
import t from 'tap';
import { openStore } from '../store/open.js';
import { Walls } from './walls.js';

const seed = testSeed();
t.comment(`seed ${seed}`);
const random = seededRandom(seed);
// Each goes to a disk: far dearer than a case of a parser.
const CASES = Math.min(fuzzCases(20), 500);
const BOOT = 'b'.repeat(36);
const EPOCH = 'e'.repeat(32);

t.test('the database chooses the anchor that the rule chooses, whether all of them are here, those for a span, or none', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'longroof-walls-'));
  const store = await openStore({ dir, clock: systemClock, log: silentLog });
  t.teardown(async () => {
    await store.close();
    rmSync(dir, { recursive: true });
  });
  for (let unit = 0; unit < CASES; unit += 1) {
    const scope = { unit: `wagon-${unit}`, epoch: EPOCH };
    // Of a few times and errors, so that some are equally good.
    const marks = new Set(Array.from({ length: random.int(0, 40) }, () => random.int(0, 20 * 3) * 20_000));
    const anchors: ClockAnchor[] = [...marks]
      .sort((a, b) => a - b)
      .map((atMonoMs) => ({ atMonoMs, offsetMs: 1e12 + random.int(0, 1000), source: 'ntp', errorMs: random.int(1, 4) * 6 }));
    for (const { atMonoMs, offsetMs, source, errorMs } of anchors)
      await store.db
        .insertInto('anchor')
        .values({ ...scope, boot: BOOT, at_mono_ms: atMonoMs, offset_ms: offsetMs, source, error_ms: errorMs })
        .execute();
    const some = new Walls({ trx: store.db, ...scope });
    const all = new Walls({ trx: store.db, ...scope });
    const spans = new Walls({ trx: store.db, ...scope });
    t.same(await all.anchors(BOOT), anchors);
    const fromMs = random.int(0, 20 * 60_000);
    const lengthMs = random.pick([0, 4000, 20 * 60_000]);
    const times = Array.from({ length: 10 }, () => ({
      monoMs: fromMs + random.int(0, lengthMs + 1),
      claim: { utcMs: 1e12, source: 'rtc', errorMs: random.pick([10, 20, 1e6]) } as const,
    }));
    await spans.expect(BOOT, times);
    for (const { monoMs, claim } of times) {
      const expected = bestWall(monoMs, claim, anchors);
      t.same(await spans.best(BOOT, monoMs, claim), expected);
      t.same(await some.best(BOOT, monoMs, claim), expected);
      t.same(await all.best(BOOT, monoMs, claim), expected);
    }
  }
});
