/** `longroof-controller` as its operator meets it, and footage of a real recorder through its API. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CoverageShape, PullShape } from '@longroof/controller/api/shapes';
import Database from 'better-sqlite3';
import t from 'tap';
import { PATIENCE_MS, startProgram, until } from '../peers/program.js';
import { type Stack, startStack } from '../peers/stack.js';
import { bin } from '../peers/wagon.js';

const run = promisify(execFile);
const CONTROLLER = bin('controller', 'longroof-controller');
const READY = /^longroof-controller: (http:\/\/127\.0\.0\.1:\d+) (mqtts:\/\/127\.0\.0\.1:\d+)$/m;
t.setTimeout(400_000);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-controller-'));
t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, JSON.stringify(content));
  return file;
}

async function fails(args: string[], env: Record<string, string> = {}): Promise<string> {
  try {
    await run(process.execPath, [CONTROLLER, ...args], { env: { ...process.env, LONGROOF_PASSWORD: '', ...env } });
  } catch (error) {
    return String((error as { stderr?: string }).stderr);
  }
  throw new Error(`${args.join(' ')} did not fail`);
}

/** Signs in; the cookie. */
async function signIn(address: string, user: string, password: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${address}/api/session`, { method: 'POST', headers, body: JSON.stringify({ user, password }) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

t.test('what is wrong is said, all of it, before anything starts', async (t) => {
  const bad = write('bad.yaml', { data: './d', htttp: {}, http: { host: '127.0.0.1', port: 70_000 }, mqtt: { host: '127.0.0.1' } });
  const said = await fails(['--config', bad]);
  t.match(said, /LR_CONFIG/);
  t.match(said, /htttp: .*did you mean http\?/);
  t.match(said, /http\.port: is 70000; expected a whole number from 0 to 65535/);
  t.match(said, /mqtt\.port: is nothing; expected this key is required/);
  t.notOk(fs.existsSync(path.join(folder, 'd')), 'nothing was made');
  const good = write('people.yaml', { data: './p', http: { host: '127.0.0.1', port: 0 }, mqtt: { host: '127.0.0.1', port: 0 } });
  const add = ['--config', good, 'add-person', '--name', 'ada', '--role'];
  t.match(await fails([...add, 'staff']), /LR_PERSON_PASSWORD.*\n.*LONGROOF_PASSWORD/);
  t.match(await fails([...add, 'king'], { LONGROOF_PASSWORD: 'a long test password' }), /LR_PERSON_ROLE.*\nRoles are staff, manager/);
  t.match(await fails(['--config', path.join(folder, 'none.yaml')]), /LR_CONFIG.*no such file/);
});

t.test('starts, stays the same over a restart, ends in time', async (t) => {
  const file = write('centre.yaml', { data: './centre', http: { host: '127.0.0.1', port: 0 }, mqtt: { host: '127.0.0.1', port: 0 } });
  const env = { LONGROOF_PASSWORD: 'a long test password' };
  const added = startProgram(process.execPath, [CONTROLLER, '--config', file, 'add-person', '--name', 'ada', '--role', 'staff'], { env });
  t.equal(await added.exited, 0, added.output());
  const keysOf = () =>
    ['server.pem', 'receipt.pem', 'desired.pem'].map((name) => fs.readFileSync(path.join(folder, 'centre/keys', name), 'latin1'));
  let cookie = '';
  let keys: string[] = [];
  for (const round of [1, 2]) {
    const program = startProgram(process.execPath, [CONTROLLER, '--config', file]);
    t.teardown(() => program.stop('SIGKILL'));
    const [, address = ''] = await program.says(READY, 2 * PATIENCE_MS);
    t.same(await (await fetch(`${address}/healthz`)).json(), { status: 'ok', failing: [] });
    if (round === 1) {
      cookie = await signIn(address, 'ada', 'a long test password');
      keys = keysOf();
    }
    const session = await fetch(`${address}/api/session`, { headers: { cookie } });
    t.match(await session.json(), { user: 'ada', role: 'staff' }, 'the session holds over a restart');
    t.same(keysOf(), keys, 'the keys stay');
    const mode = fs.statSync(path.join(folder, 'centre/keys/receipt.pem')).mode & 0o077;
    t.equal(mode, 0, 'for its user alone');
    const beganMs = performance.now();
    t.equal(await program.stop('SIGTERM'), 0);
    const tookMs = performance.now() - beganMs;
    t.ok(tookMs < 3000, `ended in ${tookMs.toFixed(0)} ms, with a connection open`);
  }
});

interface Fetched {
  pull: PullShape;
  file: string;
}

async function fetchPull(
  stack: Stack,
  cookie: string,
  quality: 'proxy' | 'original',
  span: { from: string; to: string },
): Promise<Fetched> {
  const body = JSON.stringify({ unitId: stack.unit, cameras: ['front'], ...span, quality, reason: 'a stolen bicycle' });
  const headers = { cookie, 'content-type': 'application/json' };
  const created = await fetch(`${stack.address}/api/pulls`, { method: 'POST', headers, body });
  const { id } = (await created.json()) as PullShape;
  const pull = await until(
    'the pull is done',
    async () => {
      const now = (await (await fetch(`${stack.address}/api/pulls/${id}`, { headers: { cookie } })).json()) as PullShape;
      return now.state === 'done' ? now : undefined;
    },
    2 * PATIENCE_MS,
  );
  const answer = await fetch(`${stack.address}/api/pulls/${id}/front.mp4`, { headers: { cookie } });
  const file = path.join(folder, `${quality}.mp4`);
  fs.writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  return { pull, file };
}

/** Frames that the wagon says are in the fragments of a pull. */
function framesToldOf(stack: Stack, pull: string): number {
  const db = new Database(path.join(stack.folder, 'data/longroof.db'), { readonly: true });
  try {
    const sql = `select f.meta_json as meta from fragment f join pull_part p on f.epoch = p.epoch and f.camera = p.camera
      and f.rendition = p.rendition and f.run = p.run and f.seq between p.seq_first and p.seq_last where p.pull = ?`;
    const rows = db.prepare(sql).all(pull) as { meta: string }[];
    return rows.reduce((sum, row) => sum + (JSON.parse(row.meta) as { frames: number }).frames, 0);
  } finally {
    db.close();
  }
}

async function framesIn(input: string, ...before: string[]): Promise<number> {
  const args = [
    '-v',
    'error',
    ...before,
    '-select_streams',
    'v:0',
    '-count_frames',
    '-show_entries',
    'stream=nb_read_frames',
    '-of',
    'csv=p=0',
    input,
  ];
  const { stdout, stderr } = await run('ffprobe', args);
  if (stderr !== '') throw new Error(stderr);
  return Number.parseInt(stdout, 10);
}

/** What the centre knows of the front camera's original in the last ten minutes, or how it refused. */
async function frontLine(stack: Stack, cookie: string): Promise<CoverageShape['cameras'][number] | string> {
  const [from, to] = [Date.now() - 600_000, Date.now()].map((ms) => new Date(ms).toISOString());
  const address = `${stack.address}/api/units/${stack.unit}/coverage?camera=front&from=${from}&to=${to}`;
  const answer = await fetch(address, { headers: { cookie } });
  if (!answer.ok) return answer.text();
  const { cameras } = (await answer.json()) as CoverageShape;
  return cameras.find((line) => line.rendition === 'original') ?? JSON.stringify(cameras);
}

/** What is recorded and not yet told of: behind the last gap that was told of, where nothing but recording follows. */
function beingRecorded({ gaps }: CoverageShape['cameras'][number]): string | undefined {
  const last = gaps.at(-1);
  const before = gaps.at(-2);
  const untold = ['configuration', 'not-yet-reported'];
  if (last?.cause !== 'being-recorded' || !before || untold.includes(before.cause) || before.to !== last.from) return undefined;
  return Date.now() - Date.parse(last.from) > 12_000 ? last.from : undefined;
}

/** Ten seconds without a gap that the wagon has told of. Who waits in vain reads what there was instead. */
async function recordedSpan(stack: Stack, cookie: string): Promise<{ from: string; to: string }> {
  let line: Awaited<ReturnType<typeof frontLine>> = '';
  const look = async () => {
    line = await frontLine(stack, cookie);
    if (typeof line === 'string') return undefined;
    return line.footage.find((part) => Date.parse(part.to) - Date.parse(part.from) >= 12_000)?.from ?? beingRecorded(line);
  };
  try {
    const from = await until('ten seconds are recorded', look, 3 * PATIENCE_MS);
    return { from, to: new Date(Date.parse(from) + 10_000).toISOString() };
  } catch (error) {
    const said = `the wagon:\n${stack.agent().output()}\nthe centre:\n${stack.controller().output()}`;
    throw new Error(`${(error as Error).message}; coverage: ${JSON.stringify(line)}\n${said}`);
  }
}

t.test('footage of a real recorder comes out whole', { timeout: 390_000 }, async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const cookie = await signIn(stack.address, 'demo', stack.password);
  const span = await recordedSpan(stack, cookie);
  for (const quality of ['proxy', 'original'] as const) {
    const { pull, file } = await fetchPull(stack, cookie, quality, span);
    const told = framesToldOf(stack, pull.id);
    t.ok(told >= 9 * 25, `${told} frames of ${quality}`);
    t.equal(await framesIn(file), told, 'every frame is in the MP4');
    const { stderr } = await run('ffmpeg', ['-v', 'warning', '-xerror', '-i', file, '-f', 'null', '-']);
    t.equal(stderr, '', 'and decodes');
    const playlist = `${stack.address}/api/pulls/${pull.id}/front/playlist.m3u8`;
    t.equal(await framesIn(playlist, '-headers', `Cookie: ${cookie}\r\n`), told, 'and in the playlist');
  }
  await stack.controller().stop('SIGKILL');
  await stack.startController();
  t.match(await (await fetch(`${stack.address}/api/pulls`, { headers: { cookie } })).json(), {
    pulls: [{ state: 'done' }, { state: 'done' }],
  });
});
