import { SimClock } from '@longroof/base/clock-sim';
import t from 'tap';
import type { Recorder } from './recorder.js';
import type { Spool, SpoolStats } from './spool/spool.js';
import { Vitals } from './vitals.js';

const STATS: SpoolStats = {
  ...{ state: 'ok', usedBytes: 1, quotaBytes: 10, freeBytes: 9, queuedBytes: 0, fragments: 1, pendingFragments: 1, flushesPerS: 4 },
  ...{ writeAmplification: 1.03, writtenBytes: 5000, writtenSinceUtcMs: 1_767_225_600_000, journalNext: 3 },
};

function vitals(more: Partial<SpoolStats>): Vitals {
  const spool = { stats: () => ({ ...STATS, ...more }) } as Partial<Spool> as Spool;
  const recorder = { status: () => ({}), recordings: () => [] } as Partial<Recorder> as Recorder;
  return new Vitals(new SimClock(), spool, recorder);
}

t.test('S8: years left of the disk are in the health record, in /metrics, and a problem below one', async (t) => {
  const gauge = (of: Vitals, name: string): number | undefined =>
    of.gauges().find((one) => one.name === `longroof_spool_${name}`)?.samples[0]?.value;

  const well = vitals({ enduranceLeftYears: 1 });
  t.same(well.report(), { ok: true, problems: [], streams: {} });
  t.match(well.record().disk, { enduranceLeftYears: 1, writtenBytes: 5000, writtenSinceUtcMs: 1_767_225_600_000 });
  t.equal(gauge(well, 'endurance_left_years'), 1);
  t.equal(gauge(well, 'written_bytes_total'), 5000);

  const worn = vitals({ enduranceLeftYears: 0.99 });
  t.same(worn.report(), {
    ...{ ok: false, streams: {} },
    problems: ["the disk's rated endurance is used up in 0.99 years at this rate (LR_SPOOL_ENDURANCE)"],
  });

  const unknown = vitals({});
  t.equal(unknown.report().ok, true);
  t.equal(gauge(unknown, 'endurance_left_years'), undefined, 'what is not known is not told as 0');
  t.notOk('enduranceLeftYears' in unknown.record().disk);
});
