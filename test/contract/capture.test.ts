/**
 * The contract of capture, run on both engines: what reaches the sink is bit for bit what the camera sent, from the first key frame
 * on, whatever the camera's habits.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CaptureOptions } from '@longroof/edge-agent/capture/engine';
import t, { type Test } from 'tap';
import { type MediaRecipe, makeMedia } from '../peers/media.js';
import { until } from '../peers/program.js';
import { type RtspServer, startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec, RtspServerSpec, SentUnit } from '../peers/rtsp/spec.js';
import { AUTH, ENGINES, type EngineName, inTurns, record, sentFrom } from './capture-camera.js';
import type { KeptUnit, Recorder } from './capture-recorder.js';

t.setTimeout(400_000);
// Most of the time is spent waiting for cameras.
t.jobs = 2;

const SHARED = fileURLToPath(new URL('../../../../shared/media/street.mp4', import.meta.url));

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
    server: { auth: { scheme: 'digest-md5', ...AUTH, qop: false, nonceUses: 1 }, sessionTimeoutS: 4 },
  },
  {
    name: 'Digest SHA-256, every nonce stale after two uses',
    server: { auth: { scheme: 'digest-sha256', ...AUTH, nonceUses: 2 }, sessionTimeoutS: 4 },
  },
  { name: 'Basic, allowed', server: { auth: { scheme: 'basic', ...AUTH } }, options: { allowBasic: true } },
  { name: 'kept alive by SET_PARAMETER', server: { sessionTimeoutS: 4, keepAliveMethods: ['SET_PARAMETER'] }, units: 125 },
  { name: 'kept alive by OPTIONS', server: { sessionTimeoutS: 4, keepAliveMethods: [] }, units: 125 },
  { name: 'kept alive by GET_PARAMETER', server: { sessionTimeoutS: 4 }, units: 125 },
  { name: 'street.mp4 with sound', file: SHARED, mount: { audio: true }, options: { audio: true } },
];

/** For whoever reads a failure: which of the sent units stand around the first wrong one. */
function placesOf(got: KeptUnit[], sent: SentUnit[], wrong: number): { around: string[] } {
  const around = got.slice(Math.max(0, wrong - 3), wrong + 6).map((unit) => {
    const place = sent.findIndex(({ sha256 }) => sha256 === unit.sha256);
    return `${place}${unit.key ? ' key' : ''}${unit.damaged ? ' damaged' : ''}, lost ${unit.lostPackets}, ${unit.length} bytes at ${unit.pts90k}`;
  });
  return { around };
}

function compareVideo(t: Test, engine: EngineName, recorder: Recorder, server: RtspServer, mount: Omit<MountSpec, 'files'>): void {
  const got = recorder.video();
  // The last one may have been cut off by the stop.
  if (got.at(-1)?.damaged) got.pop();
  const sent = sentFrom(server);
  const wrong = got.findIndex((unit, index) => unit.sha256 !== sent[index]?.sha256 || unit.key !== sent[index]?.key);
  t.equal(wrong, -1, `all ${got.length} units are what was sent, in order, from the first key frame on`, placesOf(got, sent, wrong));
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
  // When each was due: the sender's own delays are jitter too, and what it was late by, the reader, of the same program, may be as well.
  const due = (whenMs: (unit: SentUnit) => number): number => Math.min(...sent.map((unit) => whenMs(unit) - apart(unit) / 90));
  const startMs = due((unit) => unit.sentMonoMs);
  const startUtcMs = due((unit) => unit.sentUtcMs);
  const lateMs = Math.max(...sent.map((unit) => unit.sentMonoMs - apart(unit) / 90)) - startMs;
  const clocks = got.map((unit, index) => (unit.cameraUtcMs ?? 0) - startUtcMs - apart(sent[index] ?? rtp) / 90 - offsetMs);
  if (mount.senderReportMs === 0)
    t.ok(
      got.every((unit) => unit.cameraUtcMs === null),
      'no claim of a camera clock without sender reports',
    );
  else
    t.ok(
      clocks.slice(30).every((errorMs) => Math.abs(errorMs) < 2000 + lateMs),
      `the camera's clock is told, ${Math.min(...clocks.slice(30)).toFixed()} to ${Math.max(...clocks.slice(30)).toFixed()} ms off`,
    );
  const offMs = got.slice(30).map((unit, index) => unit.monoMs - startMs - apart(sent[index + 30] ?? rtp) / 90);
  t.ok(
    Math.max(...offMs.map(Math.abs)) < 1000 + lateMs,
    `monotonic times are ${Math.min(...offMs).toFixed()} to ${Math.max(...offMs).toFixed()} ms off; the sender was ${lateMs.toFixed()} ms late`,
  );
}

async function runVariant(t: Test, engine: EngineName, variant: Variant): Promise<void> {
  const { name, recipe = {}, mount = {}, server: about = {}, options = {}, units = 60, told = 1 } = variant;
  const files = [variant.file ?? (await makeMedia(recipe))];
  const server = await startRtspServer({ mounts: { cam: { files, ...mount } }, ...about });
  const { recorder, engine: running } = record(server.url('cam'), engine, options);
  try {
    await until(`${engine}, ${name}: ${units} units`, () => recorder.video().length >= units).catch((error: unknown) =>
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

for (const engine of ENGINES) {
  t.test(`${engine}: what a camera may do`, { buffered: true }, async (t) => {
    const variants = VARIANTS.filter(({ file }) => !file || existsSync(file));
    if (variants.length < VARIANTS.length) t.comment(`skipped: ${path.basename(SHARED)} is not there`);
    await inTurns(variants, engine === 'own' ? 11 : 6, (variant) => runVariant(t, engine, variant));
  });
}
