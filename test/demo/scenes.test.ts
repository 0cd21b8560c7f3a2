/** The demo's staged world: pictures carry their instant through both codecs, receivers speak to a real gpsd, the drive is smooth. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { type Program, startProgram, until } from '../peers/program.js';
import { nmea, placeAt, ROUND_S } from './drive.js';
import { GnssFeed } from './gnss.js';
import { PROGRAMS } from './layout.js';
import { choosePorts } from './ports.js';
import { readTimeCode } from './time-code.js';

const PYTHON = '/usr/bin/python3';

/**
 * Frames of a stream as raw luma, handed over one by one with the time of their arrival, until it is told to stop. A server that has just begun may
 * describe a stream before it knows what is in it: ffmpeg gives up then, and is started again, as a recorder asks again.
 */
function grayFrames(url: string, width: number, height: number, take: (gray: Buffer, atUtcMs: number) => void): () => void {
  let stopped = false;
  let child: ChildProcess;
  const read = (): void => {
    child = oneReader(url, width, height, take);
    child.once('exit', () => {
      if (!stopped) read();
    });
  };
  read();
  return () => {
    stopped = true;
    child.kill('SIGKILL');
  };
}

function oneReader(url: string, width: number, height: number, take: (gray: Buffer, atUtcMs: number) => void): ChildProcess {
  const input = ['-rtsp_transport', 'tcp', '-i', url];
  // Each frame once: at a steady rate ffmpeg would repeat one where the next comes late.
  const output = ['-fps_mode', 'passthrough', '-f', 'rawvideo'];
  const args = ['-hide_banner', '-loglevel', 'error', '-nostdin', ...input, ...output, '-pix_fmt', 'gray', '-'];
  const child = spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let rest: Buffer = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (; rest.length >= width * height; rest = rest.subarray(width * height)) take(rest.subarray(0, width * height), Date.now());
  });
  return child;
}

t.test('every stream carries its instant, readable after encoding', { timeout: 240_000 }, async (t) => {
  const child = spawn(PYTHON, [PROGRAMS.scenes, '--wagons', '2', '--cameras', '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const port = await until('scenes to listen', () => said.includes('}') && (JSON.parse(said) as { port: number }).port);
  child.stdin.write('{"wagon": "wagon-1", "metres": 5}\n');
  const streams: [string, number, number][] = [
    ['wagon-1/front', 640, 360],
    ['wagon-1/front/sub', 320, 180],
    ['wagon-2/front', 640, 360],
  ];
  for (const [mount, width, height] of streams) {
    const seen: { code: number | undefined; at: number }[] = [];
    const stop = grayFrames(`rtsp://127.0.0.1:${port}/${mount}`, width, height, (gray, at) => {
      seen.push({ code: readTimeCode(gray, width, height), at });
    });
    await until(`12 frames of ${mount}`, () => seen.length >= 12).finally(stop);
    t.equal(seen.filter(({ code }) => code === undefined).length, 0, `${mount}: every frame's code is readable`);
    const codes = seen.map(({ code }) => code ?? 0);
    t.ok(
      codes.every((code, i) => i === 0 || code > codes[i - 1]!),
      `${mount}: the instants rise`,
    );
    const last = seen.at(-1)!;
    t.ok(last.at - (last.code ?? 0) < 5000 && last.at >= (last.code ?? 0), `${mount}: the last frame is of now`);
  }
  child.stdin.end();
  t.equal(await exited, 0, 'the server ends with its standard input');
});

/** Draws a code as paint.py does. */
function drawTimeCode(utcMs: number, width: number, height: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUIntBE(utcMs, 0, 6);
  let crc = 0xffff;
  for (const byte of bytes.subarray(0, 6)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  bytes.writeUInt16BE(crc, 6);
  const gray = Buffer.alloc(width * height, 90);
  const cell = Math.floor(width / 40);
  for (let bit = 0; bit < 64; bit++) {
    const luma = (bytes[bit >> 3]! >> (7 - (bit & 7))) & 1 ? 235 : 16;
    for (let y = 0; y < cell; y++) {
      const at = (height - (3 - (bit >> 5)) * cell + y) * width + (4 + (bit & 31)) * cell;
      gray.fill(luma, at, at + cell);
    }
  }
  return gray;
}

t.test('a code is read right or not at all', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  let wrong = 0;
  let read = 0;
  const cases = fuzzCases(200);
  for (let i = 0; i < cases; i++) {
    const utcMs = random.int(1.6e12, 2.2e12);
    const gray = drawTimeCode(utcMs, 160, 90);
    const noise = random.int(0, 90);
    for (let at = 0; at < gray.length; at += 1 + random.int(0, 3))
      gray[at] = Math.max(0, Math.min(255, gray[at]! + random.int(-noise, noise + 1)));
    if (i % 3 === 0) gray.fill(random.pick([0, 128, 255]), random.int(78 * 160, 85 * 160), 86 * 160);
    const got = readTimeCode(gray, 160, 90);
    if (got === utcMs) read++;
    else if (got !== undefined) wrong++;
  }
  // Of what cannot be read, a sum of 16 bits lets one in 65,536 pass.
  t.ok(wrong <= cases / 10_000, `${wrong} of ${cases} wrong`);
  t.ok(read > 50, `${read} read`);
  t.equal(readTimeCode(Buffer.alloc(10), 320, 180), undefined);
  t.equal(readTimeCode(random.bytes(320 * 180), 320, 180), undefined);
});

t.test('the drive has no jump, comes to rest in the square, and no two wagons stand at one place', async (t) => {
  let fastest = 0;
  let parkedS = 0;
  for (let s = 0; s < ROUND_S; s++) {
    const at = 1_790_000_000_000 + s * 1000;
    const [now, next] = [placeAt(at, 1), placeAt(at + 1000, 1)];
    const north = (next.latDeg - now.latDeg) * 111_195;
    const east = (next.lonDeg - now.lonDeg) * 111_195 * Math.cos((now.latDeg * Math.PI) / 180);
    fastest = Math.max(fastest, Math.hypot(north, east));
    if (now.speedMps === 0) parkedS++;
    if (next.metres < now.metres) t.fail('metres fell');
  }
  t.ok(fastest < 9.5, `never more than ${fastest.toFixed(2)} m in a second`);
  t.ok(parkedS > ROUND_S * 0.4, 'parks nearly half of the time');
  t.notSame(placeAt(1.79e12, 1), placeAt(1.79e12, 2));
  t.match(
    nmea(1_790_000_000_000, placeAt(1.79e12, 1)),
    /^\$GPRMC,141320\.00,A,32\d\d\.\d{4},N,051\d\d\.\d{4},E,.*\*[0-9A-F]{2}\r\n\$GPGGA/,
  );
});

t.test('a real gpsd takes the feed for a fix', { timeout: 240_000 }, async (t) => {
  const gpsd = ['/usr/sbin/gpsd', '/usr/bin/gpsd'].find((file) => fs.existsSync(file));
  if (!gpsd) return t.fail('gpsd is not installed');
  const ports = await choosePorts(
    [
      { name: 'gpsd', kind: 'tcp' },
      { name: 'nmea', kind: 'udp' },
    ],
    {},
  );
  const program: Program = startProgram(gpsd, ['-N', '-n', '-S', String(ports.gpsd), `udp://127.0.0.1:${ports.nmea}`]);
  t.teardown(() => program.stop('SIGKILL'));
  const told: string[] = [];
  const feed = new GnssFeed([{ wagon: 1, unit: 'wagon-1', nmeaPort: ports.nmea }], (line) => told.push(line));
  feed.start();
  t.teardown(() => feed.stop());
  let said = '';
  let socket: net.Socket | undefined;
  await until('gpsd to listen', async () => {
    socket = net.connect(ports.gpsd, '127.0.0.1');
    return await new Promise<boolean>((resolve) => socket?.once('connect', () => resolve(true)).once('error', () => resolve(false)));
  });
  t.teardown(() => socket?.destroy());
  socket?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  socket?.write('?WATCH={"enable":true,"json":true};\n');
  const fix = await until('a fix', () => said.split('\n').find((line) => line.includes('"TPV"') && line.includes('"mode":3')));
  const tpv = JSON.parse(fix) as { mode: number; lat: number; lon: number; time: string };
  const place = placeAt(Date.parse(tpv.time), 1);
  t.equal(tpv.mode, 3);
  t.ok(Math.abs(tpv.lat - place.latDeg) < 1e-4 && Math.abs(tpv.lon - place.lonDeg) < 1e-4, 'the place of the drive');
  t.match(told[0], /"wagon":"wagon-1","metres":\d/);
});
