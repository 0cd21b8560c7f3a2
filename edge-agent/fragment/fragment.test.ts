/** Fragments as a player meets them: real encoders' units in, files that ffmpeg decodes out; then rules over random units. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fuzzCases, type Random, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { h264 } from '../capture/codec/h264.js';
import { h265 } from '../capture/codec/h265.js';
import type { TrackInfo } from '../capture/engine.js';
import { FragmentBuilder } from './builder.js';
import type { BuiltFragment } from './fragment.js';
import {
  AAC,
  AVC_SETS,
  encode,
  feed,
  HEVC_SPS,
  OTHER_SETS,
  packets,
  readFragment,
  readMedia,
  type TestUnit,
  trackOf,
} from './test-media.js';

const seed = testSeed();
t.comment(`seed ${seed}`);
const STREAM = { camera: 'front', rendition: 'original' } as const;
function collect(): { built: BuiltFragment[]; builder: FragmentBuilder } {
  const built: BuiltFragment[] = [];
  const sink = { fragment: (fragment: BuiltFragment) => built.push(fragment) > 0 };
  return { built, builder: new FragmentBuilder({ stream: STREAM, sink }) };
}

const video = (size: string, seconds: number, ...more: string[]): string[] => [
  ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`],
  ...more,
];
const LOSSLESS_ORDER = 'keyint=50:min-keyint=50:scenecut=0';

const encodings = [
  {
    name: 'H.264 with B frames and sound, cropped to 180 lines',
    args: [
      ...video('320x180', 5, '-f', 'lavfi', '-i', 'sine=f=440:r=44100:d=5'),
      ...['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'high', '-level', '4.1', '-bf', '3', '-x264-params', LOSSLESS_ORDER],
      ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '64k'],
    ],
    codec: /^avc1\.640029,mp4a\.40\.2$/,
    size: '320,180',
    tags: 'avc1 mp4a',
  },
  {
    name: 'H.264 1080p, one frame 1088 lines cropped to 1080',
    args: [...video('1920x1080', 1), '-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p'],
    codec: /^avc1\.42c028$/,
    size: '1920,1080',
    tags: 'avc1',
  },
  {
    name: 'H.265 with B frames',
    args: [
      ...video('426x240', 3),
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-pix_fmt', 'yuv420p'],
      ...['-x265-params', `${LOSSLESS_ORDER}:open-gop=0:bframes=3:level-idc=3.1:log-level=error`],
    ],
    codec: /^hvc1\.1\.6\.L93\.(90|B0)$/,
    size: '426,240',
    tags: 'hvc1',
  },
];

for (const { name, args, codec, size, tags } of encodings) {
  t.test(name, async (t) => {
    const directory = t.testdir();
    const media = readMedia(encode(directory, 'in', args));
    const { built, builder } = collect();
    builder.tracks(media.tracks);
    for (const unit of media.units) feed(builder, media.tracks.find(({ kind }) => kind === unit.kind) as TrackInfo, unit);
    builder.sessionEnded();
    const first = built[0] as BuiltFragment;
    t.match(first.meta.codec, codec);
    const out = path.join(directory, 'out.mp4');
    fs.writeFileSync(out, Buffer.concat([first.init.bytes, ...built.flatMap(({ parts }) => parts)]));

    const decoded = spawnSync('ffmpeg', ['-v', 'error', '-i', out, '-f', 'null', '-'], { encoding: 'utf8' });
    t.same([decoded.status, decoded.stderr], [0, ''], 'ffmpeg decodes without a word');
    const probe = ['-v', 'error', '-show_entries', 'stream=width,height,codec_tag_string', '-of', 'json', out];
    const streams = (JSON.parse(execFileSync('ffprobe', probe, { encoding: 'utf8' })) as { streams: Record<string, unknown>[] }).streams;
    t.equal(streams.map((stream) => stream['codec_tag_string']).join(' '), tags);
    t.equal(`${streams[0]?.['width']},${streams[0]?.['height']}`, size);

    for (const [index, track] of media.tracks.entries()) {
      const sent = media.units.filter(({ kind }) => kind === track.kind);
      const found = packets(out).filter((packet) => packet.stream_index === index);
      const shape = (all: { pts: number; dts: number; bytes: number; key: boolean }[]): string[] =>
        all.map(({ pts, dts, bytes, key }) => `${dts} ${pts} ${bytes} ${key}`);
      t.same(
        shape(found.map(({ pts, dts, size, flags }) => ({ pts, dts, bytes: Number(size), key: flags.startsWith('K') }))),
        shape(sent.map(({ pts90k, dts90k, bytes, key }) => ({ pts: pts90k, dts: dts90k, bytes: bytes.length, key }))),
        `${track.kind}: ffprobe sees the times, sizes and key frames that went in`,
      );
    }
    for (const { meta } of built) {
      t.ok(meta.duration90k <= 93_600, `a fragment of ${meta.duration90k / 90} ms`);
      t.equal(meta.keyFrames, meta.independent ? 1 : 0, 'a key frame only in front');
    }
    t.equal(built.filter(({ meta }) => meta.independent).length, media.units.filter((unit) => unit.kind === 'video' && unit.key).length);
  });
}

interface Plan {
  /** Every unit that was fed, in order, with the sets in force. */
  fed: (TestUnit & { lost: number; damaged: boolean; sets: number })[];
}

/** A run of random sessions: gaps, jitter, B-frame offsets, sound that starts late or not at all, changed sets, units half assembled. */
function drive(random: Random, builder: FragmentBuilder): Plan {
  const plan: Plan = { fed: [] };
  const last = { video: -1, audio: -1 };
  for (let session = random.int(1, 4); session > 0; session--) {
    let sets = random.int(0, 2);
    const sound = random.next() < 0.5;
    const tell = (): void => builder.tracks([trackOf(sets === 0 ? AVC_SETS : OTHER_SETS), ...(sound ? [AAC] : [])]);
    const step = random.pick([1500, 3000, 3600, 45_000, 120_000]);
    const gop = random.int(1, 80);
    let now = Math.max(last.video, last.audio) + random.int(1, 500_000);
    for (let frame = 0, count = random.int(1, 90); frame < count; frame++) {
      const changes = frame > 0 && random.next() < 0.02;
      if (changes) sets = 1 - sets;
      const key = frame % gop === 0 || changes;
      const picture = {
        ...{ kind: 'video' as const, bytes: random.bytes(random.int(1, 60)), dts90k: now, pts90k: now + random.int(-2, 3) * step, key },
        ...{ lost: random.next() < 0.1 ? random.int(1, 5) : 0, damaged: random.next() < 0.05, sets },
      };
      // As an engine does: the unit is in the arena before its new sets are told.
      if (frame === 0) tell();
      const arena = builder.arena('video');
      arena.append(picture.bytes);
      if (changes) tell();
      arena.cut(arena.length - picture.bytes.length);
      feed(builder, trackOf([]), picture, { lostPackets: picture.lost, damaged: picture.damaged });
      plan.fed.push(picture);
      last.video = now;
      for (let n = sound ? random.int(0, 4) : 0; n > 0; n--) {
        last.audio = Math.max(last.audio + 1, now + (4 - n) * 100);
        const frame = { kind: 'audio' as const, bytes: random.bytes(random.int(1, 9)), dts90k: last.audio, pts90k: last.audio, key: true };
        feed(builder, AAC, frame);
        plan.fed.push({ ...frame, lost: 0, damaged: false, sets });
      }
      now += Math.max(1, step + random.int(-200, 200));
    }
    builder.sessionEnded();
  }
  return plan;
}

/** What holds of all fragments of a run; gives the first thing that does not. */
function wrong(plan: Plan, built: readonly BuiltFragment[]): string | undefined {
  const memory = new Set<ArrayBufferLike>();
  const kept: Record<number, { bytes: Buffer; dts90k: number; pts90k: number; key: boolean }[]> = { 1: [], 2: [] };
  const lastTfdt: Record<number, number> = { 1: -1, 2: -1 };
  for (const { meta, init, parts } of built) {
    if (meta.bytes !== parts.reduce((sum, part) => sum + part.length, 0)) return 'bytes';
    if (meta.initSha256 !== init.sha256 || meta.codec !== init.codec) return 'init';
    for (const part of parts) if (memory.has(part.buffer) || memory.size === memory.add(part.buffer).size) return 'shared memory';
    const tracks = readFragment({ meta, init, parts } as BuiltFragment);
    const frames = tracks.get(1) ?? [];
    if (meta.frames !== frames.length) return 'frames';
    if (meta.keyFrames !== frames.filter(({ key }) => key).length) return 'key frames';
    if (frames.slice(1).some(({ key }) => key)) return 'a key frame within';
    if (meta.independent !== (frames[0]?.key ?? false)) return 'independent';
    if (frames.length > 0 && meta.start90k !== frames[0]?.dts90k) return 'start90k';
    const firstMonoMs = 1000 + (meta.start90k + (frames[0]?.composition90k ?? 0)) / 90;
    if (frames.length > 0 && Math.abs(meta.startMonoMs - firstMonoMs) > 0.001) return 'startMonoMs is not that of the first frame';
    if ((frames.at(-1)?.dts90k ?? 0) - meta.start90k >= 90_000 && frames.length > 0) return 'longer than a second';
    for (const [track, samples] of tracks) {
      const start = samples[0]?.dts90k ?? -1;
      if (start <= (lastTfdt[track] ?? -1)) return `tfdt ${start} of track ${track} repeats or runs back`;
      lastTfdt[track] = start;
      kept[track]?.push(
        ...samples.map(({ bytes, dts90k, composition90k, key }) => ({ bytes, dts90k, pts90k: dts90k + composition90k, key })),
      );
    }
  }
  for (const [track, kind] of [
    [1, 'video'],
    [2, 'audio'],
  ] as const) {
    const sent = plan.fed.filter((unit) => unit.kind === kind);
    if (sent.length !== kept[track]?.length) return `${kept[track]?.length} of ${sent.length} ${kind} units`;
    const differs = sent.findIndex((unit, i) => {
      const found = kept[track]?.[i];
      const same = found?.bytes.equals(unit.bytes) && found.dts90k === unit.dts90k && found.pts90k === unit.pts90k;
      return !same || found?.key !== unit.key;
    });
    if (differs >= 0) return `${kind} unit ${differs} differs`;
  }
  const sum = (pick: (meta: BuiltFragment['meta']) => number): number => built.reduce((total, { meta }) => total + pick(meta), 0);
  if (sum((meta) => meta.lostPackets) !== plan.fed.reduce((total, unit) => total + unit.lost, 0)) return 'lost packets';
  if (plan.fed.some(({ damaged }) => damaged) !== built.some(({ meta }) => meta.damaged)) return 'damaged';
  const inits = new Set(built.map(({ meta }) => meta.initSha256));
  if (inits.size > 4) return 'more init segments than there were kinds of tracks';
  return undefined;
}

t.test('whatever a camera does, each unit is in one fragment, at its time, in order', async (t) => {
  const random = seededRandom(seed);
  const cases = fuzzCases(150);
  let failed: string | undefined;
  for (let i = 0; i < cases && !failed; i++) {
    const { built, builder } = collect();
    const plan = drive(random, builder);
    const why = wrong(plan, built);
    if (why) failed = `case ${i}: ${why}`;
  }
  t.equal(failed, undefined, `${cases} cases, seed ${seed}`);
});

t.test('a picture that stands still does not keep sound in memory; sound alone is not independent', async (t) => {
  const { built, builder } = collect();
  builder.tracks([trackOf(AVC_SETS), AAC]);
  feed(builder, trackOf(AVC_SETS), { kind: 'video', bytes: Buffer.from('picture'), dts90k: 0, pts90k: 0, key: true });
  for (let i = 0; i < 500; i++) {
    feed(builder, AAC, { kind: 'audio', bytes: Buffer.from('sound'), dts90k: i * 1920, pts90k: i * 1920, key: true });
  }
  feed(builder, trackOf(AVC_SETS), { kind: 'video', bytes: Buffer.from('next'), dts90k: 960_000, pts90k: 960_000, key: false });
  builder.sessionEnded();
  t.ok(built.length >= 4, `${built.length} fragments of 10 s`);
  t.same(
    built.map(({ meta }) => meta.independent),
    built.map((_, i) => i === 0),
  );
  const last = built.at(-1)?.meta;
  t.same(
    [last?.start90k, last?.startMonoMs],
    [960_000, 1000 + 960_000 / 90],
    'a fragment begins with its picture, also where sound is first',
  );
});

t.test('pictures are as large as their parameter sets say', async (t) => {
  const size = ({ width, height }: { width: number; height: number }): number[] => [width, height];
  t.same(size(h264.readSequence(AVC_SETS[0] as Buffer)), [320, 180]);
  t.same(size(h264.readSequence(OTHER_SETS[0] as Buffer)), [640, 360]);
  t.same(size(h265.readSequence(HEVC_SPS)), [640, 360]);
});

t.test('a fragment is bounded in bytes', async (t) => {
  const { built, builder } = collect();
  builder.tracks([trackOf(AVC_SETS)]);
  for (let i = 0; i < 10; i++) {
    feed(builder, trackOf(AVC_SETS), { kind: 'video', bytes: Buffer.alloc(12 << 20), dts90k: i * 10, pts90k: i * 10, key: i === 0 });
  }
  builder.sessionEnded();
  t.equal(built.length, 5);
  t.ok(built.every(({ meta }) => meta.bytes <= (32 << 20) + 4096));
});
