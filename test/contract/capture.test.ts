/**
 * The contract of capture, run on both engines: what reaches the sink is bit for bit what the camera sent, from the first key frame
 * on, whatever the camera's habits; and what goes wrong with the camera is told by its right name and survived.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@longroof/base/clock';
import { silentLog } from '@longroof/base/log';
import { createEngine } from '@longroof/edge-agent/capture/create';
import type { CaptureEngine, CaptureOptions } from '@longroof/edge-agent/capture/engine';
import t, { type Test } from 'tap';
import { type MediaRecipe, makeMedia, RARE_KEY_FRAMES } from '../peers/media.js';
import { until } from '../peers/program.js';
import { type RtspServer, startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec, RtspServerSpec, SentUnit } from '../peers/rtsp/spec.js';
import { Recorder } from './capture-recorder.js';

t.setTimeout(150_000);
// Most of the time is spent waiting for cameras.
t.jobs = 3;

type EngineName = 'own' | 'ffmpeg';
const ENGINES: EngineName[] = ['own', 'ffmpeg'];
const AUTH = { user: 'us er', password: 'p:a@s/s"w' };
const SHARED = fileURLToPath(new URL('../../../../shared/media/street.mp4', import.meta.url));

interface Running {
  recorder: Recorder;
  engine: CaptureEngine;
}

function record(url: string, engine: CaptureOptions['engine'], options: Partial<CaptureOptions> = {}): Running {
  const recorder = new Recorder();
  const running = createEngine({ url, engine, audio: false, allowBasic: false, stallMs: 5000, ...options }, recorder, {
    clock: systemClock,
    log: silentLog,
    runStartMonoMs: systemClock.mono(),
    random: () => 0,
  });
  running.start();
  return { recorder, engine: running };
}

interface Variant {
  name: string;
  recipe?: MediaRecipe;
  mount?: Omit<MountSpec, 'files'>;
  server?: Partial<RtspServerSpec>;
  options?: Partial<CaptureOptions>;
  /** A shared file instead of a recipe. */
  file?: string;
  /** Wait for so many video units. Default 60. */
  units?: number;
  /** Parameter sets that the session tells, one after the other. Default 1. */
  told?: number;
}

const NEAR_WRAP = { startSequence: 65_500, startTimestamp: 0xffff_f000 };
const VARIANTS: Variant[] = [
  { name: 'H.264, a write for each frame' },
  { name: 'H.265, a write for each packet, small packets', recipe: { codec: 'h265' }, mount: { mode: 'packet', payloadBytesMax: 300 } },
  {
    name: 'H.264, aggregated, padded, extended, CSRCs, across both wraps',
    recipe: { aud: true, slices: 4 },
    mount: { aggregate: true, paddingBytes: 9, headerExtension: true, csrcs: 3, ...NEAR_WRAP },
  },
  {
    name: 'H.265, aggregated, padded, extended, across both wraps',
    recipe: { codec: 'h265', aud: true, slices: 3 },
    mount: { aggregate: true, paddingBytes: 1, headerExtension: true, csrcs: 15, ...NEAR_WRAP },
  },
  { name: 'H.264 with B frames, marker on every packet', recipe: { bFrames: 2, slices: 2 }, mount: { marker: 'always' } },
  { name: 'H.265 with B frames, marker never', recipe: { codec: 'h265', bFrames: 3 }, mount: { marker: 'never', mode: 'packet' } },
  { name: 'H.264, parameter sets in the SDP only', mount: { parameterSets: 'sdp', control: 'absolute' } },
  { name: 'H.265, parameter sets in the SDP only', recipe: { codec: 'h265' }, mount: { parameterSets: 'sdp', control: 'star' } },
  { name: 'H.264, parameter sets in band only, no sender reports', mount: { parameterSets: 'band', senderReportMs: 0, control: 'star' } },
  {
    name: 'H.265, parameter sets in band only, an hour ahead',
    recipe: { codec: 'h265' },
    mount: { parameterSets: 'band', cameraClockOffsetMs: 3_600_000 },
  },
  { name: 'joined behind a key frame', mount: { join: 'middle' } },
  {
    name: 'with AAC, and a track of metadata in front',
    recipe: { audio: true, bFrames: 1 },
    mount: { audio: true, metadataTrack: true },
    options: { audio: true },
  },
  { name: 'with AAC that is not wanted', recipe: { audio: true }, mount: { audio: true } },
  { name: 'Digest MD5', server: { auth: { scheme: 'digest-md5', ...AUTH } } },
  { name: 'Digest SHA-256', server: { auth: { scheme: 'digest-sha256', ...AUTH } } },
  {
    name: 'Digest without qop, every nonce stale after one use',
    server: { auth: { scheme: 'digest-md5', ...AUTH, qop: false, nonceUses: 1 }, sessionTimeoutS: 2 },
  },
  {
    name: 'Digest SHA-256, every nonce stale after two uses',
    server: { auth: { scheme: 'digest-sha256', ...AUTH, nonceUses: 2 }, sessionTimeoutS: 2 },
  },
  { name: 'Basic, allowed', server: { auth: { scheme: 'basic', ...AUTH } }, options: { allowBasic: true } },
  { name: 'kept alive by SET_PARAMETER', server: { sessionTimeoutS: 2, keepAliveMethods: ['SET_PARAMETER'] }, units: 100 },
  { name: 'kept alive by OPTIONS', server: { sessionTimeoutS: 2, keepAliveMethods: [] }, units: 100 },
  { name: 'kept alive by GET_PARAMETER', server: { sessionTimeoutS: 2 }, units: 100 },
  { name: 'street.mp4 with sound', file: SHARED, mount: { audio: true }, options: { audio: true } },
];

/** What was sent from the first key frame that a player got. */
function sentFrom(server: RtspServer): SentUnit[] {
  const sent = server.log('cam').filter((unit) => unit.kind === 'video' && unit.players > 0);
  const first = sent.findIndex((unit) => unit.key);
  return first < 0 ? [] : sent.slice(first);
}

function compareVideo(t: Test, engine: EngineName, recorder: Recorder, server: RtspServer, mount: Omit<MountSpec, 'files'>): void {
  const got = recorder.video();
  // The last one may have been cut off by the stop.
  if (got.at(-1)?.damaged) got.pop();
  const sent = sentFrom(server);
  const wrong = got.findIndex((unit, index) => unit.sha256 !== sent[index]?.sha256 || unit.key !== sent[index]?.key);
  t.equal(wrong, -1, `all ${got.length} units are what was sent, in order, from the first key frame on`);
  t.same(recorder.complaints, [], 'every promise of the interface is kept');
  t.notOk(
    got.some((unit) => unit.damaged || unit.lostPackets > 0),
    'none is damaged',
  );
  // ffmpeg guesses at the times of the first frames of a session until it has seen how many are reordered.
  const from = engine === 'own' ? 0 : 6;
  const base = got[from];
  const rtp = sent[from];
  if (!base || !rtp) return;
  const apart = (unit: SentUnit): number => (unit.rtpTimestamp - rtp.rtpTimestamp) | 0;
  const late = got.findIndex(
    (unit, index) => index >= from && Math.abs(unit.pts90k - base.pts90k - apart(sent[index] ?? rtp)) > (engine === 'own' ? 0 : 95),
  );
  t.equal(late, -1, 'presentation times are as far apart as the camera says');
  const offsetMs = mount.cameraClockOffsetMs ?? 0;
  const clocks = got.map((unit, index) => (unit.cameraUtcMs ?? 0) - (sent[index]?.sentUtcMs ?? 0) - offsetMs);
  if (mount.senderReportMs === 0)
    t.ok(
      got.every((unit) => unit.cameraUtcMs === null),
      'no claim of a camera clock without sender reports',
    );
  else
    t.ok(
      clocks.slice(30).every((errorMs) => Math.abs(errorMs) < 2000),
      "the camera's clock is told",
    );
  t.ok(
    got.slice(30).every((unit, index) => Math.abs(unit.monoMs - (sent[index + 30]?.sentMonoMs ?? 0)) < 1000),
    'monotonic times are near',
  );
}

async function runVariant(t: Test, engine: EngineName, variant: Variant): Promise<void> {
  const { name, recipe = {}, mount = {}, server: about = {}, options = {}, units = 60, told = 1 } = variant;
  const files = [variant.file ?? (await makeMedia(recipe))];
  const server = await startRtspServer({ mounts: { cam: { files, ...mount } }, ...about });
  const { recorder, engine: running } = record(server.url('cam'), engine, options);
  try {
    await until(`${engine}, ${name}: ${units} units`, () => recorder.video().length >= units, 30_000).catch((error: unknown) =>
      t.fail(String(error)),
    );
    await running.stop();
    await t.test(`${engine}: ${name}`, async (t) => {
      compareVideo(t, engine, recorder, server, mount);
      t.same(
        recorder.states.map(({ state }) => state),
        ['connecting', 'playing', 'stopped'],
        'one session',
      );
      t.equal(recorder.told.length, told, 'tracks told');
      const audio = recorder.audio();
      if (options.audio) {
        const sent = server.log('cam').filter((unit) => unit.kind === 'audio');
        const first = sent.findIndex((unit) => unit.sha256 === audio[0]?.sha256);
        t.ok(audio.length > 40 && first >= 0, `${audio.length} frames of sound`);
        t.notOk(
          audio.some((unit, index) => unit.sha256 !== sent[first + index]?.sha256),
          'the sound is what was sent',
        );
        const video = recorder.video();
        const early = (video.at(-1)?.pts90k ?? 0) - (audio.at(-1)?.pts90k ?? 0);
        t.ok(Math.abs(early) < 90_000, 'sound and picture stand side by side');
      } else t.equal(audio.length, 0, 'no sound');
    });
  } finally {
    await running.stop();
    await server.close();
  }
}

/** Some at a time: two cores, and timing that is the point. */
async function inTurns<T>(items: readonly T[], atOnce: number, run: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const next = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}

t.test('own: rare key frames are waited for, and it says so', { buffered: true }, async (t) => {
  const rare = withCamera({ recipe: RARE_KEY_FRAMES, mount: { join: 'middle' } }, 'own', {}, async (server, recorder, running) => {
    await until('footage', () => recorder.video().length > 10, 20_000);
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
      await until('footage', () => recorder.video().length > 10, 40_000);
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

for (const engine of ENGINES) {
  t.test(`${engine}: what a camera may do`, { buffered: true }, async (t) => {
    const variants = VARIANTS.filter(({ file }) => !file || existsSync(file));
    if (variants.length < VARIANTS.length) t.comment(`skipped: ${path.basename(SHARED)} is not there`);
    await inTurns(variants, engine === 'own' ? 11 : 6, (variant) => runVariant(t, engine, variant));
  });
}

/** Runs `act` beside a recording, and stops both whatever happens. */
async function withCamera(
  spec: Omit<RtspServerSpec, 'mounts'> & { mount?: Partial<MountSpec>; recipe?: MediaRecipe },
  engine: CaptureOptions['engine'],
  options: Partial<CaptureOptions> & { url?: (url: string) => string },
  act: (server: RtspServer, recorder: Recorder, engine: CaptureEngine) => Promise<void>,
): Promise<void> {
  const { mount = {}, recipe = {}, ...about } = spec;
  const server = await startRtspServer({ mounts: { cam: { files: [await makeMedia(recipe)], ...mount } }, ...about });
  const { url = (same: string) => same, ...rest } = options;
  const { recorder, engine: running } = record(url(server.url('cam')), engine, rest);
  try {
    await act(server, recorder, running);
  } finally {
    await running.stop();
    await server.close();
  }
}

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
      await until('footage again', () => recorder.video().length > before + 20, 40_000);
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
      await until('footage', () => recorder.video().length > 90, 40_000);
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
