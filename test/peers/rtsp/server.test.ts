/** The peer itself, against ffmpeg as a client that we did not write. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { makeMedia } from '../media.js';
import { hashNals } from './clip.js';
import { startRtspServer } from './server.js';
import type { MountSpec, RtspServerSpec } from './spec.js';

const run = promisify(execFile);

/** Picture NAL units (one a frame in these clips) that ffmpeg got in `frames` frames, hashed as the server's log does. */
async function record(url: string, format: 'h264' | 'hevc', frames: number): Promise<string[]> {
  const args = ['-hide_banner', '-loglevel', 'error', '-nostdin', '-rtsp_transport', 'tcp', '-i', url];
  const output = ['-map', '0:v', '-c', 'copy', '-frames:v', String(frames), '-f', format, '-'];
  const { stdout } = await run('ffmpeg', [...args, ...output], { encoding: 'buffer', maxBuffer: 64 << 20 });
  const nals: Buffer[] = [];
  for (let at = stdout.indexOf('\0\0\x01', 0, 'latin1'); at >= 0; ) {
    const next = stdout.indexOf('\0\0\x01', at + 3, 'latin1');
    let end = next < 0 ? stdout.length : next;
    while (end > at + 3 && stdout[end - 1] === 0) end -= 1;
    nals.push(stdout.subarray(at + 3, end));
    at = next;
  }
  const type = (nal: Buffer): number => (format === 'h264' ? (nal[0] ?? 0) & 31 : ((nal[0] ?? 0) >> 1) & 63);
  const isPicture = (nal: Buffer): boolean => (format === 'h264' ? type(nal) >= 1 && type(nal) <= 5 : type(nal) < 32);
  return nals.filter(isPicture).map((nal) => hashNals([nal]));
}

const cases: { name: string; codec: 'h264' | 'h265'; mount: Omit<MountSpec, 'files'>; server?: Partial<RtspServerSpec> }[] = [
  { name: 'H.264, frame at once', codec: 'h264', mount: {} },
  {
    name: 'H.264, packet at once, aggregated, padded, extended, near the wraps',
    codec: 'h264',
    mount: {
      mode: 'packet',
      aggregate: true,
      paddingBytes: 8,
      headerExtension: true,
      csrcs: 2,
      startSequence: 65_500,
      startTimestamp: 0xffff_f000,
    },
  },
  {
    name: 'H.264, parameter sets in the SDP only, MD5',
    codec: 'h264',
    mount: { parameterSets: 'sdp', control: 'absolute' },
    server: { auth: { scheme: 'digest-md5', user: 'u', password: 'p w' } },
  },
  {
    name: 'H.265, aggregated, Basic',
    codec: 'h265',
    mount: { aggregate: true, control: 'star' },
    server: { auth: { scheme: 'basic', user: 'u', password: 'p' } },
  },
];

t.test('what ffmpeg receives is what the log says', async (t) => {
  for (const { name, codec, mount, server: about } of cases) {
    const file = await makeMedia({ codec });
    const server = await startRtspServer({ mounts: { 'a/b': { files: [file], ...mount } }, ...about });
    try {
      const got = await record(server.url('a/b'), codec === 'h264' ? 'h264' : 'hevc', 20);
      const sent = server.log('a/b').map((unit) => unit.pictureSha256);
      const start = sent.indexOf(got[0] ?? '');
      t.ok(got.length >= 19, `${name}: ${got.length} frames`);
      t.ok(start >= 0, `${name}: the first frame was sent`);
      t.same(got, sent.slice(start, start + got.length), name);
    } finally {
      await server.close();
    }
  }
});

t.test('audio stands in the description and arrives', async (t) => {
  const server = await startRtspServer({
    mounts: { cam: { files: [await makeMedia({ audio: true })], audio: true, metadataTrack: true } },
  });
  t.teardown(() => server.close());
  const { stdout } = await run('ffprobe', [
    '-v',
    'error',
    '-rtsp_transport',
    'tcp',
    '-show_entries',
    'stream=codec_name,sample_rate,channels',
    '-of',
    'csv=p=0',
    server.url('cam'),
  ]);
  t.match(stdout, /h264/);
  t.match(stdout, /aac,48000,2/);
  t.ok(server.log('cam').some((unit) => unit.kind === 'audio'));
});

t.test('wrong credentials, unknown paths and an HTTP server are refused', async (t) => {
  const server = await startRtspServer({
    mounts: { cam: { files: [await makeMedia({})] } },
    auth: { scheme: 'digest-md5', user: 'u', password: 'p' },
  });
  t.teardown(() => server.close());
  const probe = (url: string): Promise<unknown> => run('ffprobe', ['-v', 'error', '-rtsp_transport', 'tcp', url]);
  await t.rejects(probe(server.url('cam').replace('u:p@', 'u:q@')), /401/);
  await t.rejects(probe(server.url('nowhere')), /404/);
  server.answer('http');
  await t.rejects(probe(server.url('cam')));
});

t.test('a port that was killed serves again', async (t) => {
  const server = await startRtspServer({ mounts: { cam: { files: [await makeMedia({})] } } });
  t.teardown(() => server.close());
  const port = server.port;
  await server.kill();
  await t.rejects(run('ffprobe', ['-v', 'error', '-rtsp_transport', 'tcp', server.url('cam')]), /refused/);
  await server.restart();
  t.equal(server.port, port);
  t.ok((await record(server.url('cam'), 'h264', 5)).length >= 4);
});
