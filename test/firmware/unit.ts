/** The scenarios of one unit in QEMU, in order: each leaves the machine as the next one expects it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PullShape } from '@longroof/controller/api/shapes';
import { check } from '../fault/checks.js';
import type { Machine } from '../guest/machine.js';
import type { GuestWagon } from '../guest/wagon.js';
import { UNIT } from '../guest/wagon.js';
import { until } from '../peers/program.js';

/** Software emulation on a shared machine: who passes never waits so long. */
export const SLOW_MS = 300_000;
export const LINES = { ignition: 0, powerGood: 1, cameraCut: 6, lamp: 7 };
const STATUS = '/opt/longroof/firmware/bin/longroof-board.js status';
/** A little more than the old generation may have by the program's first line. */
const HEAP_MB_MAX = 140;
/** The recorder's own word, as it logs it. */
export const FIRST = /the first footage is durable/;

export interface Scenario {
  machine: Machine;
  wagon: GuestWagon;
  say: (text: string) => void;
}

/** Resolves when the first fragment since `since` of the serial line is durable. */
async function firstDurable(machine: Machine, since = 0): Promise<number> {
  await machine.says(FIRST, SLOW_MS, since);
  return performance.now();
}

/** From the start of the kernel to the first durable fragment, in milliseconds. */
export async function firstStart({ machine, say }: Scenario): Promise<number> {
  const firstMs = (await firstDurable(machine)) - machine.startedMs;
  say(`   the first fragment is durable ${(firstMs / 1000).toFixed(1)} s after the kernel started`);
  await untilStatus(machine, 'Driving for');
  say(`   ${(await machine.shell('systemd-analyze time', SLOW_MS)).split('\n')[0]}`);
  await heapIsBounded(machine, say);
  return firstMs;
}

/** A service that starts Node in another way would lose the bound. */
async function heapIsBounded(machine: Machine, say: Scenario['say']): Promise<void> {
  const started = await machine.shell(`journalctl -u longroof-agent -o cat --no-pager | grep '"msg":"started"'`, SLOW_MS);
  const heapMb = Number(/"heapMb":(\d+)/.exec(started)?.[1]);
  check(heapMb <= HEAP_MB_MAX, `the recorder's heap may grow to ${heapMb} MB`);
  const status = await machine.shell('cat /proc/$(systemctl show -p MainPID --value longroof-agent)/status', SLOW_MS);
  say(`   the recorder takes ${/VmRSS:\s*(.*)/.exec(status)?.[1]}, its heap may grow to ${heapMb} MB`);
}

/** `reset` makes the machine start anew; resolves when it records again, with both times. */
export async function startedAgain({ machine }: Scenario, reset: () => Promise<unknown>): Promise<{ resetMs: number; atMs: number }> {
  const resets = (): number[] => machine.events.filter(({ event }) => event === 'RESET').map(({ atMs }) => atMs);
  const before = resets().length;
  const since = machine.console.length;
  await reset();
  await until('the machine is reset', () => resets().length > before, SLOW_MS);
  const atMs = await firstDurable(machine, since);
  return { resetMs: resets()[before] ?? 0, atMs };
}

/** The board service lets go of the line first, so that the watcher has it alone. */
export async function everyEdge({ machine, say }: Scenario): Promise<void> {
  await machine.shell('systemctl stop longroof-board', SLOW_MS);
  const since = machine.console.length;
  await machine.shell('cd /opt/longroof && (node test/edges.js 9030000.pl061 0 >/dev/ttyAMA0 2>&1 &)', SLOW_MS);
  await machine.says(/watching;/, SLOW_MS, since);
  let edges = 0;
  const latencies: number[] = [];
  for (let turn = 0; turn < 10; turn++)
    for (const high of [false, true]) {
      const startMs = performance.now();
      await machine.pin(LINES.ignition, high);
      edges += 1;
      await machine.says(new RegExp(`edge ${edges} ${high ? 'high' : 'low'};`), SLOW_MS, since);
      latencies.push(performance.now() - startMs);
    }
  latencies.sort((a, b) => a - b);
  say(`   ${edges} of ${edges} edges seen, median ${latencies[edges >> 1]?.toFixed(0)} ms, longest ${latencies.at(-1)?.toFixed(0)} ms`);
  await machine.shell('busybox pkill -f edges.js; systemctl start longroof-board', SLOW_MS);
}

async function inputs(machine: Machine): Promise<string[]> {
  const text = await machine.shell(`journalctl -u longroof-board -o cat --no-pager | grep '"msg":"input"' || true`, SLOW_MS);
  return text.split('\n').filter((line) => line.includes('"event":"ignition"'));
}

/** The board's sentence, once it begins so. */
async function untilStatus(machine: Machine, words: string): Promise<string> {
  const sentence = new RegExp(`^${words} .*`, 'm');
  return until(`the board says ${words}`, async () => (await machine.shell(STATUS, SLOW_MS)).match(sentence)?.[0], SLOW_MS);
}

/** The key is turned off by a contact that bounces, and on again: one change each, and the state follows. */
export async function bouncingKey({ machine, say }: Scenario): Promise<void> {
  say(`   ${await untilStatus(machine, 'Driving for')}`);
  const before = (await inputs(machine)).length;
  const bounce = async (end: boolean): Promise<void> => {
    for (let turn = 0; turn < 12; turn++) await machine.pin(LINES.ignition, turn % 2 === 0 ? end : !end);
    await machine.pin(LINES.ignition, end);
  };
  await bounce(false);
  say(`   ${await untilStatus(machine, 'Parked watch for')}`);
  await bounce(true);
  say(`   ${await untilStatus(machine, 'Driving for')}`);
  const changes = (await inputs(machine)).slice(before).map((line) => line.includes('"on":true'));
  check(JSON.stringify(changes) === '[false,true]', `after 13 edges each way the board saw ${JSON.stringify(changes)}`);
}

export async function outputsFromOutside({ machine }: Scenario): Promise<void> {
  await until('the lamp is lit', () => machine.pins.read(LINES.lamp), SLOW_MS);
  check(!(await machine.pins.read(LINES.cameraCut)), 'the cameras are not cut off');
}

interface Answered {
  ask(route: string, body?: object): Promise<Response>;
}

async function signIn(wagon: GuestWagon): Promise<Answered> {
  const address = wagon.centre?.address ?? '';
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ user: 'demo', password: wagon.centre?.password });
  const answer = await fetch(`${address}/api/session`, { method: 'POST', headers, body });
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return {
    ask: (route, json) =>
      fetch(`${address}/api/${route}`, {
        headers: { cookie, ...(json ? headers : {}) },
        ...(json ? { method: 'POST', body: JSON.stringify(json) } : {}),
      }),
  };
}

export async function footageAtTheCentre({ wagon, say }: Scenario): Promise<void> {
  const { ask } = await signIn(wagon);
  await until('the centre knows the unit', async () => (await ask(`units/${UNIT}`)).ok, SLOW_MS);
  const from = new Date(Date.now() - 1000).toISOString();
  await delay(6000);
  const wanted = {
    unitId: UNIT,
    cameras: ['front', 'rear'],
    from,
    to: new Date(Date.parse(from) + 5000).toISOString(),
    quality: 'original',
  };
  const { id } = (await (await ask('pulls', { ...wanted, reason: 'a test' })).json()) as PullShape;
  const pull = async (): Promise<PullShape> => (await (await ask(`pulls/${id}`)).json()) as PullShape;
  await until('the pull is done', async () => (await pull()).state === 'done', SLOW_MS);
  const zip = await ask(`pulls/${id}/export.zip`);
  check(zip.ok, `the export answers ${zip.status}`);
  say(`   5 s of two cameras pulled over mutual TLS, ${(await zip.arrayBuffer()).byteLength} bytes exported`);
}

export async function deadAgent({ machine, say }: Scenario): Promise<void> {
  const since = machine.console.length;
  const startMs = performance.now();
  await machine.shell('systemctl kill -s KILL longroof-agent', SLOW_MS);
  const atMs = await firstDurable(machine, since);
  say(`   killed, and recording again ${((atMs - startMs) / 1000).toFixed(1)} s later`);
}

async function journalOf(machine: Machine): Promise<string> {
  return machine.shell(`cat /srv/spool/journal/*.log | grep -E '"type":"event"' | busybox cut -c1-400`, SLOW_MS);
}

export async function deadInit(given: Scenario): Promise<void> {
  const { machine, say } = given;
  const startMs = performance.now();
  const { resetMs, atMs } = await startedAgain(given, () => machine.shell('kill -SEGV 1', SLOW_MS));
  const wasBitten = machine.events.some(({ event }) => event === 'WATCHDOG');
  check(wasBitten, 'the machine was reset, but not by the hardware watchdog');
  const [biteS, backS] = [(resetMs - startMs) / 1000, (atMs - resetMs) / 1000];
  say(`   PID 1 dead, reset after ${biteS.toFixed(1)} s, recording again ${backS.toFixed(1)} s later`);
  await until('the journal says why', async () => (await journalOf(machine)).includes('"event":"watchdog-reset"'), SLOW_MS);
}

/** Power-good is lost: everything is flushed, the cameras are cut off, the lamp goes out, and the system switches itself off. */
export async function supplyLost({ machine, say }: Scenario): Promise<void> {
  // Behind a reset the recorder is there before the board: what is timed begins with both.
  await untilStatus(machine, 'Driving for');
  const startMs = performance.now();
  const since = machine.console.length;
  await machine.pin(LINES.powerGood, false);
  const [said] = await machine.says(/\{[^\n]*switching off[^\n]*\}/, SLOW_MS, since);
  const flushedS = ((performance.now() - startMs) / 1000).toFixed(1);
  const { flush, tookMs } = JSON.parse(said) as { flush?: string; tookMs?: number };
  check(flush === 'answered', `the board switches off, and the flush was ${flush}`);
  await until('the system is off', () => machine.hasEnded, SLOW_MS);
  say(
    `   flushed in ${tookMs?.toFixed(0)} ms, and the switch turned ${flushedS} s, off ${((performance.now() - startMs) / 1000).toFixed(1)} s after`,
  );
  check(!(await machine.pins.read(LINES.lamp)), 'the lamp is out');
  check(await machine.pins.read(LINES.cameraCut), 'the cameras are cut off');
}
