import path from 'node:path';
import { seededRandom, testSeed } from '@longroof/base/random';
import type { GapBody } from '@longroof/protocol/journal';
import t from 'tap';
import { REEL_MS, REEL_MS_MAX } from './reels.js';
import { scanReel } from './scan.js';
import { FRONT, TestSpool } from './test-spool.js';

const short = ({ cause, fromMonoMs, durationMs }: GapBody): [string, number, number] => [cause, fromMonoMs, durationMs];

/** A camera whose fragments adjoin by its own clock, and whose monotonic times say something a little different. */
class Camera {
  readonly spool: TestSpool;
  media90k = 900_000;

  constructor(spool: TestSpool) {
    this.spool = spool;
  }

  async fragment(how: { lateMs?: number; durationMs?: number; independent?: boolean; lostPackets?: number } = {}): Promise<void> {
    const { lateMs = 0, durationMs = 1000, ...more } = how;
    const startMonoMs = this.spool.clock.mono() + lateMs;
    await this.spool.clock.advance(durationMs);
    this.spool.write(FRONT, startMonoMs, 40, { ...more, durationMs, start90k: this.media90k });
    this.media90k += Math.round(durationMs * 90);
    this.spool.core.commit({ force: true });
  }

  /** Time passes in which the camera sends nothing. */
  async nothing(ms: number): Promise<void> {
    this.media90k += ms * 90;
    await this.spool.clock.advance(ms);
  }
}

/** The second seed ends the span between two fragments that adjoin by media time and are far apart by the clock. */
for (const seed of [testSeed(), 2068678855])
  t.test(
    `fragments that adjoin by media time leave no gap, whatever their monotonic times say; also after a kill: seed ${seed}`,
    async (t) => {
      t.comment(`seed ${seed}`);
      const random = seededRandom(seed);
      const spool = new TestSpool({}, seed);
      t.teardown(() => spool.remove());
      const camera = new Camera(spool);
      spool.core.openStream(FRONT);
      for (let count = 0; count < 5; count++) await camera.fragment();
      const fromUtcMs = spool.clock.utc() - 3000;
      for (let count = 0; count < 150; count++) await camera.fragment({ lateMs: random.int(-450, 450) });
      t.same(spool.bodies('gap').map(short), []);
      t.same(spool.core.select([FRONT], fromUtcMs, spool.clock.utc() - 1000).missing, []);
      // Durable, not indexed: recovery accounts for it by the same rule.
      spool.write(FRONT, spool.clock.mono() + 400, 40, { start90k: camera.media90k });
      await spool.clock.advance(1400);
      await spool.killed(100);
      t.same(
        spool.bodies('gap').map(({ cause }) => cause),
        ['agent-restart'],
      );
      spool.core.close();
      t.same(spool.fsck().damage, []);
    },
  );

t.test('a reel that ends and the next one in the same commit: what came first is accounted for first', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  const { clock } = spool;
  spool.core.openStream(FRONT);
  const firstMonoMs = clock.mono();
  // A disk that stalls lets much come together: twice three seconds of footage, five seconds apart, and the first reel ended between.
  for (const fromMs of [0, 1000, 2000]) spool.write(FRONT, firstMonoMs + fromMs);
  spool.core.noteCause(FRONT, 'disk-slow', firstMonoMs + 3000);
  for (const fromMs of [8000, 9000, 10_000]) spool.write(FRONT, firstMonoMs + fromMs);
  await clock.advance(11_000);
  spool.core.commit({ force: true });
  t.same(spool.bodies('gap').map(short), [['disk-slow', firstMonoMs + 3000, 5000]], 'no gap where there is footage');
  const { fragments } = spool.core.select([FRONT], 0, clock.utc() + 1000);
  t.same(
    fragments.map(({ meta }) => meta.startMonoMs - firstMonoMs),
    [0, 1000, 2000, 8000, 9000, 10_000],
  );
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a cause explains the hole that it was noted in, no later one; a hole of which nobody said anything has its own', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  const camera = new Camera(spool);
  const { clock } = spool;
  spool.core.openStream(FRONT);
  await camera.fragment();
  // A session breaks: noticed at its last frame, and the fragment that holds it comes after the note.
  spool.core.noteCause(FRONT, 'camera-unreachable', clock.mono() + 960, 'LR_RTSP');
  await camera.fragment();
  const brokenMonoMs = clock.mono();
  await camera.nothing(7000);
  for (let count = 0; count < 5; count++) await camera.fragment();
  const stoodStillMonoMs = clock.mono();
  await camera.nothing(1200);
  for (let count = 0; count < 5; count++) await camera.fragment();
  const missingMonoMs = clock.mono();
  await camera.nothing(400);
  await camera.fragment();
  const lostMonoMs = clock.mono();
  await camera.nothing(1500);
  await camera.fragment({ lostPackets: 30 });
  await camera.fragment();
  t.same(spool.bodies('gap').map(short), [
    ['camera-unreachable', brokenMonoMs, 7000],
    ['camera-stalled', stoodStillMonoMs, 1200],
    ['damaged', missingMonoMs, 400],
    ['damaged', lostMonoMs, 1500],
  ]);
  await camera.nothing(30_000);
  spool.core.commit({ force: true });
  t.match(spool.bodies('gap').at(-1), { cause: 'camera-stalled' }, 'told while it is still open');
  // A clock that stood still with the camera is no footage of the time.
  camera.media90k -= 30_000 * 90;
  await camera.fragment();
  t.equal(spool.bodies('gap').at(-1)?.cause, 'camera-stalled');
  spool.core.close();
  t.same(spool.fsck().damage, []);
});

t.test('a reel begins with a key frame and plays alone; all streams change reels with the minute', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (const gopMs of [1000, 2000, 4800, 12_000]) {
    const spool = new TestSpool({ quotaBytes: 2 ** 28 }, seed);
    const camera = new Camera(spool);
    await spool.clock.advance(random.int(0, 60_000));
    spool.core.openStream(FRONT);
    for (let gop = 0; gop < 400_000 / gopMs; gop++)
      for (let at = 0; at < gopMs; at += 1000)
        await camera.fragment({ durationMs: Math.min(1000, gopMs - at), independent: at === 0, lateMs: random.int(-20, 20) });
    spool.core.close();
    const reels = spool.bodies('catalog');
    t.ok(reels.length >= 6 && reels.length <= 9, `GOP of ${gopMs} ms: ${reels.length} reels`);
    for (const body of reels) {
      const name = `${spool.core.identity.epoch}-000001-${String(body.seqFirst).padStart(10, '0')}.mp4`;
      const file = path.join(spool.options.path, 'reels/front', name);
      const expected = { stream: 'front', epoch: spool.core.identity.epoch, run: 1, seqFirst: body.seqFirst };
      const scanned = scanReel(spool.faults.disk, file, expected, { hashFromSeq: 0 });
      t.equal(scanned.fragments[0]?.meta.independent, true, `GOP of ${gopMs} ms, reel ${body.seqFirst}`);
      t.ok(body.durationMs <= REEL_MS + gopMs + 50, `${body.durationMs} ms`);
    }
    // How far apart key frames are is not known in the first.
    for (const body of reels.slice(2)) {
      const beforeMinuteMs = REEL_MS - (body.startMonoMs % REEL_MS);
      t.ok(beforeMinuteMs <= gopMs + 200 || beforeMinuteMs > REEL_MS - 200, `begins ${beforeMinuteMs} ms before a minute`);
    }
    t.same(spool.fsck().damage, []);
    spool.remove();
  }
});

t.test('without a key frame a reel ends all the same', async (t) => {
  const spool = new TestSpool();
  t.teardown(() => spool.remove());
  const camera = new Camera(spool);
  spool.core.openStream(FRONT);
  for (let count = 0; count < 200; count++) await camera.fragment({ independent: count === 0 });
  spool.core.close();
  t.same(
    spool.bodies('catalog').map(({ durationMs }) => durationMs),
    [REEL_MS_MAX, REEL_MS_MAX, 200_000 - 2 * REEL_MS_MAX],
  );
});
