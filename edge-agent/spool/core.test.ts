import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { seededRandom } from '@longroof/base/random';
import t from 'tap';
import { SpoolCore } from './core.js';
import { testFragment } from './test-fragments.js';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const dir = mkdtempSync(path.join(tmpdir(), 'longroof-core-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const front = { camera: 'front', rendition: 'original' } as const;
const clock = new SimClock(100_000);
const options = {
  path: path.join(dir, 'a'),
  quotaBytes: 64 * 2 ** 20,
  unit: 'wagon-7',
  journalKeyPem: key,
  version: '1',
  configSha256: '00',
  cameras: [{ camera: 'front', renditions: ['original' as const] }],
  retention: { originalMs: 1e9, proxyMs: 1e9 },
  boot: 'boot-1',
  disk: systemDisk,
  clock,
};
t.test('smoke', async (t) => {
  const random = seededRandom(1);
  const core = new SpoolCore(options);
  core.openStream(front);
  for (let i = 0; i < 130; i++) {
    await clock.advance(1000);
    t.ok(
      core.write(testFragment(random, front, { startMonoMs: clock.mono() - 1000 }), {
        utcMs: clock.utc() - 1000,
        source: 'ntp',
        errorMs: 5,
      }),
    );
    const r = core.commit();
    if (i === 5) t.comment(JSON.stringify(r));
  }
  cpSync(options.path, path.join(dir, 'b'), { recursive: true });
  await clock.advance(5000);
  const again = new SpoolCore({ ...options, path: path.join(dir, 'b') });
  for (const r of again.journal(0, 1e6)) t.comment(JSON.stringify({ ...r, prev: undefined, wall: undefined }));
  again.openStream(front);
  await clock.advance(2000);
  again.write(testFragment(random, front, { startMonoMs: clock.mono() - 1000 }), { utcMs: clock.utc() - 1000, source: 'ntp', errorMs: 5 });
  again.close();
  core.close();
  const third = new SpoolCore({ ...options, path: path.join(dir, 'b') });
  for (const r of third.journal(again.state.ledger.next - 8, 1e6)) t.comment(JSON.stringify({ ...r, prev: undefined, wall: undefined }));
  third.close();
});
