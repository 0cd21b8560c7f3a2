import { SimClock } from '@longroof/base/clock-sim';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { decodeFix, encodeFix, type Fix } from '@longroof/protocol/track';
import type { ClockAnchor } from '@longroof/protocol/wall';
import t from 'tap';
import { openEndpoint } from './endpoint.js';
import { parseGpsdLine } from './gpsd-lines.js';
import { TrackLog } from './track-log.js';
import { WallClock } from './wall-clock.js';

const TPV =
  '{"class":"TPV","device":"/dev/pts/1","mode":3,"time":"2026-03-04T05:06:07.000Z","lat":35.7,"lon":51.4,"eph":4.5,"track":10.0,"speed":12.5}';
const fix = (change: Partial<Fix> = {}): Fix => ({
  monoMs: 1000,
  utcMs: Date.UTC(2026, 2, 4),
  mode: 3,
  latDeg: 35.7,
  lonDeg: 51.4,
  errorM: 4.5,
  speedMps: 0,
  courseDeg: null,
  satellites: 7,
  ageMs: 40,
  ...change,
});

t.test('a position is read with its quality; a report without one says so', async (t) => {
  t.match(parseGpsdLine(TPV), {
    kind: 'position',
    mode: 3,
    latDeg: 35.7,
    errorM: 4.5,
    speedMps: 12.5,
    utcMs: Date.UTC(2026, 2, 4, 5, 6, 7),
  });
  t.match(parseGpsdLine('{"class":"TPV","mode":1}'), { kind: 'none' });
  t.match(parseGpsdLine(TPV.replace('35.7', '95')), { kind: 'none' });
  t.match(parseGpsdLine('{"class":"SKY","satellites":[{"used":true},{"used":false},{"used":true}]}'), { kind: 'sky', satellites: 2 });
  t.equal(parseGpsdLine('{"class":"VERSION"}'), undefined);
});

t.test('rubbish from gpsd gives nothing and never throws', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let i = fuzzCases(5000); i > 0; i--) {
    const bytes = Buffer.from(TPV);
    for (let n = random.int(1, 8); n > 0; n--) bytes[random.int(0, bytes.length)] = random.int(0, 256);
    const report = parseGpsdLine(bytes.subarray(0, random.int(0, bytes.length + 1)).toString('latin1'));
    if (report?.kind === 'position' && !(Math.abs(report.latDeg) <= 90 && Number.isFinite(report.utcMs))) t.fail(JSON.stringify(report));
  }
});

t.test('fixes go through a record and back', async (t) => {
  const one = fix({ courseDeg: 12, errorM: null });
  t.same(decodeFix(encodeFix(one)), one);
  t.equal(decodeFix([1, 2, 3]), undefined);
  t.equal(decodeFix(encodeFix(fix()).map((value, i) => (i === 4 ? 91e6 : value))), undefined);
});

t.test('a standing wagon tells its place once a minute, a moving one each 5 s', async (t) => {
  const count = (speedMps: number): number => {
    const log = new TrackLog();
    let points = 0;
    for (let s = 0; s < 600; s++) points += log.take(fix({ monoMs: 1000 + s * 1000, speedMps }))?.length ?? 0;
    return points + (log.flush()?.length ?? 0);
  };
  t.same(new TrackLog().take(fix())?.length, 1, 'the first fix is told at once');
  t.equal(count(0), 10);
  t.equal(count(12), 120);
});

t.test('the wall clock: GNSS over NTP over the own clock; a step is an anchor; the least delayed fix counts', async (t) => {
  const clock = new SimClock();
  const anchors: ClockAnchor[] = [];
  let synchronised = false;
  const wall = new WallClock({
    clock,
    disciplined: () => (synchronised ? { source: 'ntp', errorMs: 100, name: '' } : undefined),
    onAnchor: (anchor) => anchors.push(anchor),
  });
  wall.tick();
  t.match(anchors.at(-1), { source: 'rtc' });
  synchronised = true;
  wall.tick();
  t.match(anchors.at(-1), { source: 'ntp' });
  clock.stepUtc(86_400_000);
  wall.tick();
  t.equal(anchors.length, 3, 'a step of a day is an anchor');
  const offsetMs = Date.UTC(2027, 0, 1) - clock.mono();
  for (const delayMs of [180, 40, 300]) {
    await clock.advance(1000);
    wall.noteGnss(clock.mono(), clock.mono() + offsetMs - delayMs);
  }
  t.match(anchors.at(-1), { source: 'gnss', offsetMs: offsetMs - 40 });
  clock.stepUtc(-86_400_000);
  wall.tick();
  t.match(wall.claim(clock.mono()), { source: 'gnss', utcMs: clock.mono() + offsetMs - 40, errorMs: 200 });
  wall.noteGnss(clock.mono(), Date.UTC(2006, 1, 1));
  t.match(
    wall.claim(clock.mono()),
    { source: 'gnss', utcMs: clock.mono() + offsetMs - 40 },
    'a receiver in another week cycle is not believed',
  );
  await clock.advance(11 * 60_000);
  wall.tick();
  t.match(wall.claim(clock.mono()), { source: 'ntp' });
});

t.test('health and metrics on the loopback', async (t) => {
  const endpoint = await openEndpoint({
    port: 0,
    health: () => ({ ok: false, problems: ['front is not recording: refused (LR_X)'], streams: { front: { state: 'refused' } } }),
    gauges: () => [{ name: 'longroof_x_total', help: 'x', kind: 'counter', samples: [{ labels: { stream: 'front' }, value: 3 }] }],
  });
  t.teardown(() => endpoint.close());
  const base = `http://127.0.0.1:${endpoint.port}`;
  const health = await fetch(`${base}/healthz`);
  t.equal(health.status, 503);
  t.match(await health.json(), { status: 'degraded', problems: [/front/] });
  t.match(await (await fetch(`${base}/metrics`)).text(), 'longroof_x_total{stream="front"} 3');
  t.equal((await fetch(`${base}/other`)).status, 404);
  t.equal((await fetch(`${base}/metrics`, { method: 'POST' })).status, 405);
});
