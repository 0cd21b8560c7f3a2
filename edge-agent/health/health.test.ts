import { SimClock } from '@longroof/base/clock-sim';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import { decodeFix, encodeFix, type Fix } from '@longroof/protocol/track';
import type { ClockAnchor } from '@longroof/protocol/wall';
import t from 'tap';
import { parseTracking } from './chrony.js';
import { openEndpoint } from './endpoint.js';
import { parseGpsdLine, parseGpsdReports } from './gpsd-lines.js';
import { HeadingKeeper, headingFrom } from './heading.js';
import { jumpOf } from './jumps.js';
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

t.test('a clock that nobody keeps goes neither back past what was last written nor past what was last believed', async (t) => {
  const clock = new SimClock(5000, Date.UTC(1970, 0, 1));
  const floorUtcMs = Date.UTC(2026, 6, 1);
  const anchors: ClockAnchor[] = [];
  const wall = new WallClock({ clock, disciplined: () => undefined, floorUtcMs, onAnchor: (anchor) => anchors.push(anchor) });
  await clock.advance(60_000);
  wall.tick();
  t.match(wall.now(), { source: 'none', utcMs: floorUtcMs + 60_000 }, 'a board without a clock battery goes on from there');
  clock.stepUtc(Date.UTC(2026, 6, 2) - clock.utc());
  wall.tick();
  t.match(wall.now(), { source: 'rtc', utcMs: Date.UTC(2026, 6, 2) });
  clock.stepUtc(-3_600_000);
  let before = wall.now().utcMs;
  for (let second = 0; second < 100; second++) {
    await clock.advance(1000);
    wall.tick();
    const { utcMs } = wall.now();
    if (utcMs < before) t.fail(`back by ${before - utcMs} ms`);
    before = utcMs;
  }
  t.match(wall.now(), { source: 'rtc', utcMs: Date.UTC(2026, 6, 2) + 100_000 }, 'set back it goes on as before');
  wall.noteGnss(clock.mono(), Date.UTC(2026, 6, 1, 12));
  t.match(wall.now(), { source: 'gnss', utcMs: Date.UTC(2026, 6, 1, 12) }, 'but who knows better is believed');
  await clock.advance(3_600_000);
  wall.tick();
  t.match(wall.now(), { source: 'gnss', utcMs: Date.UTC(2026, 6, 1, 13) }, 'and carried on without fixes');
  t.ok(wall.now().errorMs >= 560 && wall.now().errorMs < 700, `${wall.now().errorMs} ms: the drift of an hour is told`);
});

t.test('what chrony says of itself', async (t) => {
  const csv = '7F000001,127.0.0.1,6,1700000000.1,-0.000012,0.00001,0.00002,1.5,0.0,0.9,0.000200,0.001500,64.0,Normal';
  t.same(parseTracking(csv), { source: 'ntp', errorMs: 2, name: '127.0.0.1' });
  t.match(parseTracking('50505300,PPS,1,1700000000.1,0.000001,0,0,0,0,0,0.000000001,0.000020,16.0,Normal'), { source: 'gnss', errorMs: 1 });
  t.equal(parseTracking(csv.replace('Normal', 'Not synchronised')), undefined);
  t.equal(parseTracking('7F7F0101,,10,1700000000.1,0,0,0,0,0,0,0,0,0,Normal'), undefined, 'its own clock is no source');
  t.equal(parseTracking('00000000,,0,0,0,0,0,0,0,0,1,1,0,Not synchronised'), undefined);
  t.equal(parseTracking('506 Cannot talk to daemon'), undefined);
  const clock = new SimClock();
  const keeper = { source: 'ntp' as const, errorMs: 3, name: 'ntp.example' };
  const wall = new WallClock({ clock, disciplined: () => keeper, onAnchor: () => undefined });
  wall.noteGnss(clock.mono(), clock.utc() - 80);
  t.match(wall.now(), { source: 'ntp', errorMs: 3, utcMs: clock.utc() }, 'who is measured to be better is believed before GNSS');
});

t.test('antenna and jamming as the receiver tells them', async (t) => {
  const told = (line: string) => parseGpsdReports(line).filter(({ kind }) => kind === 'receiver');
  t.match(told('$GPTXT,01,01,02,ANTSTATUS=OPEN*2B'), [{ told: { antenna: 'open' } }]);
  t.same(told('$GPTXT,01,01,02,ANTSTATUS=OPEN*2C'), [], 'a wrong sum is not believed');
  t.same(told('$GPTXT,01,01,02,u-blox AG*00'), []);
  const payload = Buffer.alloc(60);
  payload[20] = 3;
  payload[22] = 2 << 2;
  payload[45] = 120;
  const packet = Buffer.concat([Buffer.from('b5620a093c00', 'hex'), payload]);
  let [a, b] = [0, 0];
  for (const byte of packet.subarray(2)) {
    a = (a + byte) & 0xff;
    b = (b + a) & 0xff;
  }
  const line = Buffer.concat([packet, Buffer.from([a, b])]).toString('hex');
  t.match(told(line), [{ told: { antenna: 'short', jamming: 'warning', jamIndicator: 120 } }]);
  t.same(told(`${line.slice(0, -2)}00`), []);
  t.match(parseGpsdReports(TPV.replace('"mode":3', '"mode":3,"ant":1,"jam":230')), [
    { kind: 'receiver', told: { antenna: 'ok', jamming: 'critical' } },
    { kind: 'position' },
  ]);
  t.match(parseGpsdReports(TPV), [{ kind: 'position' }], 'nothing told is nothing known');
});

t.test('the last heading is kept when parked, with growing doubt', async (t) => {
  const keeper = new HeadingKeeper(5);
  let monoMs = 1000;
  const take = (speedMps: number | null, courseDeg: number | null, passedMs = 1000) => {
    monoMs += passedMs;
    return keeper.take({ monoMs, speedMps, courseDeg });
  };
  t.equal(take(0, null), undefined, 'before it ever drove nothing is known');
  t.match(take(12, 90), { headingDeg: 90, errorDeg: 5 });
  t.match(take(0.2, 217), { headingDeg: 90 }, 'a course while it stands is noise');
  const parked = take(0, null, 10 * 3_600_000);
  t.ok(parked && parked.headingDeg === 90 && parked.errorDeg > 9 && parked.errorDeg < 12, `${parked?.errorDeg}`);
  t.ok((take(1.5, 300, 5000)?.errorDeg ?? 0) > 80, 'some metres too slow for a course may be half a turn');
  t.equal(take(1.5, 300, 20_000), undefined, 'and then nothing is known');
  t.match(take(8, 181), { headingDeg: 181 });
});

t.test('after a start a wagon that stands where it stood points where it pointed', async (t) => {
  const last = fix({ heading: { headingDeg: 90, errorDeg: 6 } });
  t.same(headingFrom(last, fix({ latDeg: 35.7001 })), { headingDeg: 90, errorDeg: 16 });
  t.equal(headingFrom(last, fix({ latDeg: 35.701 })), undefined, 'it was moved meanwhile');
  t.equal(headingFrom(fix(), fix()), undefined);
  t.equal(headingFrom(undefined, fix()), undefined);
  t.match(new HeadingKeeper(5, headingFrom(last, fix())).take(fix()), { headingDeg: 90, errorDeg: 16 });
});

t.test('jumps that no wagon makes are flagged, and nothing else', async (t) => {
  const at = (s: number, metresNorth: number, change: Partial<Fix> = {}): Fix =>
    fix({ monoMs: 1000 + s * 1000, utcMs: Date.UTC(2026, 2, 4) + s * 1000, latDeg: 35.7 + metresNorth / 111_320, ...change });
  t.equal(jumpOf(undefined, at(0, 0)), undefined);
  t.equal(jumpOf(at(0, 0), at(1, 60)), undefined, 'scatter and speed');
  t.match(jumpOf(at(0, 0), at(1, 600)), { why: 'too-far', seconds: 1 });
  t.equal(jumpOf(at(0, 0), at(600, 20_000)), undefined, 'through a tunnel');
  t.match(jumpOf(at(0, 0), at(600, 90_000)), { why: 'too-far' });
  t.match(jumpOf(at(0, 0), at(3600, 20_000, { monoMs: 2000 })), { why: 'too-far' }, 'an hour by the receiver alone is no hour');
  t.match(jumpOf(at(10, 0), at(8, 0)), { why: 'back-in-time' });
  t.equal(jumpOf(at(10, 0), at(9.7, 0)), undefined, 'a real receiver does so as it finds its satellites');
  const flagged = fix({ jump: true, heading: { headingDeg: 44, errorDeg: 7 } });
  t.same(decodeFix(encodeFix(flagged)), flagged);
});

t.test('health and metrics on the loopback', async (t) => {
  const endpoint = await openEndpoint({
    port: 0,
    health: () => ({ ok: false, problems: ['front is not recording: refused (LR_X)'], streams: { front: { state: 'refused' } } }),
    status: () => undefined,
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
