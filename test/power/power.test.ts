/** Board and agent as programs: a wagon is parked, sheds, loses its board and gets it back, and is switched off with everything flushed. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { makeMedia, SMALL } from '../peers/media.js';
import { startProgram, until } from '../peers/program.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import { bin, fsck, journalRecords, prepareWagon } from '../peers/wagon.js';

const run = promisify(execFile);
const BOARD = bin('firmware', 'longroof-board');
const AGENT = bin('edge-agent', 'longroof-agent');

type Body = Record<string, unknown>;

type Ask = (...args: string[]) => Promise<string>;

/** What /healthz says of the agent and of each stream. */
async function streamsText(port: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  const health = (await answer.json()) as { status: string; streams: Record<string, { state: string }> };
  return `${health.status} ${Object.entries(health.streams)
    .map(([name, { state }]) => `${name}:${state}`)
    .sort()
    .join(' ')}`;
}

function statusPage(port: string, ...args: string[]): Promise<string> {
  return run(process.execPath, [AGENT, 'status', '--port', port, ...args]).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string; stderr?: string }) => `${error.stdout}${error.stderr}`,
  );
}

/** Braking and a panic button, and the page of state that counts them. */
async function eventsAreTold(t: Test, command: Ask, status: Ask): Promise<void> {
  await command('sim', 'braking', '7.5');
  await command('sim', 'panic', 'on');
  const page = await until('both events', async () => {
    const text = await status();
    return /Events +2 since/.test(text) && text;
  });
  t.match(
    page,
    /^Unit +wagon-1, version .*: all is well\nPower +Driving for \d+ s because the ignition is on, 12\.6 V\.\nCameras +recording: /,
  );
  t.match(
    page,
    /\nSpool +ok, [\d.]+ GB of 2\.0 GB used, .*\nLink +no centre is configured\nClock +\S+Z, by \w+, right within .*\nGNSS +no receiver/,
  );
  t.match(JSON.parse(await status('--json')), { unit: 'wagon-1', ok: true, events: 2, power: { mode: 'driving' }, link: null });
}

/** Each is a mark in the journal, and its footage is held. */
function eventsAreKept(t: Test, bodies: (type: string) => Body[]): void {
  const marks = bodies('event').flatMap((body) => (body['event'] === 'mark' ? [body['detail'] as Body] : []));
  t.match(
    marks
      .slice(0, 2)
      .map((mark) => mark['kind'])
      .sort(),
    ['braking', 'panic'],
  );
  const braking = marks.find((mark) => mark['kind'] === 'braking')?.['value'] as number;
  t.ok(Math.abs(braking - 7.5) < 0.1, `${braking} m/s2`);
  for (const { hold } of marks as { hold: Body }[]) {
    const placed = bodies('hold').find((body) => body['holdId'] === hold['holdId']);
    if (placed) t.match(placed, { action: 'placed', cameras: ['front', 'rear'], fromUtcMs: hold['fromUtcMs'], toUtcMs: hold['toUtcMs'] });
  }
  t.ok(bodies('hold').length >= 2, 'panic and braking are held');
}

t.test('parked until the battery is low', { timeout: 300_000 }, async (t) => {
  // Sockets have short paths.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-'));
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
  const socket = path.join(folder, 'board.sock');
  const off = path.join(folder, 'off');
  const guard = { grace: '1s', smooth: '1s', flush: '8s', shedEvery: '1s', shed: [{ usedWh: 1000, belowV: 12.1, proxies: true }] };
  const boardFile = path.join(folder, 'board.yaml');
  fs.writeFileSync(
    boardFile,
    JSON.stringify({ board: 'sim', socket, memory: path.join(folder, 'power.json'), powerOff: ['touch', off], guard }),
  );
  const server = await startRtspServer({ mounts: { a: { files: [await makeMedia(SMALL)] } } });
  t.teardown(() => server.close());
  const cameras = [
    { id: 'front', url: server.url('a'), sub: server.url('a') },
    { id: 'rear', url: server.url('a') },
  ];
  const unitFile = await prepareWagon({ folder, authority: path.join(folder, 'authority'), cameras, board: `unix:${socket}` });

  // Stands for systemd: writes down what it is told.
  const notes = path.join(folder, 'notes');
  fs.mkdirSync(path.join(folder, 'bin'));
  fs.writeFileSync(path.join(folder, 'bin', 'systemd-notify'), `#!/bin/sh\necho "$1" >> ${notes}\n`, { mode: 0o755 });
  const env = { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '3000000', PATH: `${path.join(folder, 'bin')}:${process.env['PATH']}` };

  const startBoard = async () => {
    const board = startProgram(process.execPath, [BOARD, '--config', boardFile], { env });
    t.teardown(() => board.stop('SIGKILL'));
    await board.says(/"msg":"ready"/);
    return board;
  };
  const command = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [BOARD, ...args, '--socket', socket])).stdout.trim();
  let board = await startBoard();
  const agent = startProgram(process.execPath, [AGENT, '--config', unitFile]);
  t.teardown(() => agent.stop('SIGKILL'));
  const [, port] = (await agent.says(/"metricsPort":(\d+)/)) as unknown as [string, string];
  const streams = (): Promise<string> => streamsText(port);
  const become = (what: string): Promise<unknown> => until(what, async () => (await streams()) === what);

  await become('ok front.proxy:recording front:recording rear:recording');
  t.match(await command('status'), /^Driving for \d+ s because the ignition is on, 12\.6 V\.$/);

  const status = (...args: string[]): Promise<string> => statusPage(port, ...args);
  await eventsAreTold(t, command, status);

  await command('sim', 'ignition', 'off');
  await until('parked', async () => /^Parked watch .* because the ignition was switched off/.test(await command('status')));
  await command('sim', 'supply', '12.0');
  await become('ok front.proxy:stopped front:recording rear:recording');

  await until('systemd knows that it is ready and lives', () => {
    const told = fs.existsSync(notes) ? fs.readFileSync(notes, 'utf8').split('\n') : [];
    return told[0] === 'READY=1' && told.includes('WATCHDOG=1');
  });
  await board.stop('SIGKILL');
  await agent.says(/the board service is not there/);
  t.equal(await streams(), 'ok front.proxy:stopped front:recording rear:recording', 'the agent records on without a board');
  board = await startBoard();
  await command('sim', 'ignition', 'off');
  // A simulated board begins with its own battery anew: the shedding is lifted, and the agent follows.
  await become('ok front.proxy:recording front:recording rear:recording');

  await command('sim', 'supply', '11.2');
  await until('switched off', () => fs.existsSync(off));
  t.match(await command('status'), /^Shutting down for .* because the battery is low, 11\.\d V/);
  await board.says(/"flush":"answered","tookMs":\d+/);
  t.equal(await streams(), 'ok front.proxy:stopped front:stopped rear:stopped');
  t.comment(`flushed in ${/"tookMs":(\d+)/.exec(board.output())?.[1]} ms`);

  const records = journalRecords(path.join(folder, 'spool'));
  const bodies = (type: string): Body[] => records.filter((record) => record['type'] === type).map((record) => record['body'] as Body);
  const flush = records.findIndex((record) => record['type'] === 'power' && (record['body'] as Body)['flush'] === 'done');
  t.ok(flush > 0, 'the flush is in the journal before the computer goes off');
  t.match(
    bodies('power')
      .filter((body) => body['mode'] !== undefined)
      .map((body) => `${body['mode']} ${body['reason']}`),
    ['driving ignition-on', 'parked-watch ignition-off', 'parked-watch ignition-off'],
  );
  t.match(bodies('power').at(-2), { mode: 'shutdown', reason: 'battery-low' });
  t.ok(bodies('event').some((body) => body['event'] === 'board-ignition'));
  eventsAreKept(t, bodies);
  t.match(
    bodies('gap')
      .filter((body) => body['cause'] === 'power-saving')
      .map((body) => `${body['camera']} ${body['rendition']}`),
    ['front proxy'],
    'the gap of what was shed has its cause',
  );
  // The power goes now: nothing may have been left in memory.
  await agent.stop('SIGKILL');
  t.match(await status(), /LR_STATUS_AGENT: no agent answers on port \d+[\s\S]*Is longroof-agent running/);
  t.match(await command('status'), /^Shutting down/);
  t.match(await fsck(path.join(folder, 'spool')), { code: 0 });
  t.equal(await board.stop('SIGTERM'), 0, 'the board outlives the agent');
});
