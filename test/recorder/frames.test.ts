/**
 * Frame by frame: what the real agent has on disk equals what the camera sent, from the first key frame to the last durable fragment,
 * by both engines, and ffmpeg decodes every reel without a word.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { makeMedia, RARE_KEY_FRAMES } from '../peers/media.js';
import { startProgram, until } from '../peers/program.js';
import { pictureHash, type Reel, readReels, sampleHash } from '../peers/reel.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import type { MountSpec } from '../peers/rtsp/spec.js';
import { bin, fsck, prepareWagon } from '../peers/wagon.js';

const run = promisify(execFile);
const STREET = path.resolve(process.env['LONGROOF_TEST_MEDIA'] ?? '../shared/media', 'street.mp4');
/** Long enough for a key frame and a half of the rarest. */
const RECORD_S = 20;

async function decodes(reel: Reel): Promise<string> {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', reel.file, '-f', 'null', '-'], { maxBuffer: 1 << 20 });
  return stderr;
}

const sources: { name: string; missing?: string; spec: () => Promise<MountSpec>; audio: boolean }[] = [
  {
    name: 'street, key frame every 4.8 s, with sound',
    ...(fs.existsSync(STREET) ? {} : { missing: `${STREET} is not there` }),
    spec: async () => ({ files: [STREET], audio: true }),
    audio: true,
  },
  { name: 'key frame every 12 s', spec: async () => ({ files: [await makeMedia(RARE_KEY_FRAMES)] }), audio: false },
];

for (const { name, missing, spec, audio } of sources) {
  t.test(name, { skip: missing ?? false, timeout: 400_000 }, async (t) => {
    const mount = await spec();
    const engines = ['own', 'ffmpeg'] as const;
    const server = await startRtspServer({ mounts: Object.fromEntries(engines.map((engine) => [engine, mount])) });
    const folder = t.testdir();
    const file = await prepareWagon({
      folder,
      authority: path.join(folder, 'authority'),
      cameras: engines.map((engine) => ({ id: engine, url: server.url(engine), engine, audio })),
    });
    const agent = startProgram(process.execPath, [bin('edge-agent', 'longroof-agent'), '--config', file]);
    t.teardown(async () => {
      await agent.stop('SIGKILL');
      await server.close();
    });
    const keyFrames = (engine: string): number =>
      server.log(engine).filter((unit) => unit.kind === 'video' && unit.key && unit.players > 0).length;
    await until(
      'enough was sent',
      () => engines.every((engine) => keyFrames(engine) >= 2 && server.log(engine).length > RECORD_S * 12),
      90_000,
    );
    const begun = performance.now();
    t.equal(await agent.stop('SIGTERM'), 0);
    t.ok(performance.now() - begun < 3000, 'ends within 3 s of SIGTERM');
    t.match(await fsck(path.join(folder, 'spool')), { code: 0 }, 'fsck is clean');
    for (const engine of engines) {
      const reels = readReels(path.join(folder, 'spool/reels', engine));
      t.ok(reels.length > 0, `${engine}: reels`);
      for (const reel of reels) t.equal(await decodes(reel), '', `${engine}: ${path.basename(reel.file)} decodes`);
      for (const kind of audio ? (['video', 'audio'] as const) : (['video'] as const)) {
        const handler = kind === 'video' ? 'vide' : 'soun';
        const hash = (bytes: Buffer): string => (kind === 'video' ? pictureHash('h264', bytes) : sampleHash(bytes));
        const kept = reels.flatMap((reel) =>
          reel.fragments.flatMap((fragment) =>
            fragment.samples.filter((sample) => reel.handlers.get(sample.track) === handler).map((sample) => hash(sample.bytes)),
          ),
        );
        const sent = server.log(engine).filter((unit) => unit.kind === kind && unit.players > 0);
        const first =
          kind === 'video'
            ? sent.findIndex((unit) => unit.key)
            : Math.max(
                0,
                sent.findIndex((unit) => unit.pictureSha256 === kept[0]),
              );
        const expected = sent.slice(first).map((unit) => unit.pictureSha256);
        const wrong = kept.findIndex((sha256, index) => sha256 !== expected[index]);
        t.equal(wrong, -1, `${engine}: ${kind} frame ${wrong} differs from the camera's`);
        t.ok(kept.length > 0 && kept.length >= expected.length - 30, `${engine}: ${kept.length} of ${expected.length} ${kind} frames`);
      }
    }
  });
}
