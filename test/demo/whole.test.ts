/**
 * `npm start` as a person meets it: it says its address, user and password, all cameras record, Ctrl-C ends every process within 5 s, a
 * child that dies comes back, and a second start goes on with the same footage. LONGROOF_DEMO_WHOLE runs it in its full size.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CoverageShape, UnitShape } from '@longroof/controller/api/shapes';
import t, { type Test } from 'tap';
import { cpuSeconds, type Program, startProgram, until } from '../peers/program.js';
import { freePort } from './ports.js';

const WHOLE = process.env['LONGROOF_DEMO_WHOLE'] !== undefined;
const WAGONS = WHOLE ? 2 : 1;
const CAMERAS = WHOLE ? 4 : 1;
const MAIN = path.resolve(import.meta.dirname, 'main.js');
const STOP_MS = 5000;

interface Running {
  program: Program;
  address: string;
  password: string;
  pids: { pid: number; command: string }[];
}

function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // No such process.
  }
}

const commandOf = (pid: number): string => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');

async function start(folder: string, port: number): Promise<Running> {
  const args = [MAIN, '--port', String(port), '--data', folder, '--wagons', String(WAGONS), '--cameras', String(CAMERAS)];
  const program = startProgram(process.execPath, args, { env: { LONGROOF_DEMO_PASSWORD: undefined } });
  const said = await program.says(/Page +(\S+)\n +User +demo\n +Password +(\S+)\n/, 90_000);
  const { children } = JSON.parse(fs.readFileSync(path.join(folder, 'running.json'), 'utf8')) as { children: { pid: number }[] };
  return { program, address: said[1]!, password: said[2]!, pids: children.map(({ pid }) => ({ pid, command: commandOf(pid) })) };
}

async function stop(t: Test, running: Running): Promise<void> {
  const startMs = performance.now();
  t.equal(await running.program.stop('SIGINT', STOP_MS + 5000), 0, 'ends well');
  const tookMs = performance.now() - startMs;
  t.ok(tookMs < STOP_MS, `ended ${Math.round(tookMs)} ms after Ctrl-C`);
  t.same(
    running.pids.filter(({ pid }) => alive(pid)),
    [],
    'leaves no process',
  );
}

async function signIn({ address, password }: Running): Promise<(what: string) => Promise<unknown>> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${address}/api/session`, { method: 'POST', headers, body: JSON.stringify({ user: 'demo', password }) });
  if (!answer.ok) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  const cookie = answer.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ');
  return async (what) => (await fetch(`${address}${what}`, { headers: { cookie } })).json();
}

/** Start of the oldest footage of the first camera that the centre knows of. */
async function oldest(get: (what: string) => Promise<unknown>, sinceUtcMs: number): Promise<string> {
  const query = new URLSearchParams({ camera: 'front', from: new Date(sinceUtcMs).toISOString(), to: new Date().toISOString() });
  const look = async (): Promise<string | undefined> => {
    const coverage = (await get(`/api/units/wagon-1/coverage?${query}`)) as CoverageShape;
    return coverage.cameras?.flatMap(({ footage }) => footage.map(({ from }) => from)).sort()[0];
  };
  return until('footage that the centre knows of', look, 100_000);
}

t.test('starts, records, mends itself, stops, goes on', { timeout: 300_000 }, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-demo-'));
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const sinceUtcMs = Date.now() - 5000;

  const first = await start(folder, port);
  t.teardown(() => first.program.stop('SIGKILL'));
  const get = await signIn(first);
  const { units } = (await get('/api/units')) as { units: UnitShape[] };
  t.equal(units.length, WAGONS);
  t.ok(
    units.every(({ state, cameras }) => state === 'recording' && cameras.length === CAMERAS),
    'every camera records',
  );
  await until('a position', async () => ((await get('/api/units/wagon-1')) as UnitShape).position, 60_000);

  const measureS = 10;
  const cpuBefore = first.pids.map(({ pid }) => cpuSeconds(pid));
  await new Promise((resolve) => setTimeout(resolve, measureS * 1000));
  const cpu = first.pids.map(({ pid }, i) => (cpuSeconds(pid) - cpuBefore[i]!) / measureS);
  t.comment(`CPU of one core: ${cpu.reduce((sum, one) => sum + one, 0).toFixed(2)} in all (${cpu.map((one) => one.toFixed(2)).join(' ')})`);

  const agent = first.pids.find(({ command }) => command.includes('longroof-agent'))!;
  process.kill(agent.pid, 'SIGKILL');
  await first.program.says(/wagon-1 ended \(SIGKILL\); starting it again/);
  await until('another recorder', () => {
    const { children } = JSON.parse(fs.readFileSync(path.join(folder, 'running.json'), 'utf8')) as { children: { pid: number }[] };
    first.pids = children.filter(({ pid }) => alive(pid)).map(({ pid }) => ({ pid, command: commandOf(pid) }));
    return first.pids.some(({ pid, command }) => command.includes('longroof-agent') && command.includes('wagon-1') && pid !== agent.pid);
  });
  await stop(t, first);
  const stoppedUtcMs = Date.now();

  const second = await start(folder, port);
  t.teardown(() => second.program.stop('SIGKILL'));
  t.equal(second.password, first.password, 'the password stays');
  const from = Date.parse(await oldest(await signIn(second), sinceUtcMs));
  t.ok(from > sinceUtcMs && from < stoppedUtcMs, 'footage of the first start is known in the second');
  await stop(t, second);
});
