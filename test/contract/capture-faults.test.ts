/**
 * What goes wrong with a camera is told by its right name and survived, on both engines; and what our own client makes of losses,
 * garbage and rare key frames.
 */

import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { type MediaRecipe, makeMedia, RARE_KEY_FRAMES } from '../peers/media.js';
import { until } from '../peers/program.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec, RtspServerSpec, SentUnit } from '../peers/rtsp/spec.js';
import { AUTH, ENGINES, inTurns, record, sentFrom, withCamera } from './capture-camera.js';

t.setTimeout(400_000);
// Most of the time is spent waiting for cameras.
t.jobs = 3;

t.test('own: rare key frames are waited for, and it says so', { buffered: true }, async (t) => {
  const rare = withCamera({ recipe: RARE_KEY_FRAMES, mount: { join: 'middle' } }, 'own', {}, async (server, recorder, running) => {
    await until('footage', () => recorder.video().length > 10);
    await running.stop();
    t.same(
      recorder.states.map(({ state }) => state),
      ['connecting', 'playing', 'stopped'],
      'a key frame each 12 s is no failure',
    );
    t.equal(recorder.video()[0]?.sha256, sentFrom(server)[0]?.sha256);
  });
  const rarer = withCamera(
    { recipe: { ...RARE_KEY_FRAMES, gopS: 24 }, mount: { join: 'middle' } },
    'own',
    {},
    async (_server, recorder, running) => {
      await until('footage', () => recorder.video().length > 10);
      await running.stop();
      t.match(recorder.failure(), { cause: 'camera-no-key-frame', code: 'LR_CAPTURE_NO_KEY_FRAME' });
      t.same(
        recorder.states.map(({ state }) => state),
        ['connecting', 'playing', 'failed', 'playing', 'stopped'],
        'the session goes on',
      );
    },
  );
  await Promise.all([rare, rarer]);
});

interface Fault {
  name: string;
  spec?: Parameters<typeof withCamera>[0];
  options?: Parameters<typeof withCamera>[2];
  code: string;
  cause: string;
}

const basic: RtspServerSpec['auth'] = { scheme: 'basic', ...AUTH };
const digest: RtspServerSpec['auth'] = { scheme: 'digest-sha256', ...AUTH };
const FAULTS: Fault[] = [
  { name: 'a web server', spec: { answers: 'http' }, code: 'LR_RTSP_NOT_RTSP', cause: 'camera-not-rtsp' },
  { name: 'noise', spec: { answers: 'noise' }, code: 'LR_RTSP_NOT_RTSP', cause: 'camera-not-rtsp' },
  { name: '10 MB of headers', spec: { answers: 'endless-headers' }, code: 'LR_RTSP_HEADERS', cause: 'camera-not-rtsp' },
  {
    name: 'a wrong password',
    spec: { auth: digest },
    options: { url: (url) => url.replace(/:\/\/[^@]*@/, '://admin:hunter2@') },
    code: 'LR_RTSP_REFUSED',
    cause: 'camera-refused',
  },
  {
    name: 'no password',
    spec: { auth: digest },
    options: { url: (url) => url.replace(/\/\/[^@]*@/, '//') },
    code: 'LR_RTSP_CREDENTIALS',
    cause: 'camera-refused',
  },
  { name: 'Basic, not allowed', spec: { auth: basic }, code: 'LR_RTSP_BASIC_REFUSED', cause: 'camera-refused' },
  { name: 'another path', options: { url: (url) => `${url}-gone` }, code: 'LR_RTSP_NOT_FOUND', cause: 'camera-no-video' },
  {
    name: 'a redirection in circles',
    spec: { mount: { redirectTo: 'rtsp://127.0.0.1:1/away' } },
    code: 'LR_RTSP_CONNECT',
    cause: 'camera-unreachable',
  },
];

for (const engine of ENGINES) {
  t.test(`${engine}: what may stand in a camera's place is told by its name`, { buffered: true }, async (t) => {
    await inTurns(FAULTS, 4, ({ name, spec = {}, options = {}, code, cause }) =>
      withCamera(spec, engine, options, async (_server, recorder) => {
        const failure = await until(`${engine}, ${name}: a failure`, () => recorder.failure());
        t.match(failure, { code, cause }, `${engine}: ${name}`);
        t.notMatch(failure.message, /hunter2|@/, 'no secret is told');
        t.ok(failure.retryInMs > 0 && failure.retryInMs <= 15_000, 'it will be tried again');
        t.equal(recorder.units.length, 0);
      }),
    );
  });

  t.test(`${engine}: first connection, kill and return, stall, redirection`, { buffered: true }, async (t) => {
    const killed = withCamera({}, engine, {}, async (server, recorder, running) => {
      await until('footage', () => recorder.video().length > 20);
      await server.kill();
      await until('a failure', () => recorder.failure());
      t.match(recorder.failure(), { cause: 'camera-unreachable' }, 'a camera that went away is unreachable');
      const before = recorder.video().length;
      await server.restart();
      await until('footage again', () => recorder.video().length > before + 20);
      await running.stop();
      t.equal(recorder.sessions, 2, 'two sessions');
      t.same(recorder.complaints, [], 'the media axis never runs back');
      const second = recorder.video().find((unit) => unit.session === 1);
      const last = recorder.video().findLast((unit) => unit.session === 0);
      const mediaMs = ((second?.dts90k ?? 0) - (last?.dts90k ?? 0)) / 90;
      const trueMs = (second?.arrivalMonoMs ?? 0) - (last?.arrivalMonoMs ?? 0);
      t.ok(
        Math.abs(mediaMs - trueMs) < 1500,
        `the axis leaves the time out in between (${Math.round(mediaMs)} of ${Math.round(trueMs)} ms)`,
      );
    });
    const stalled = withCamera({}, engine, { stallMs: 1500 }, async (server, recorder) => {
      await until('footage', () => recorder.video().length > 20);
      server.mount('cam').stall(true);
      await until('a failure', () => recorder.failure());
      t.match(recorder.failure(), { cause: 'camera-stalled', code: 'LR_RTSP_STALLED' }, 'silence is a stall');
      server.mount('cam').stall(false);
      const before = recorder.video().length;
      await until('footage again', () => recorder.video().length > before + 20);
      t.same(recorder.complaints, []);
    });
    const late = startRtspServer({ mounts: { cam: { files: [await makeMedia({})] } } }).then(async (server) => {
      await server.kill();
      const { recorder, engine: running } = record(server.url('cam'), engine);
      await until('a failure', () => recorder.failure());
      t.match(recorder.failure(), { cause: 'camera-unreachable', code: 'LR_RTSP_CONNECT' }, 'nobody there');
      await server.restart();
      await until('footage', () => recorder.video().length > 20);
      await running.stop();
      await server.close();
    });
    const file = await makeMedia({});
    const redirected = startRtspServer({ mounts: { real: { files: [file] } }, auth: digest }).then((target) =>
      withCamera(
        { mount: { redirectTo: target.url('real').replace(/\/\/[^@]*@/, '//') }, auth: digest },
        engine,
        {},
        async (_server, recorder) => {
          await until('footage', () => recorder.video().length > 20);
          t.same(recorder.complaints, [], 'a redirection is followed, with the same credentials on the same host');
        },
      ).finally(() => target.close()),
    );
    await Promise.all([killed, stalled, late, redirected]);
  });
}

t.test('own: losses are counted exactly and flagged where they happened', { buffered: true }, async (t) => {
  const run = (mount: Partial<MountSpec>, recipe: MediaRecipe): Promise<void> =>
    withCamera({ mount, recipe }, 'own', {}, async (server, recorder, running) => {
      await until('footage', () => recorder.video().length > 90);
      await running.stop();
      const sent = server.log('cam').filter((unit) => unit.players > 0);
      const got = recorder.video().slice(0, -1);
      const byTime = new Map(sent.map((unit) => [unit.rtpTimestamp, unit]));
      const first = sent.find((unit) => unit.sha256 === got.find((one) => !one.damaged)?.sha256);
      const anchor = got.find((unit) => unit.sha256 === first?.sha256);
      if (!first || !anchor) {
        t.fail('no whole unit');
        return;
      }
      const twin = (pts90k: number): SentUnit | undefined => byTime.get((first.rtpTimestamp + pts90k - anchor.pts90k) >>> 0);
      const mistaken = got.filter((unit) => unit.damaged !== (twin(unit.pts90k)?.dropped ?? 0) > 0);
      t.same(
        mistaken.map((unit) => unit.pts90k),
        [],
        `${got.filter((unit) => unit.damaged).length} of ${got.length} damaged, and only those`,
      );
      t.notOk(
        got.some((unit) => !unit.damaged && unit.sha256 !== twin(unit.pts90k)?.sha256),
        'the others are whole',
      );
      // What was lost in front of the first unit belongs to no one; the last one's end is not known.
      const from = sent.findIndex((unit) => unit === twin(got[1]?.pts90k ?? 0));
      const to = sent.findIndex((unit) => unit === twin(got.at(-1)?.pts90k ?? 0));
      const dropped = sent.slice(from, to + 1).reduce((sum, unit) => sum + unit.dropped, 0);
      const counted = got.slice(1).reduce((sum, unit) => sum + unit.lostPackets, 0);
      t.ok(Math.abs(counted - dropped) <= 1, `${counted} counted, ${dropped} dropped`);
      t.same(recorder.complaints, []);
    });
  await Promise.all([
    run({ dropEvery: 37, parameterSets: 'sdp' }, {}),
    run({ dropEvery: 53, parameterSets: 'sdp', payloadBytesMax: 300 }, { codec: 'h265' }),
    run({ dropEvery: 100, parameterSets: 'sdp', payloadBytesMax: 200, mode: 'packet' }, { slices: 4, bFrames: 2 }),
  ]);
});

t.test('own: another source, garbage between packets, questions of the camera, changing parameter sets', { buffered: true }, async (t) => {
  const source = withCamera({}, 'own', {}, async (server, recorder, running) => {
    await until('footage', () => recorder.video().length > 30);
    server.mount('cam').changeSsrc();
    await until('more', () => recorder.video().length > 80);
    await running.stop();
    const got = recorder.video().slice(0, -1);
    t.same(
      got.map((unit) => unit.sha256),
      sentFrom(server)
        .slice(0, got.length)
        .map((unit) => unit.sha256),
      'nothing is missing around a new SSRC',
    );
    t.notOk(
      got.some((unit) => unit.damaged || unit.lostPackets > 0),
      'and nothing counts as lost',
    );
    t.same(recorder.complaints, []);
    const steps = got.slice(1).map((unit, index) => unit.dts90k - (got[index]?.dts90k ?? 0));
    t.ok(Math.max(...steps) < 90_000, 'the media axis goes on');
  });
  const garbage = withCamera({}, 'own', {}, async (server, recorder, running) => {
    await until('footage', () => recorder.video().length > 10);
    for (let round = 1; round <= 5; round++) {
      server
        .mount('cam')
        .garbage(Buffer.from(Array.from({ length: 100 * round }, (_, index) => (index * 37 * round + (index % 7 === 0 ? 0x24 : 0)) & 255)));
      server.ask('OPTIONS');
      server.ask('REDIRECT');
      await until('more', () => recorder.video().length > 10 + 12 * round);
    }
    await running.stop();
    t.equal(recorder.sessions, 1, 'one session');
    const got = recorder.video().slice(0, -1);
    const sent = sentFrom(server).map((unit) => unit.sha256);
    const whole = got.filter((unit) => sent.includes(unit.sha256)).length;
    t.ok(whole >= got.length - 5, `${whole} of ${got.length} units are whole`);
  });
  const files = [await makeMedia({ seconds: 1 }), await makeMedia({ seconds: 1, width: 480, height: 272, variant: 1 })];
  const sets = withCamera({ mount: { files } }, 'own', {}, async (server, recorder, running) => {
    await until('footage', () => recorder.video().length > 90);
    await running.stop();
    const got = recorder.video().slice(0, -1);
    t.same(
      got.map((unit) => unit.sha256),
      sentFrom(server)
        .slice(0, got.length)
        .map((unit) => unit.sha256),
    );
    const widths = recorder.told.map(([video]) => video?.width);
    t.ok(widths.length >= 3 && widths.every((width, index) => width === (index % 2 === 0 ? 320 : 480)), `told ${widths}`);
    t.same(recorder.complaints, []);
  });
  await Promise.all([source, garbage, sets]);
});

t.test("ffmpeg: no password in any program's arguments or environment", { buffered: true }, async (t) => {
  await withCamera({ auth: { ...AUTH, scheme: 'digest-md5', password: 'hunter2hunter2' } }, 'ffmpeg', {}, async (_server, recorder) => {
    await until('footage', () => recorder.video().length > 5);
    const children = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
          if (parent !== String(process.pid)) return [];
          return [readFileSync(`/proc/${pid}/cmdline`, 'latin1') + readFileSync(`/proc/${pid}/environ`, 'latin1')];
        } catch {
          // Programs end while we look.
          return [];
        }
      });
    t.ok(
      children.some((text) => text.startsWith('ffmpeg')),
      'ffmpeg runs',
    );
    t.notOk(
      children.some((text) => /hunter2|us(%20| )er/.test(text)),
      'neither user nor password can be seen',
    );
  });
});
