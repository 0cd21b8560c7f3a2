/** Strips on the unit, with a real spool, the real decoder and sharp: what a strip shows, says and weighs, and when one is left out. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { PpmReader } from '@longroof/edge-agent/derive/pictures';
import { BEHIND_MS_MAX, MINUTE_MS, StripMaker } from '@longroof/edge-agent/derive/strip-maker';
import { merkleRoot } from '@longroof/protocol/merkle';
import t from 'tap';
import { until } from '../peers/program.js';
import { fsck } from '../peers/wagon.js';
import { FRONT, recordedWagon } from './wagon.js';

const run = promisify(execFile);
t.setTimeout(110_000);
const STRIP = { camera: 'front', rendition: 'strip' as const };

t.test('a strip shows a minute, says of what it was made, and is footage like any other', async (t) => {
  const { wagon, fromUtcMs } = await recordedWagon(t);
  const unit = await wagon.start('boot-2');
  const { spool } = unit;
  const maker = new StripMaker({ spool, clock: systemClock, log: silentLog, sources: () => [FRONT], runAs: () => undefined });
  // The first that was recorded whole: recording began 15 s before, and went on for more than two minutes.
  const minute = Math.ceil((fromUtcMs - 10_000) / MINUTE_MS);
  t.equal(await maker.make(FRONT, minute), true);
  t.equal(await maker.make(FRONT, minute - 60), false, 'of an hour before there is nothing to show');
  t.match(maker.counters, { made: 1, skipped: 0, failed: 0 });
  const [strip] = await until('it is durable', async () => {
    const { fragments } = await spool.select([STRIP], minute * MINUTE_MS, (minute + 1) * MINUTE_MS);
    return fragments.length > 0 && fragments;
  });
  t.match(strip?.meta, { codec: 'mp4v.6C', independent: true, frames: 1 });
  t.ok(Math.abs((strip?.wall.utcMs ?? 0) - minute * MINUTE_MS) < 1100, 'it begins with its minute');
  t.ok(Math.abs((strip?.meta.duration90k ?? 0) / 90 - MINUTE_MS) < 1100, 'and lasts as long');
  t.ok((strip?.meta.bytes ?? 0) > 5000 && (strip?.meta.bytes ?? 0) < 150_000, `${strip?.meta.bytes} bytes`);

  const said = JSON.parse(/\{.*"what":"longroof-strip-1"\}/.exec((await spool.read(strip as never)).toString('latin1'))?.[0] ?? 'null') as {
    keys: [number, number][];
    root: string;
  } | null;
  t.match(said, { unit: 'wagon-1', camera: 'front', rendition: 'original', keys: Array, root: /^[0-9a-f]{64}$/ });
  const { fragments } = await spool.select([FRONT], minute * MINUTE_MS - 1000, (minute + 1) * MINUTE_MS + 1000);
  const shown = (said?.keys ?? []).map(
    ([runOf, seq]) => fragments.find(({ meta }) => meta.run === runOf && meta.seq === seq)?.meta.sha256 ?? '',
  );
  t.equal(shown.length, 12);
  t.equal(merkleRoot(shown.map((sha256) => Buffer.from(sha256, 'hex'))).toString('hex'), said?.root);

  wagon.give(unit, {
    pullId: 's-1',
    cameras: ['front'],
    rendition: 'strip',
    fromUtcMs: minute * MINUTE_MS,
    toUtcMs: (minute + 1) * MINUTE_MS,
  });
  await until('the pull ends', () => wagon.done('s-1').some((body) => body.state === 'complete'), 30_000);
  t.match(unit.uplink.sent, [{ meta: { rendition: 'strip' } }]);
  await unit.stop();
  const folder = path.join(wagon.dir, 'spool/reels/front.strip');
  const probe = await run('ffprobe', ['-v', 'error', '-show_streams', '-of', 'json', path.join(folder, readdirSync(folder)[0] as string)]);
  t.match(JSON.parse(probe.stdout), { streams: [{ codec_name: 'mjpeg', width: 1920, height: 90 }] });
  const checked = await fsck(path.join(wagon.dir, 'spool'));
  t.equal(checked.code, 0, checked.text);
});

t.test('a minute that comes too late is skipped and counted', async (t) => {
  const { wagon } = await recordedWagon(t);
  const unit = await wagon.start('boot-2');
  const clock = new SimClock(1000, Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS + 90 * 60 * MINUTE_MS);
  const maker = new StripMaker({ spool: unit.spool, clock, log: silentLog, sources: () => [FRONT], runAs: () => undefined });
  maker.start();
  clock.stepUtc(BEHIND_MS_MAX + 5 * MINUTE_MS);
  await clock.advance(1000);
  await until('it has seen the time go by', () => maker.counters.skipped > 0);
  t.ok(maker.counters.skipped >= 4 && maker.counters.skipped <= 6, `${maker.counters.skipped} minutes`);
  t.equal(maker.counters.failed, 0);
  await maker.stop();
  await unit.stop();
});

t.test('pictures out of a pipe, in any pieces; anything else is refused', async (t) => {
  const random = seededRandom(testSeed());
  const pictures = Array.from({ length: 20 }, () => ({ width: random.int(1, 40), height: random.int(1, 40) }));
  const bytes = Buffer.concat(
    pictures.flatMap(({ width, height }) => [Buffer.from(`P6\n${width} ${height}\n255\n`), Buffer.alloc(width * height * 3, width)]),
  );
  const found: { width: number; height: number; pixels: Buffer }[] = [];
  const reader = new PpmReader((picture) => found.push(picture));
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + random.int(1, 700));
    reader.push(Buffer.from(bytes.subarray(at, next)));
    at = next;
  }
  t.match(found, pictures);
  t.ok(found.every(({ width, pixels }) => pixels.every((byte) => byte === width)));
  t.throws(() => new PpmReader(() => undefined).push(random.bytes(64)), { code: 'LR_COPY_FAILED' });
  t.throws(() => new PpmReader(() => undefined).push(Buffer.from(`P6\n99999 99999\n255\n${' '.repeat(40)}`)), { code: 'LR_COPY_OUTPUT' });
});
