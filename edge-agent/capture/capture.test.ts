/** Times, sign-in, addresses, and the supervisor's patience: parts of capture that need no camera. */
import { createHash } from 'node:crypto';
import { SimClock } from '@longroof/base/clock-sim';
import type { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { ByteArena } from './arena.js';
import type { CaptureSink, CaptureState } from './engine.js';
import { captureFault } from './faults.js';
import { MediaAxis } from './media-axis.js';
import { DecodeTimes } from './rtp/decode-times.js';
import { TrackClock } from './rtp/track-clock.js';
import { Authenticator, parseChallenge } from './rtsp/auth.js';
import { controlUrl, parseCameraUrl, redirectUrl } from './rtsp/url.js';
import type { Runner, SessionHooks } from './runner.js';
import { Supervisor } from './supervisor.js';

const seed = testSeed();
const random = seededRandom(seed);
t.comment(`seed ${seed}`);

t.test('decode times never run back, and stay in front of presentation once the depth is known', async (t) => {
  // Decoding order of presentation indices: no B frames, one, a pyramid of three.
  const orders = [[1], [2, 1], [4, 2, 1, 3]];
  for (const [depth, order] of orders.entries()) {
    for (const told of [true, false]) {
      const times = new DecodeTimes();
      if (told) times.setDepth(depth);
      // A session begins with a key frame that nothing precedes in output.
      let last = times.next(0);
      let behind = 0;
      for (let group = 0; group < 50; group++) {
        for (const index of order) {
          const pts = (group * order.length + index) * 3600;
          const dts = times.next(pts);
          if (dts <= last) t.fail(`depth ${depth}: ${dts} after ${last}`);
          if (dts > pts) behind += 1;
          last = dts;
        }
      }
      if (told) t.equal(behind, 0, `depth ${depth} told`);
      else t.ok(behind <= 3 * order.length, `depth ${depth} learnt after ${behind} frames`);
      t.equal(times.depth, depth);
    }
  }
});

t.test('decode times: timestamps that jump back now and then are no reordering, and what was learnt is forgotten again', async (t) => {
  const times = new DecodeTimes();
  let last = Number.NEGATIVE_INFINITY;
  let late = 0;
  const feed = (pts: number): void => {
    const dts = times.next(pts);
    if (dts <= last) t.fail(`${dts} after ${last}`);
    if (dts < pts) late += 1;
    last = dts;
  };
  let frame = 0;
  // Jitter of 20 ms, and each two seconds a timestamp behind the one before it.
  for (; frame < 2000; frame++) feed(frame * 3600 + random.int(0, 1800) - (frame % 50 === 49 ? 7200 : 0));
  t.equal(times.depth, 0);
  t.equal(late, 0, 'no frame waits for others that never come');
  for (; frame < 2200; frame += 2) for (const index of [frame + 1, frame]) feed(index * 3600);
  t.equal(times.depth, 1, 'B frames are seen');
  for (; frame < 2600; frame++) feed(frame * 3600);
  t.equal(times.depth, 0, 'and that they have ended');
  times.setDepth(2);
  for (; frame < 3000; frame++) feed(frame * 3600);
  t.equal(times.depth, 2, 'what the camera tells is not forgotten');
  times.setDepth(0);
  feed(frame * 3600 - 9000);
  feed(frame * 3600);
  t.equal(last, frame * 3600, 'it may tell less again');
});

t.test('monotonic time of frames: jitter of arrival is taken out, drift is followed', async (t) => {
  const clock = new TrackClock(90_000);
  let worstMs = 0;
  const start = 0xffff_ff00;
  for (let frame = 0; frame < 25 * 120; frame++) {
    const trueMs = 5000 + frame * 40;
    // The camera's crystal is 100 ppm fast, and its 32-bit clock wraps at once.
    const ticks = clock.unwrap((start + Math.round(frame * 3600 * 1.0001)) >>> 0);
    clock.observe(ticks, trueMs + random.next() * 100);
    if (frame > 100) worstMs = Math.max(worstMs, Math.abs(clock.monoAt(ticks) - trueMs));
  }
  t.ok(worstMs < 15, `at most ${worstMs.toFixed(1)} ms off under 100 ms of jitter`);
  clock.takeReport({ ssrc: 1, utcMs: 1_000_000, rtpTimestamp: (start + 90_000) >>> 0 });
  t.equal(Math.round(clock.utcAt(start + 180_000) ?? 0), 1_001_000, "the camera's clock, from the report");
});

t.test('the media axis keeps sessions apart', async (t) => {
  const axis = new MediaAxis(1000);
  t.equal(axis.at(3000), 180_000);
  t.equal(axis.take('video', 500_000), 500_000);
  t.equal(axis.take('video', 180_000), 500_001, 'never back');
  t.equal(axis.take('audio', 180_000), 180_000, 'tracks are apart');
});

t.test('arena: what is taken stays as it was, what is behind it moves', async (t) => {
  const arena = new ByteArena(undefined, 4);
  arena.append(Buffer.from('abcdef'));
  arena.appendRange(Buffer.from('xxghixx'), 2, 5);
  const taken = arena.take(6);
  arena.append(Buffer.from('j'));
  t.equal(taken.toString(), 'abcdef');
  t.equal(arena.buffer.toString('latin1', 0, arena.length), 'ghij');
});

t.test('Digest: the example of RFC 7616, 3.9.1, and the strongest scheme is taken', async (t) => {
  const clientNonce = (): string => 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
  const auth = new Authenticator({ credentials: { user: 'Mufasa', password: 'Circle of Life' }, allowBasic: false, clientNonce });
  const challenge = (algorithm: string): string =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
  auth.challenged(['Basic realm="x"', challenge('MD5'), challenge('SHA-256')], 1);
  const fields = parseChallenge(auth.authorize('GET', '/dir/index.html') ?? '').fields;
  t.equal(fields.get('response'), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  const plain = new Authenticator({ credentials: { user: 'u', password: 'p' }, allowBasic: false, clientNonce });
  plain.challenged(['Digest realm="r", nonce="n"'], 1);
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  t.equal(
    parseChallenge(plain.authorize('PLAY', 'rtsp://c/') ?? '').fields.get('response'),
    md5(`${md5('u:r:p')}:n:${md5('PLAY:rtsp://c/')}`),
    'RFC 2069',
  );
  t.throws(() => plain.challenged(['Digest realm="r", nonce="n"'], 2), { code: 'LR_RTSP_REFUSED' });
  t.throws(() => plain.challenged(['NTLM'], 1), { code: 'LR_RTSP_AUTH_SCHEME' });
});

t.test('addresses: passwords stay here, control URLs as cameras mean them', async (t) => {
  const url = parseCameraUrl('rtsp://us%20er:p%40:s@10.0.0.9:8554/a?b=c');
  t.same(url, { host: '10.0.0.9', port: 8554, wire: 'rtsp://10.0.0.9:8554/a?b=c', credentials: { user: 'us er', password: 'p@:s' } });
  t.same(parseCameraUrl('rtsp://[fe80::1]/x'), { host: 'fe80::1', port: 554, wire: 'rtsp://[fe80::1]/x', credentials: undefined });
  for (const bad of ['', 'http://h/', 'rtsp://', 'rtsp://h:99999/', 'rtsp://h/ x', 'rtsp://a:b@'])
    t.throws(() => parseCameraUrl(bad), { code: 'LR_RTSP_URL' }, bad);
  t.same(redirectUrl(url, 'rtsp://10.0.0.9/y').credentials, url.credentials, 'same host');
  t.same(redirectUrl(url, 'rtsp://10.0.0.10/y').credentials, undefined, 'another host gets no password');
  t.equal(redirectUrl(url, '/z').wire, 'rtsp://10.0.0.9:8554/z');
  t.throws(() => redirectUrl(url, 'http://x/'), { code: 'LR_RTSP_REDIRECT' });
  t.equal(controlUrl('rtsp://c/a?x=1', 'trackID=1'), 'rtsp://c/a?x=1/trackID=1');
  t.equal(controlUrl('rtsp://c/a/', '*'), 'rtsp://c/a/');
  t.equal(controlUrl('rtsp://c/a/', 'rtsp://u:p@d/t'), 'rtsp://d/t');
});

/** A runner that plays a script of outcomes, and the states that come of it. */
function supervise(
  script: { footage?: boolean; fault: Fault; lastsMs?: number }[],
  engines: ('own' | 'ffmpeg')[],
): { clock: SimClock; states: CaptureState[]; supervisor: Supervisor; ran: string[] } {
  const clock = new SimClock();
  const states: CaptureState[] = [];
  const ran: string[] = [];
  const runners = engines.map(
    (engine): Runner => ({
      engine,
      async run(signal: AbortSignal, hooks: SessionHooks) {
        ran.push(engine);
        const step = script.shift();
        if (!step) {
          hooks.playing();
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          return captureFault('LR_RTSP_CLOSED', 'stopped');
        }
        if (step.footage) {
          hooks.playing();
          hooks.footage();
        }
        if (step.lastsMs) await clock.sleep(step.lastsMs);
        return step.fault;
      },
    }),
  );
  const sink: CaptureSink = {
    arena: () => new ByteArena(),
    tracks: () => undefined,
    accessUnit: () => undefined,
    sessionEnded: () => undefined,
    state: (state) => states.push(state),
  };
  return { clock, states, ran, supervisor: new Supervisor(runners, sink, { clock, log: silentLog, random: () => 1 }) };
}

const retries = (states: CaptureState[]): number[] => states.flatMap((state) => (state.state === 'failed' ? [state.retryInMs] : []));

t.test('while the unit itself has no network each camera is tried each half second, and pauses do not grow', async (t) => {
  const none = captureFault('LR_RTSP_CONNECT', 'connect', Object.assign(new Error('connect'), { code: 'ENETUNREACH' }));
  const script = [...Array.from({ length: 5 }, () => ({ fault: none })), { fault: captureFault('LR_RTSP_CONNECT', 'nobody') }];
  const { clock, states, supervisor } = supervise(script, ['own']);
  supervisor.start();
  await clock.advance(0);
  await clock.advance(10_000);
  t.same(retries(states), [500, 500, 500, 500, 500, 1000]);
  await supervisor.stop();
});

t.test('retries never end, grow to 15 s, and begin anew after footage; failing at first and later go the same way', async (t) => {
  const unreachable = captureFault('LR_RTSP_CONNECT', 'to rtsp://u:secret@cam');
  const script = [
    ...Array.from({ length: 7 }, () => ({ fault: unreachable })),
    { footage: true, fault: unreachable },
    { fault: unreachable },
  ];
  const { clock, states, supervisor } = supervise(script, ['own']);
  supervisor.start();
  await clock.advance(0);
  await clock.advance(300_000);
  t.same(retries(states), [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 1000, 2000]);
  t.notMatch(JSON.stringify(states), 'secret');
  t.equal(states.at(-1)?.state, 'playing');
  await supervisor.stop();
  t.equal(states.at(-1)?.state, 'stopped');
});

t.test('a camera that our client cannot read three times in a row goes to ffmpeg, and it is said', async (t) => {
  const unreadable = captureFault('LR_RTSP_SDP', 'what is this');
  const away = captureFault('LR_RTSP_CONNECT', 'nobody');
  const { clock, states, supervisor, ran } = supervise(
    [{ fault: unreadable }, { fault: unreadable }, { fault: away }, { fault: unreadable }, { fault: unreadable }, { fault: unreadable }],
    ['own', 'ffmpeg'],
  );
  supervisor.start();
  await clock.advance(0);
  await clock.advance(300_000);
  t.same(ran, ['own', 'own', 'own', 'own', 'own', 'own', 'ffmpeg']);
  t.match(
    states.findLast((state) => state.state === 'failed'),
    { code: 'LR_CAPTURE_ENGINE', message: /ffmpeg takes over/ },
  );
  t.same(states.at(-1), { state: 'playing', engine: 'ffmpeg' });
  await supervisor.stop();
});

t.test(
  'after ten minutes with ffmpeg our client gets one attempt when a session ends, and keeps the camera when it can read it',
  async (t) => {
    const unreadable = captureFault('LR_RTSP_SDP', 'what is this');
    const away = captureFault('LR_RTSP_CONNECT', 'nobody');
    const long = { footage: true, fault: away, lastsMs: 700_000 };
    const script = [
      { fault: unreadable },
      { fault: unreadable },
      { fault: unreadable },
      { fault: away },
      long,
      { fault: unreadable },
      long,
    ];
    const { clock, states, supervisor, ran } = supervise(script, ['own', 'ffmpeg']);
    supervisor.start();
    await clock.advance(0);
    for (let minute = 0; minute < 60; minute++) await clock.advance(60_000);
    t.same(ran, ['own', 'own', 'own', 'ffmpeg', 'ffmpeg', 'own', 'ffmpeg', 'own']);
    t.same(states.at(-1), { state: 'playing', engine: 'own' });
    await supervisor.stop();
  },
);
