/** What the recorder makes plays elsewhere: reels in ffmpeg and VLC, fragments as they go over the wire in Chromium's media source. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import t from 'tap';
import { makeMedia, SMALL } from '../peers/media.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import { type Played, servePage } from './mse-page.js';
import { type Recorded, recordReel } from './record.js';

const run = promisify(execFile);
const CHROMIUM = '/usr/bin/chromium';
const CVLC = '/usr/bin/cvlc';
const SETPRIV = '/usr/bin/setpriv';
const SECONDS = 5;

// Longer than what is recorded: where the scripted camera starts over there is a hole in its sound, which a media source waits at for ever.
const h264 = await makeMedia({ ...SMALL, seconds: 12, bFrames: 2, audio: true });
const h265 = await makeMedia({ ...SMALL, codec: 'h265' });
const server = await startRtspServer({ mounts: { h264: { files: [h264], audio: true }, h265: { files: [h265] } } });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-players-'));
// VLC runs as another user.
fs.chmodSync(folder, 0o755);
t.teardown(async () => {
  await server.close();
  fs.rmSync(folder, { recursive: true });
});

const [avc, hevc] = await Promise.all([
  recordReel(server.url('h264'), 'h264', SECONDS, true),
  recordReel(server.url('h265'), 'h265', SECONDS, false),
]);
const reels: { name: string; reel: Recorded; file: string; codec: RegExp; streams: string[] }[] = [
  { name: 'H.264 with B frames and AAC', reel: avc, codec: /^avc1\.64[0-9a-f]{4},mp4a\.40\.2$/, streams: ['h264', 'aac'] },
  { name: 'H.265', reel: hevc, codec: /^hvc1\.1\.6\.L\d+/, streams: ['hevc'] },
].map((one) => ({ ...one, file: path.join(folder, `${one.streams[0]}.mp4`) }));
for (const { file, reel } of reels) fs.writeFileSync(file, Buffer.concat([reel.init, ...reel.fragments]), { mode: 0o644 });

for (const { name, reel, file, codec, streams } of reels) {
  t.test(`ffmpeg: ${name}`, async (t) => {
    t.match(reel.codec, codec);
    const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-']);
    t.equal(stderr, '', 'decodes without a word');
    const shown = ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,nb_read_frames', '-of', 'json', file];
    const probe = await run('ffprobe', shown);
    t.equal(probe.stderr, '');
    const found = (JSON.parse(probe.stdout) as { streams: { codec_name: string; nb_read_frames: string }[] }).streams;
    t.same(
      found.map((stream) => stream.codec_name),
      streams,
    );
    t.equal(Number(found[0]?.nb_read_frames), reel.frames, 'all frames');
  });

  t.test(`VLC: ${name}`, { skip: fs.existsSync(CVLC) ? false : `${CVLC} is not there` }, async (t) => {
    const play = ['--play-and-exit', '--no-interact', '--vout', 'dummy', '--aout', 'dummy', '-vv', '--no-color', file, 'vlc://quit'];
    // VLC refuses to run as root.
    const asUser = process.getuid?.() === 0 ? [SETPRIV, '--reuid=65534', '--regid=65534', '--clear-groups', CVLC] : [CVLC];
    const [command, ...args] = [...asUser, ...play] as [string, ...string[]];
    const env = { ...process.env, HOME: folder, LC_ALL: 'C.UTF-8' };
    const { stderr } = await run(command, args, { timeout: (SECONDS + 40) * 1000, maxBuffer: 1 << 26, env });
    t.match(stderr, /Received first picture/, 'shows a picture');
    t.match(stderr, new RegExp(`codec \\(${streams[0] === 'hevc' ? 'hevc|codec \\(HEVC' : 'h264|codec \\(H264'}`, 'i'));
    const bad = stderr.split('\n').filter((line) => /(mp4|avcodec|hevc|h264|packetizer|decoder|es_out)\S* .*error:/.test(line));
    t.same(bad, [], 'without complaint from its demuxer or decoders');
  });
}

t.test('Chromium: fragments appended one by one', { skip: fs.existsSync(CHROMIUM) ? false : `${CHROMIUM} is not there` }, async (t) => {
  const page = await servePage(avc);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'] });
  t.teardown(async () => {
    await browser.close();
    page.close();
  });
  const tab = await browser.newPage();
  await tab.goto(page.url);
  await tab.waitForFunction('window.played', undefined, { timeout: 20_000 });
  const played = (await tab.evaluate('window.played')) as Played;
  t.equal(played.error, null);
  t.equal(played.buffered.length, 1, `one unbroken range: ${JSON.stringify(played.buffered)}`);
  const [from, to] = played.buffered[0] ?? [0, 0];
  t.ok(Math.abs(to - from - avc.duration90k / 90_000) < 0.2, `${to - from} s buffered of ${avc.duration90k / 90_000}`);
  t.same([played.width, played.height, played.ended], [320, 180, true]);
  t.ok(played.frames >= avc.frames * 0.9, `${played.frames} of ${avc.frames} frames`);
});
