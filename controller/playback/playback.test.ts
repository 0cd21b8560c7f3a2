/** Playlists and plain MP4 files from stored fragments, checked by ffprobe and ffmpeg. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { openFolderBlobs } from '../store/folder-blobs.js';
import { openStore } from '../store/open.js';
import type { PullInfo } from './footage.js';
import { parseInitSegment } from './init-segment.js';
import { parseMovieFragment } from './movie-fragment.js';
import { encodeMovie } from './movie-header.js';
import type { PlainMp4 } from './plain-mp4.js';
import { Playback } from './playback.js';
import { encodePlaylist, groupSegments, parseSegmentName } from './playlist.js';
import { SampleTable } from './sample-table.js';
import type { StoredFragment } from './stored-fragment.js';
import { FPS, type MadeFootage, makeFootage, type StoreWhere, storeFootage, storePull } from './test-footage.js';

const EPOCH = 'ab'.repeat(16);
const START = Date.UTC(2026, 4, 17, 14, 5);
const WHERE: StoreWhere = { unit: 'wagon-1', epoch: EPOCH, camera: 'front', rendition: 'proxy', run: 3, seqFirst: 100, startUtcMs: START };
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-playback-'));
t.teardown(() => fs.rmSync(dir, { recursive: true }));
const seed = testSeed();
t.comment(`LONGROOF_SEED=${seed}`);

async function rig(name: string, clock = systemClock) {
  const folder = path.join(dir, name);
  const store = await openStore({ dir: folder, clock, log: silentLog });
  const blobs = await openFolderBlobs({ dir: folder });
  t.teardown(() => store.close());
  return { db: store.db, blobs, playback: new Playback({ db: store.db, blobs, clock }) };
}

async function whole(file: PlainMp4): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of file.read(0, file.bytes)) parts.push(part);
  return Buffer.concat(parts);
}

function probe(file: string, entries: string, stream = 'v:0'): string[] {
  const args = ['-v', 'error', '-select_streams', stream, '-show_entries', entries, '-of', 'csv=p=0', file];
  return execFileSync('ffprobe', args, { encoding: 'utf8' }).trim().split('\n');
}

/** Throws where ffmpeg has anything to say. */
function decode(file: string): void {
  const args = ['-v', 'warning', '-xerror', '-i', file, '-map', '0', '-f', 'null', '-'];
  const said = execFileSync('sh', ['-c', 'exec ffmpeg "$@" 2>&1', 'sh', ...args], { encoding: 'utf8' });
  if (said.trim() !== '') throw new Error(said);
}

function countFrames(file: string): number {
  const args = ['-v', 'error', '-select_streams', 'v:0', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', file];
  return Number.parseInt(execFileSync('ffprobe', args, { encoding: 'utf8' }), 10);
}

/** Hash of every decoded picture, in order of showing. */
function pictures(file: string): string[] {
  const args = ['-v', 'error', '-i', file, '-map', '0:v', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', args, { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(',').at(-1)!.trim());
}

function fragmentedFile(name: string, footage: MadeFootage, fragments = footage.fragments): string {
  const file = path.join(dir, name);
  fs.writeFileSync(file, Buffer.concat([footage.init, ...fragments.map((fragment) => fragment.bytes)]));
  return file;
}

/** The playlist of camera `front` with all it names, as files. */
async function saveHls(playback: Playback, info: PullInfo, name: string): Promise<string> {
  const folder = path.join(dir, name);
  fs.mkdirSync(folder);
  const text = await playback.playlist(info.id, 'front');
  for (const [uri] of text.matchAll(/(init-[0-9a-f]+\.mp4|^s-.*)/gm)) {
    const parts: Buffer[] = [];
    if (uri.startsWith('init-')) parts.push(await playback.init(info, 'front', uri.slice(5, -4)));
    else for await (const part of (await playback.segment(info, 'front', uri)).read()) parts.push(part);
    fs.writeFileSync(path.join(folder, uri), Buffer.concat(parts));
  }
  fs.writeFileSync(path.join(folder, 'playlist.m3u8'), text);
  return path.join(folder, 'playlist.m3u8');
}

t.test('a plain MP4 of picture and sound, B-frames and all', async (t) => {
  const { db, blobs, playback } = await rig('plain');
  const footage = makeFootage({ seconds: 10 });
  await storeFootage(db, blobs, WHERE, footage);
  const pull = { id: 'p1', unit: 'wagon-1', camera: 'front', person: 'ada', state: 'done' as const };
  await storePull(db, pull, [{ epoch: EPOCH, run: 3, seqFirst: 100, seqLast: 109 }]);
  const info = await playback.pull('p1');
  const mp4 = await playback.file(info, 'front', 0);
  const bytes = await whole(mp4);
  t.equal(bytes.length, mp4.bytes);
  t.match(mp4.etag, /^"[\w-]{43}"$/);
  const file = path.join(dir, 'plain.mp4');
  fs.writeFileSync(file, bytes);
  t.ok(bytes.indexOf('moov') < bytes.indexOf('mdat'), 'moov first');
  t.notOk(bytes.includes('moof'), 'not fragmented');
  decode(file);
  t.equal(countFrames(file), footage.frames);
  t.same(pictures(file), pictures(fragmentedFile('plain-source.mp4', footage)), 'every picture as it was recorded');
  t.equal(Math.round(Number(probe(file, 'format=duration')[0])), 10);
  t.same(probe(file, 'stream=codec_name', 'a:0'), ['aac']);
  const keys = probe(file, 'packet=flags').filter((flags) => flags.startsWith('K')).length;
  t.equal(keys, 5, 'key frames are marked');

  const random = seededRandom(seed);
  for (let n = 0; n < fuzzCases(60); n++) {
    const from = random.int(0, bytes.length);
    const to = random.int(from, Math.min(bytes.length, from + 20_000)) + 1;
    const parts: Buffer[] = [];
    for await (const part of mp4.read(from, Math.min(to, bytes.length))) parts.push(part);
    if (!Buffer.concat(parts).equals(bytes.subarray(from, to))) t.fail(`bytes ${from} to ${to} differ from the whole`);
  }
  t.equal(await playback.file(info, 'front', 0), mp4, 'kept in memory');
  t.equal(pictures(await saveHls(playback, info, 'hls-plain')).length, footage.frames, 'ffmpeg plays the playlist');
  await t.rejects(playback.file(info, 'front', 1), { code: 'LR_MP4_PART' });
  await t.rejects(playback.file(info, 'rear', 0), { code: 'LR_FOOTAGE_NONE' });
});

t.test('gaps, another run and another init segment', async (t) => {
  const { db, blobs, playback } = await rig('gaps');
  const one = makeFootage({ seconds: 6, audio: false, bFrames: 0 });
  const other = makeFootage({ seconds: 4, size: '320x180', audio: false, bFrames: 0 });
  await storeFootage(db, blobs, WHERE, one, [0, 1, 4, 5]);
  await storeFootage(db, blobs, { ...WHERE, run: 4, seqFirst: 0, startUtcMs: START + 16_000 }, one);
  await storeFootage(db, blobs, { ...WHERE, run: 4, seqFirst: 6, startUtcMs: START + 22_000 }, other);
  const pull = { id: 'p2', unit: 'wagon-1', camera: 'front', person: 'ada', state: 'done' as const };
  await storePull(db, pull, [
    { epoch: EPOCH, run: 3, seqFirst: 100, seqLast: 105 },
    { epoch: EPOCH, run: 4, seqFirst: 0, seqLast: 9 },
  ]);
  const info = await playback.pull('p2');
  const first = path.join(dir, 'gaps-0.mp4');
  fs.writeFileSync(first, await whole(await playback.file(info, 'front', 0)));
  decode(first);
  t.equal(countFrames(first), 10 * FPS);
  const times = probe(first, 'packet=pts_time').map((line) => Number.parseFloat(line));
  t.equal(times[2 * FPS], 4, 'a gap keeps its length');
  t.equal(times[4 * FPS], 16, 'the next run stands where the wall clock puts it');
  const second = path.join(dir, 'gaps-1.mp4');
  fs.writeFileSync(second, await whole(await playback.file(info, 'front', 1)));
  t.equal(countFrames(second), 4 * FPS);

  const playlist = await playback.playlist('p2', 'front', '?token=x');
  const lines = playlist.split('\n');
  const about = (tag: string): string[] => lines.filter((line) => line.startsWith(tag));
  t.equal(about('#EXTINF').length, 7);
  t.equal(about('#EXT-X-DISCONTINUITY').length, 3, 'hole, run, init');
  t.equal(about('#EXT-X-MAP').length, 2);
  t.same(about('#EXT-X-TARGETDURATION'), ['#EXT-X-TARGETDURATION:2']);
  t.same(about('#EXT-X-PROGRAM-DATE-TIME')[1], '#EXT-X-PROGRAM-DATE-TIME:2026-05-17T14:05:04.000Z');
  t.equal(lines.at(-2), '#EXT-X-ENDLIST');

  let init: Buffer = Buffer.alloc(0);
  const files: Buffer[][] = [];
  for (const line of lines) {
    const map = /^#EXT-X-MAP:URI="init-(.*)\.mp4\?token=x"$/.exec(line)?.[1];
    if (map) init = await playback.init(info, 'front', map);
    if (line === '#EXT-X-DISCONTINUITY' || files.length === 0) files.push([]);
    if (!line.startsWith('s-')) continue;
    const segment = await playback.segment(info, 'front', line.replace('?token=x', ''));
    const file = files.at(-1)!;
    if (file.length === 0) file.push(init);
    const before = file.length;
    for await (const part of segment.read()) file.push(part);
    t.equal(Buffer.concat(file.slice(before)).length, segment.bytes);
  }
  const counts = files.map((parts, index) => {
    fs.writeFileSync(path.join(dir, `stretch-${index}.mp4`), Buffer.concat(parts));
    return countFrames(path.join(dir, `stretch-${index}.mp4`));
  });
  t.same(
    counts,
    [2, 2, 6, 4].map((seconds) => seconds * FPS),
    'the segments of each unbroken stretch, joined, hold every frame',
  );
  await t.rejects(playback.segment(info, 'front', `s-${EPOCH}-3-99-100.m4s`), { code: 'LR_SEGMENT_UNKNOWN' });
  await t.rejects(playback.segment(info, 'rear', `s-${EPOCH}-3-100-101.m4s`), { code: 'LR_SEGMENT_UNKNOWN' });
  await t.rejects(playback.init(info, 'rear', one.initSha256), { code: 'LR_SEGMENT_UNKNOWN' });
});

t.test('a playlist that grows while the pull runs', async (t) => {
  const clock = new SimClock();
  const { db, blobs, playback } = await rig('grows', clock);
  const footage = makeFootage({ seconds: 8, audio: false });
  const pull = { id: 'p3', unit: 'wagon-1', camera: 'front', person: 'ada', state: 'running' as const };
  await storePull(db, pull, [{ epoch: EPOCH, run: 3, seqFirst: 100, seqLast: 107 }]);
  await storeFootage(db, blobs, WHERE, footage, [0]);
  let answered = false;
  const waiting = playback.playlist('p3', 'front').finally(() => {
    answered = true;
  });
  waiting.catch(() => undefined);
  // The database answers in its own time; the clock goes on in between.
  while (!answered) await clock.advance(10);
  await t.rejects(waiting, { code: 'LR_FOOTAGE_NOT_YET' });
  await storeFootage(db, blobs, WHERE, footage, [1, 2, 4, 5]);
  const early = await playback.playlist('p3', 'front');
  t.match(early, /PLAYLIST-TYPE:EVENT/);
  t.equal(early.match(/#EXTINF/g)?.length, 1, 'only what is whole and in front of the hole');
  t.notMatch(early, /ENDLIST/);
  await storeFootage(db, blobs, WHERE, footage, [3, 6]);
  const later = await playback.playlist('p3', 'front');
  t.equal(later.match(/#EXTINF/g)?.length, 3);
  t.ok(later.startsWith(early), 'grows at its end only');
  await storeFootage(db, blobs, WHERE, footage, [7]);
  await db.updateTable('pull').set({ state: 'done' }).where('id', '=', 'p3').execute();
  const last = await playback.playlist('p3', 'front');
  t.equal(last.match(/#EXTINF/g)?.length, 4);
  t.match(last, /ENDLIST\n$/);
  await t.rejects(playback.pull('nothing'), { code: 'LR_PULL_UNKNOWN' });
});

t.test('segments of any footage', async (t) => {
  const random = seededRandom(seed + 1);
  for (let n = 0; n < fuzzCases(300); n++) {
    const fragments: StoredFragment[] = [];
    let seq = random.int(0, 5);
    let start90k = 0;
    for (let i = random.int(0, 40); i > 0; i--) {
      if (random.int(0, 8) === 0) seq += random.int(1, 4);
      if (random.int(0, 12) === 0) start90k += random.int(0, 900_000);
      const made = { unit: 'u', epoch: EPOCH, camera: 'c', rendition: 'proxy' as const, run: 1, sha256: 'a', bytes: 10, codec: 'x' };
      fragments.push({
        ...made,
        seq,
        start90k,
        duration90k: random.int(1000, 100_000),
        startUtcMs: START + start90k / 90,
        initSha256: String(random.int(0, 20) === 0 ? 1 : 0),
        independent: random.int(0, 3) === 0,
      });
      start90k += fragments.at(-1)!.duration90k;
      seq += 1;
    }
    const whole = random.int(0, 2) === 0;
    const segments = groupSegments({ fragments, whole });
    const text = encodePlaylist(segments, whole);
    const target = Number(/TARGETDURATION:(\d+)/.exec(text)![1]);
    for (const segment of segments) {
      if (!segment.fragments[0]!.independent) t.fail('a segment that does not decode alone');
      if (segment.durationS > target + 1e-5) t.fail('longer than the target');
      if (new Set(segment.fragments.map((f) => f.initSha256)).size !== 1) t.fail('two init segments in one');
    }
    const used = segments.flatMap((segment) => segment.fragments);
    if (new Set(used).size !== used.length) t.fail('a fragment twice');
    for (const name of text.split('\n').filter((line) => line.startsWith('s-'))) if (!parseSegmentName(name)) t.fail(`unreadable ${name}`);
  }
  t.pass('held');
});

t.test('nothing but faults from damaged boxes', async (t) => {
  const random = seededRandom(seed + 2);
  const footage = makeFootage({ seconds: 1 });
  const { tracks } = parseInitSegment(footage.init);
  const moofBytes = footage.fragments[0]!.bytes.readUInt32BE(0);
  const moof = footage.fragments[0]!.bytes.subarray(0, moofBytes);
  for (let n = 0; n < fuzzCases(2000); n++) {
    const source = random.int(0, 2) === 0 ? footage.init : moof;
    const bytes = Buffer.from(source.subarray(0, random.int(0, 4) === 0 ? random.int(0, source.length) : source.length));
    for (let i = random.int(1, 6); i > 0 && bytes.length > 0; i--) bytes[random.int(0, bytes.length)] = random.int(0, 256);
    try {
      if (source === moof) parseMovieFragment(bytes, tracks);
      else parseInitSegment(bytes);
    } catch (error) {
      if (!(error instanceof Fault) || error.kind === 'internal') throw error;
    }
  }
  t.pass('held');
});

t.test('64-bit offsets where the file needs them', async (t) => {
  const footage = makeFootage({ seconds: 1, audio: false });
  const { tracks } = parseInitSegment(footage.init);
  const table = new SampleTable();
  const moof = footage.fragments[0]!.bytes.subarray(0, footage.fragments[0]!.bytes.readUInt32BE(0));
  for (const run of parseMovieFragment(moof, tracks)) table.add(run, 0, 5 * 2 ** 30);
  const moov = encodeMovie([{ init: tracks[0]!, table }], 1000, 6 * 2 ** 30, START);
  const at = moov.indexOf('co64');
  t.equal(Number(moov.readBigUInt64BE(at + 12)), 5 * 2 ** 30 + 1000);
  t.notOk(moov.includes('stco'));
});
