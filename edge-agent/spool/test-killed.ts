/** A program for tests: records two streams into the spool of its argument as fast as told, prints what is durable, until killed. */
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { seededRandom } from '@longroof/base/random';
import { streamText } from '@longroof/protocol/fragment';
import { openSpool } from './open.js';
import { testFragment } from './test-fragments.js';

const [folder = '', journalKeyPem = ''] = process.argv.slice(2);
const spool = await openSpool({
  ...{ path: folder, quotaBytes: 256 * 2 ** 20, unit: 'wagon-7', journalKeyPem, version: '1', configSha256: 'ab' },
  ...{ cameras: [{ camera: 'front', renditions: ['original', 'proxy'] }], clock: systemClock, log: silentLog },
});
const random = seededRandom(process.pid);
const streams = [
  { camera: 'front', rendition: 'original' },
  { camera: 'front', rendition: 'proxy' },
] as const;
let next = systemClock.mono();
for (const stream of streams) spool.openStream(stream);
spool.onDurable((durable) => {
  for (const { stream, seq } of durable) process.stdout.write(`${streamText(stream)} ${spool.identity.run} ${seq}\n`);
});
systemClock.every(20, () => {
  while (next + 100 <= systemClock.mono()) {
    for (const stream of streams) {
      const fragment = testFragment(random, stream, { startMonoMs: next, durationMs: 100, payloadBytes: 20_000 });
      spool.write(fragment, { utcMs: systemClock.utc(), source: 'ntp', errorMs: 20 });
    }
    next += 100;
  }
});
