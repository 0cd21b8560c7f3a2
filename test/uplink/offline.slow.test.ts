/**
 * Weeks without a link: what waits to be sent waits in the spool alone. The same wagon as in thin-link.ts, recording, with a pull, a hold
 * and everything that may go unasked; its memory is looked at week by week, and afterwards all of it comes home. Then a link comes back.
 */
import { seededRandom, testSeed } from '@longroof/base/random';
import t, { type Test } from 'tap';
import { liveBytes } from '../peers/live-bytes.js';
import { ORIGINAL, PROXY, STRIP, ThinWagon } from './thin-link.js';

const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);
t.setTimeout(300_000);
const HOUR_MS = 3_600_000;
const DAYS = Number(process.env['LONGROOF_OFFLINE_DAYS'] ?? 3);
/** A fragment of the test; a real one is a second long. */
const FRAGMENT_MS = 300_000;

t.test(`${DAYS} days offline: memory stays as it was, the queue is on the disk, and all of it comes home`, async (test) => {
  const random = seededRandom(seed);
  const links = { links: [{ interface: 'wlan0', class: 'free' as const }], metered: undefined, free: undefined };
  const sizes = { original: 1200, proxy: 400, strip: 400 };
  const wagon = await ThinWagon.make({ test, random, links, sizes, beatMs: FRAGMENT_MS, fragmentMs: FRAGMENT_MS });
  wagon.network.change('wlan0');
  wagon.network.bytesPerS = 1024 * 1024;
  await wagon.clock.advance(HOUR_MS);
  wagon.ask({ pullId: 'future', from: 60, to: 60 + 12 * 60 });
  wagon.hold('h1', 0, 24 * 60);
  await wagon.clock.advance(60_000);
  wagon.network.change(undefined);
  await wagon.clock.advance(12 * HOUR_MS);
  const first = await liveBytes();
  const queued: number[] = [];
  const live: number[] = [];
  for (let day = 1; day <= DAYS; day += 1) {
    await wagon.clock.advance(24 * HOUR_MS);
    live.push(await liveBytes());
    queued.push(wagon.uplink.counters.queued);
  }
  const { pendingFragments, journalNext } = wagon.spool.stats();
  const mib = live.map((bytes) => ((bytes - first) / 2 ** 20).toFixed(1));
  test.comment(
    `${pendingFragments} fragments and ${journalNext} records wait; live memory beyond the first day: ${mib.join(', ')} MiB; queue ${queued.join(', ')}`,
  );
  test.ok(pendingFragments > DAYS * 3 * 280, 'the spool grew');
  test.ok(Math.max(...queued) <= 200, 'the uplink knows of a few fragments only');
  const grownBytes = Math.max(...live) - first;
  test.ok(grownBytes < 8 * 2 ** 20, `${(grownBytes / 2 ** 20).toFixed(1)} MiB more than on the first day`);
  test.ok(wagon.network.connects >= 1 && wagon.uplink.counters.connectFailures > DAYS * 500, 'it went on trying');
  if (DAYS <= 7) await home(test, wagon, journalNext);
  await wagon.stop();
});

async function home(test: Test, wagon: ThinWagon, journalNext: number): Promise<void> {
  wagon.network.change('wlan0');
  await wagon.clock.advance(3 * HOUR_MS);
  const { fragments } = await wagon.spool.select([ORIGINAL, PROXY, STRIP], 0, wagon.clock.utc() - 10 * 60_000);
  test.equal(fragments.filter(({ released }) => !released).length, 0, `all ${fragments.length} fragments came home`);
  test.ok(wagon.controller.records.length >= journalNext, 'and the journal');
}
