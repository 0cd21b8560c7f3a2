import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { seededRandom } from '@longroof/base/random';
import t from 'tap';
import { openSpool } from './open.js';
import type { DurableStream } from './spool.js';
import { testFragment } from './test-fragments.js';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const front = { camera: 'front', rendition: 'original' } as const;

t.test('through the worker: written footage becomes durable, is found by wall time, read back and freed by its hash', async (t) => {
  const root = mkdtempSync(path.join(tmpdir(), 'longroof-spool-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const open = () =>
    openSpool({
      ...{ path: root, quotaBytes: 64 * 2 ** 20, unit: 'wagon-7', journalKeyPem: key, version: '1', configSha256: 'ab' },
      ...{ cameras: [{ camera: 'front', renditions: ['original'] }], clock: systemClock, log: silentLog },
    });
  const spool = await open();
  const random = seededRandom(7);
  const startMono = systemClock.mono();
  const startUtc = systemClock.utc();
  spool.noteClock({ atMonoMs: startMono, offsetMs: startUtc - startMono, source: 'gnss', errorMs: 5 });
  spool.openStream(front);
  const durable = new Promise<void>((resolve) => {
    spool.onDurable((streams: DurableStream[]) => {
      if (streams.some((stream) => stream.seq === 9)) resolve();
    });
  });
  for (let index = 0; index < 10; index++) {
    const fragment = testFragment(random, front, { startMonoMs: startMono + index * 100, durationMs: 100, payloadBytes: 50_000 });
    t.ok(spool.write(fragment, { utcMs: startUtc + index * 100, source: 'gnss', errorMs: 5 }));
    t.equal(fragment.parts[1]?.length, 0, 'its memory was handed over');
  }
  await durable;
  const seq = await spool.record('event', { event: 'hello' }, { urgent: true });
  const records = await spool.journal(0, 1e6);
  t.match(
    records.map((record) => record.type),
    ['genesis', 'run', 'clock', 'event'],
  );
  t.equal(records.at(-1)?.seq, seq);
  const selection = await spool.select([front, { camera: 'rear', rendition: 'original' }], startUtc - 1000, startUtc + 900);
  t.equal(selection.fragments.length, 9);
  t.match(selection.missing, [
    { camera: 'front', fromUtcMs: startUtc - 1000, cause: 'configuration' },
    { camera: 'rear', cause: 'unknown-camera' },
  ]);
  const stored = selection.fragments[3]!;
  const bytes = await spool.read(stored);
  t.equal(bytes.length, stored.meta.bytes);
  t.match(await spool.init(stored.meta.initSha256), Buffer);
  t.equal(await spool.release({ ...stored.meta, sha256: '00'.repeat(32) }), false, 'S3: another hash frees nothing');
  t.equal(await spool.release(stored.meta), true, 'S3: its own hash does');
  t.equal(spool.stats().pendingFragments, 9, 'told together with the answer');
  await spool.close();
  const again = await open();
  t.equal(again.identity.run, 2);
  t.equal(again.stats().pendingFragments, 9);
  await again.close();
});
