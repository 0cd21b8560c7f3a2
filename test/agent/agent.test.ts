/** The agent as a program: what an operator sees when cameras are wrong, the file is wrong, the configuration changes, the agent stops. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { makeMedia, SMALL } from '../peers/media.js';
import { type Program, startProgram, until } from '../peers/program.js';
import { readReels } from '../peers/reel.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import type { RtspServerSpec } from '../peers/rtsp/spec.js';
import { bin, fsck, prepareWagon, type WagonCamera } from '../peers/wagon.js';

const run = promisify(execFile);
const AGENT = bin('edge-agent', 'longroof-agent');

interface Health {
  status: string;
  problems: string[];
  streams: Record<string, { state: string; code?: string }>;
}

interface RunningAgent {
  program: Program;
  folder: string;
  file: string;
  health(): Promise<Health>;
  metrics(): Promise<string>;
  rewrite(cameras: WagonCamera[]): void;
}

async function startAgent(t: Test, cameras: WagonCamera[]): Promise<RunningAgent> {
  const folder = t.testdir({});
  const file = await prepareWagon({ folder, authority: path.join(folder, 'authority'), cameras });
  const program = startProgram(process.execPath, [AGENT, '--config', file]);
  t.teardown(() => program.stop('SIGKILL'));
  const [, port] = (await program.says(/"metricsPort":(\d+)/)) as unknown as [string, string];
  const get = (what: string): Promise<Response> => fetch(`http://127.0.0.1:${port}/${what}`);
  return {
    program,
    folder,
    file,
    health: async () => (await (await get('healthz')).json()) as Health,
    metrics: async () => (await get('metrics')).text(),
    rewrite(next) {
      const config = JSON.parse(fs.readFileSync(file, 'utf8')) as { cameras: WagonCamera[] };
      config.cameras = next;
      fs.writeFileSync(file, JSON.stringify(config));
    },
  };
}

async function serve(t: Test, spec: Partial<RtspServerSpec> = {}) {
  const files = [await makeMedia(SMALL)];
  const server = await startRtspServer({ mounts: { a: { files }, b: { files }, c: { files } }, ...spec });
  t.teardown(() => server.close());
  return server;
}

t.test('cameras that are wrong are named with a code and disturb nobody', { timeout: 240_000 }, async (t) => {
  const good = await serve(t);
  const locked = await serve(t, { auth: { scheme: 'digest-sha256', user: 'admin', password: 'right' } });
  const headers = await serve(t, { answers: 'endless-headers' });
  const web = await serve(t, { answers: 'http' });
  const noise = await serve(t, { answers: 'noise' });
  const agent = await startAgent(t, [
    { id: 'good', url: good.url('a') },
    { id: 'locked', url: locked.url('a').replace('right', 'hunter2') },
    { id: 'headers', url: headers.url('a') },
    { id: 'web', url: web.url('a') },
    { id: 'noise', url: noise.url('a') },
    { id: 'missing', url: good.url('nowhere') },
  ]);
  const health = await until('all are judged', async () => {
    const seen = await agent.health();
    const judged = Object.entries(seen.streams).every(([stream, { state, code }]) =>
      stream === 'good' ? state === 'recording' : code !== undefined,
    );
    return judged && seen;
  });
  t.match(health.streams, {
    good: { state: 'recording' },
    locked: { state: 'refused', code: /^LR_/ },
    headers: { code: /^LR_/ },
    web: { code: /^LR_/ },
  });
  t.match(health.status, 'degraded');
  const codes = Object.values(health.streams).map((stream) => stream.code);
  t.comment(JSON.stringify(health.streams));
  t.ok(new Set(codes).size >= 5, 'different faults have different codes');
  t.match(await agent.metrics(), /longroof_stream_recording\{stream="good"\} 1/);
  t.notMatch(agent.program.output(), /hunter2|right/, 'no password in the log');
  t.equal(await agent.program.stop('SIGTERM'), 0);
  t.match(await fsck(path.join(agent.folder, 'spool')), { code: 0 });
});

t.test('SIGHUP takes on changed cameras; the others record on without a seam', { timeout: 240_000 }, async (t) => {
  const server = await serve(t);
  const camera = (id: string): WagonCamera => ({ id, url: server.url(id) });
  const agent = await startAgent(t, [camera('a'), camera('b')]);
  const recording = (ids: string[]) =>
    until(`${ids} record`, async () => {
      const { streams } = await agent.health();
      return Object.keys(streams).sort().join() === ids.join() && Object.values(streams).every((stream) => stream.state === 'recording');
    });
  await recording(['a', 'b']);
  agent.rewrite([camera('a'), camera('c')]);
  agent.program.child.kill('SIGHUP');
  await agent.program.says(/configuration read again/);
  await recording(['a', 'c']);
  fs.writeFileSync(agent.file, 'unit: [');
  agent.program.child.kill('SIGHUP');
  await agent.program.says(/LR_CONFIG/);
  await recording(['a', 'c']);
  t.equal(await agent.program.stop('SIGTERM'), 0);
  const fragments = readReels(path.join(agent.folder, 'spool/reels/a')).flatMap((reel) => reel.fragments);
  const seams = fragments.slice(1).map(({ meta }, i) => {
    const before = fragments[i]?.meta;
    return before ? meta.start90k - before.start90k - before.duration90k : Number.NaN;
  });
  t.ok(
    seams.every((seam) => seam === 0),
    `camera a has no seam: ${seams}`,
  );
  t.match(await fsck(path.join(agent.folder, 'spool')), { code: 0 });
});

t.test('a wrong file ends the start with every problem named, and nothing is made', async (t) => {
  const folder = t.testdir({
    'unit.yaml': 'unit: w1\nidentity: ./identity\nspol: { path: ./spool }\ncameras:\n  - { id: a, url: "http://u:hunter2@h/" }\n',
  });
  const failed = await run(process.execPath, [AGENT, '--config', path.join(folder, 'unit.yaml')]).then(
    () => ({ code: 0, stderr: '' }),
    (error: { code: number; stderr: string }) => error,
  );
  t.equal(failed.code, 1);
  for (const part of [/LR_CONFIG/, /unit\.yaml: spol: .*did you mean spool\?/, /cameras\[0\]\.url: .*rtsp:\/\//, /spool: is nothing/])
    t.match(failed.stderr, part);
  t.notMatch(failed.stderr, /hunter2|at .*\.js/);
  t.same(fs.readdirSync(folder), ['unit.yaml']);
  const { stdout } = await run(process.execPath, [AGENT, '--help']);
  t.match(stdout, /Examples:/);
});

t.test('SIGTERM while cameras are unreachable and the centre is away still ends in time', { timeout: 240_000 }, async (t) => {
  const folder = t.testdir({});
  const file = await prepareWagon({
    folder,
    authority: path.join(folder, 'authority'),
    controller: 'mqtts://127.0.0.1:1',
    cameras: [{ id: 'gone', url: 'rtsp://127.0.0.1:1/x' }],
  });
  const program = startProgram(process.execPath, [AGENT, '--config', file]);
  t.teardown(() => program.stop('SIGKILL'));
  await program.says(/"metricsPort"/);
  await program.says(/camera-unreachable/);
  // By its own clock it ended within 3 s, else this were 1; what it would wait for when nobody answers is 20 s and more.
  t.equal(await program.stop('SIGTERM', 10_000), 0);
  t.match(await fsck(path.join(folder, 'spool')), { code: 0 });
});
