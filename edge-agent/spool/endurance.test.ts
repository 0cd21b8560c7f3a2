import { rmSync } from 'node:fs';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import t, { type Test } from 'tap';
import { Endurance } from './endurance.js';
import { Statistics } from './statistics.js';
import { FRONT, TestSpool } from './test-spool.js';

const IO = '/proc/thread-self/io';
const HOUR_MS = 3_600_000;
const YEAR_MS = 365.25 * 24 * HOUR_MS;
/** Bytes; a minute of an hour of it is a whole number. */
const PART = 60e6;

/** A disk whose thread has written what the test says. */
class Written {
  bytes: number | undefined = 0;
  refuses = false;
  readonly disk: Disk = {
    ...systemDisk,
    stat: (file) =>
      file !== IO ? systemDisk.stat(file) : this.bytes === undefined ? undefined : { bytes: 0, isFile: true, isDirectory: false },
    readFile: (file) => {
      if (file !== IO) return systemDisk.readFile(file);
      if (this.refuses) throw toFault(Object.assign(new Error('EMFILE'), { code: 'EMFILE' }), IO);
      return Buffer.from(`wchar: 7\nwrite_bytes: ${this.bytes}\ncancelled_write_bytes: 0\n`);
    },
  };
}

/** Hours go by, each with so many bytes written evenly. */
async function hours(count: number, bytesAnHour: number, at: { written: Written; clock: SimClock; each: () => unknown }): Promise<void> {
  for (let minute = 0; minute < count * 60; minute++) {
    await at.clock.advance(60_000);
    at.written.bytes = (at.written.bytes ?? 0) + bytesAnHour / 60;
    at.each();
  }
}

t.test('S8: years left follow from the rating, what was written in all, and the rate of the last day', async (t) => {
  const written = new Written();
  const clock = new SimClock();
  written.bytes = 5 * PART; // by the thread, before: not the spool's
  const endurance = new Endurance({ disk: written.disk, clock, ratedBytes: 10_000 * PART });
  const at = { written, clock, each: () => endurance.report() };
  await hours(0.9, 10 * PART, at);
  t.equal(endurance.report().enduranceLeftYears, undefined, 'not before an hour was measured');
  await hours(0.2, 10 * PART, at);
  const years = (left: number, anHour: number): number => (left / anHour / YEAR_MS) * HOUR_MS;
  t.ok(Math.abs(endurance.report().enduranceLeftYears! - years(10_000 - 11, 10)) < 0.02, 'since the start while that is shorter');
  await hours(28.9, 10 * PART, at);
  await hours(12, 40 * PART, at);
  const half = endurance.report().enduranceLeftYears!;
  t.ok(Math.abs(half - years(10_000 - 780, 25)) < 0.02, `${half}: half a day of each`);
  await hours(13, 40 * PART, at);
  const whole = endurance.report();
  t.equal(whole.writtenBytes, 1300 * PART);
  t.ok(
    Math.abs(whole.enduranceLeftYears! - years(10_000 - 1300, 40)) < 0.02,
    `${whole.enduranceLeftYears}: what was before the last day counts no more`,
  );
  written.bytes += 9000 * PART;
  await clock.advance(5000);
  t.equal(endurance.report().enduranceLeftYears, 0, 'used up');
});

t.test('S8: without a rating, without writes, without the kernel’s count there are no years; a reading that fails waits', async (t) => {
  const clock = new SimClock();
  const written = new Written();
  const unrated = new Endurance({ disk: written.disk, clock, ratedBytes: undefined });
  const idle = new Endurance({ disk: new Written().disk, clock, ratedBytes: PART });
  const blind = new Written();
  blind.bytes = undefined;
  const uncounted = new Endurance({ disk: blind.disk, clock, ratedBytes: PART });
  await hours(2, PART, { written, clock, each: () => unrated.report() });
  t.same(unrated.report(), { writtenBytes: 2 * PART });
  t.same(idle.report(), { writtenBytes: 0 });
  t.same(uncounted.report(), { writtenBytes: 0 });
  written.refuses = true;
  written.bytes = 3 * PART;
  await clock.advance(5000);
  t.equal(unrated.measure(), 2 * PART);
  written.refuses = false;
  await clock.advance(5000);
  t.equal(unrated.measure(), 3 * PART);
});

/** A spool whose thread has written 1 PART an hour for two hours, its `health` record told. */
async function worn(t: Test): Promise<{ spool: TestSpool; written: Written; stats: () => ReturnType<Statistics['read']> }> {
  const written = new Written();
  const spool = new TestSpool({ disk: written.disk, enduranceBytes: 1000 * PART });
  t.teardown(() => spool.remove());
  spool.core.openStream(FRONT);
  await hours(2, PART, { written, clock: spool.clock, each: () => spool.core.commit() });
  const stats = (): ReturnType<Statistics['read']> => new Statistics(spool.core.state).read();
  spool.core.record('health', { disk: { ...stats() } }, false);
  spool.core.commit({ force: true });
  return { spool, written, stats };
}

t.test('S8: bytes written are counted over restarts, and since when is right once the clock is', async (t) => {
  const { spool, written, stats } = await worn(t);
  const startUtcMs = spool.clock.utc() - 2 * HOUR_MS;
  t.match(stats(), { writtenBytes: 2 * PART, writtenSinceUtcMs: startUtcMs });
  const nowMonoMs = spool.clock.mono();
  const rightMs = 86_400_000;
  spool.core.noteClock({ atMonoMs: nowMonoMs, offsetMs: spool.clock.utc() - nowMonoMs + rightMs, source: 'gnss', errorMs: 5 });
  await hours(1, PART, { written, clock: spool.clock, each: () => spool.core.commit() });
  const before = stats();
  t.match(before, { writtenBytes: 3 * PART, writtenSinceUtcMs: startUtcMs + rightMs });
  t.ok(Math.abs(before.enduranceLeftYears! - (997 * HOUR_MS) / YEAR_MS) < 0.02);
  spool.core.abandon(); // killed
  await spool.clock.advance(10 * HOUR_MS);
  spool.reopen();
  t.match(stats(), { writtenBytes: 3 * PART, writtenSinceUtcMs: startUtcMs + rightMs });
  t.equal(stats().enduranceLeftYears, undefined, 'the rate is measured anew');
  await hours(1.5, PART, { written, clock: spool.clock, each: () => spool.core.commit() });
  t.match(stats(), { writtenBytes: 4.5 * PART, writtenSinceUtcMs: startUtcMs + rightMs });
  t.ok(stats().enduranceLeftYears! > 0);
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('S8: an index made anew goes on from the last health record; without one it says since when it counts', async (t) => {
  const { spool, written, stats } = await worn(t);
  const loseIndex = (): void => {
    for (const end of ['', '-wal', '-shm']) rmSync(path.join(spool.options.path, `index.db${end}`), { force: true });
  };
  const since = stats().writtenSinceUtcMs!;
  spool.core.abandon();
  loseIndex();
  spool.reopen();
  t.match(stats(), { writtenBytes: 2 * PART, writtenSinceUtcMs: since });
  await hours(0.5, PART, { written, clock: spool.clock, each: () => spool.core.commit() });
  t.match(stats(), { writtenBytes: 2.5 * PART, writtenSinceUtcMs: since });
  spool.core.close();

  loseIndex();
  for (const name of systemDisk.list(path.join(spool.options.path, 'journal'))) rmSync(path.join(spool.options.path, 'journal', name));
  spool.reopen();
  const anewUtcMs = spool.clock.utc();
  await hours(0.5, PART, { written, clock: spool.clock, each: () => spool.core.commit() });
  t.match(stats(), { writtenBytes: 0.5 * PART, writtenSinceUtcMs: anewUtcMs });
});
