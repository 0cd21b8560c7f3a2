/**
 * Is the time that the system claims the time in the picture? The real agent records the staged cameras; every frame is decoded, and the
 * instant drawn into it is compared with what the fragment's metadata says of that frame. Receivers behind a real gpsd, both codecs,
 * main and sub-stream.
 */
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { decodeFragmentBox, FRAGMENT_USER_TYPE, type FragmentMeta } from '@longroof/protocol/fragment';
import t, { type Test } from 'tap';
import { startProgram, until } from '../peers/program.js';
import { GnssFeed } from './gnss.js';
import { PROGRAMS } from './layout.js';
import { choosePorts } from './ports.js';
import { readTimeCode } from './time-code.js';

const run = promisify(execFile);
const RECORD_S = 12;
const ERROR_MS_MAX = 100;

/** The metadata boxes of a reel, in order. */
function fragmentsOf(reel: Buffer): FragmentMeta[] {
  const found: FragmentMeta[] = [];
  for (let at = 0; at + 8 <= reel.length; ) {
    const bytes = reel.readUInt32BE(at);
    if (bytes < 8) throw new Error(`no box at ${at}`);
    const isOurs = reel.toString('latin1', at + 4, at + 8) === 'uuid' && reel.subarray(at + 8, at + 24).equals(FRAGMENT_USER_TYPE);
    if (isOurs) found.push(decodeFragmentBox(reel.subarray(at, at + bytes)));
    at += bytes;
  }
  return found;
}

interface Frame {
  pts90k: number;
  codeUtcMs: number | undefined;
}

/** Every frame of a reel: its time on the media axis and the instant in its picture. */
async function framesOf(file: string): Promise<Frame[]> {
  const probe = await run('ffprobe', [
    '-v',
    'error',
    '-select_streams',
    'v',
    '-show_entries',
    'stream=width,height,time_base',
    '-of',
    'json',
    file,
  ]);
  const { streams } = JSON.parse(probe.stdout) as { streams: { width: number; height: number; time_base: string }[] };
  const { width, height, time_base } = streams[0]!;
  const scale = 90_000 / Number(time_base.split('/')[1]);
  const args = ['-hide_banner', '-nostdin', '-copyts', '-i', file, '-map', '0:v', '-vf', 'showinfo', '-vsync', 'passthrough'];
  const child = spawn('ffmpeg', [...args, '-f', 'rawvideo', '-pix_fmt', 'gray', '-'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  await new Promise((resolve) => child.once('close', resolve));
  const raw = Buffer.concat(chunks);
  const times = [...said.matchAll(/showinfo.* n: *\d+ pts: *(\d+) /g)].map((match) => Number(match[1]) * scale);
  return times.map((pts90k, index) => {
    const gray = raw.subarray(index * width * height, (index + 1) * width * height);
    return { pts90k, codeUtcMs: readTimeCode(gray, width, height) };
  });
}

/** What the system claims of a frame, less what the picture says, in milliseconds. */
function errorsOf(frames: readonly Frame[], fragments: readonly FragmentMeta[]): number[] {
  return frames.flatMap(({ pts90k, codeUtcMs }) => {
    const fragment = fragments.findLast(({ start90k }) => start90k <= pts90k);
    if (!fragment || codeUtcMs === undefined) return [];
    return [fragment.wall.utcMs + (pts90k - fragment.start90k) / 90 - codeUtcMs];
  });
}

interface Stage {
  folder: string;
  configFile: string;
}

async function stage(t: Test): Promise<Stage> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-wall-'));
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
  const ports = await choosePorts(
    [
      { name: 'gpsd', kind: 'tcp' },
      { name: 'nmea', kind: 'udp' },
    ],
    {},
  );
  const scenes = spawn('/usr/bin/python3', [PROGRAMS.scenes, '--wagons', '2', '--cameras', '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  t.teardown(() => scenes.kill('SIGKILL'));
  let said = '';
  scenes.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const port = await until('scenes to listen', () => said.includes('}') && (JSON.parse(said) as { port: number }).port);
  const gpsd = startProgram('/usr/sbin/gpsd', ['-N', '-n', '-S', String(ports.gpsd), `udp://127.0.0.1:${ports.nmea}`]);
  t.teardown(() => gpsd.stop('SIGKILL'));
  const feed = new GnssFeed([{ wagon: 1, unit: 'wagon-1', nmeaPort: ports.nmea }], (line) => scenes.stdin.write(`${line}\n`));
  feed.start();
  t.teardown(() => feed.stop());
  const authority = path.join(folder, 'authority');
  const identity = path.join(folder, 'identity');
  await run(process.execPath, [PROGRAMS.provision, 'enrol', '--authority', authority, '--unit', 'wagon-1', '--out', identity]);
  const configFile = path.join(folder, 'unit.yaml');
  fs.writeFileSync(
    configFile,
    `unit: wagon-1
identity: identity
spool: { path: spool, quota: 100MB }
gnss: gpsd://127.0.0.1:${ports.gpsd}
cameras:
  - { id: h264, url: "rtsp://127.0.0.1:${port}/wagon-1/front", sub: "rtsp://127.0.0.1:${port}/wagon-1/front/sub" }
  - { id: h265, url: "rtsp://127.0.0.1:${port}/wagon-2/front" }
`,
  );
  return { folder, configFile };
}

t.test('the claimed time of every frame is the time in its picture', { timeout: 120_000 }, async (t) => {
  const { folder, configFile } = await stage(t);
  const agent = startProgram(process.execPath, [PROGRAMS.agent, '--config', configFile]);
  t.teardown(() => agent.stop('SIGKILL'));
  await agent.says(/"msg":"playing"/);
  await new Promise((resolve) => setTimeout(resolve, RECORD_S * 1000));
  await agent.stop();

  const reels = path.join(folder, 'spool', 'reels');
  t.same(fs.readdirSync(reels).sort(), ['h264', 'h264.proxy', 'h265'], 'three streams');
  for (const stream of fs.readdirSync(reels)) {
    const errors: number[] = [];
    const sources = new Set<string>();
    let frames = 0;
    for (const name of fs.readdirSync(path.join(reels, stream))) {
      const file = path.join(reels, stream, name);
      const fragments = fragmentsOf(fs.readFileSync(file));
      const seen = await framesOf(file);
      frames += seen.length;
      errors.push(...errorsOf(seen, fragments));
      for (const { wall } of fragments) sources.add(wall.source);
    }
    const worst = errors.reduce((most, error) => (Math.abs(error) > Math.abs(most) ? error : most), 0);
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    t.comment(
      `${stream}: ${errors.length} of ${frames} frames read, mean ${mean.toFixed(1)} ms, worst ${worst.toFixed(1)} ms, by ${[...sources]}`,
    );
    t.comment(
      `first: ${errors
        .slice(0, 8)
        .map((error) => error.toFixed(0))
        .join(' ')}; largest: ${[...errors]
        .sort((a, b) => Math.abs(b) - Math.abs(a))
        .slice(0, 8)
        .map((error) => error.toFixed(0))
        .join(' ')}`,
    );
    t.ok(errors.length > RECORD_S * 3, `${stream}: ${errors.length} frames compared`);
    t.ok(Math.abs(worst) <= ERROR_MS_MAX, `${stream}: worst ${worst.toFixed(1)} ms`);
  }
});
