/** A centre with people of both roles, and wagons that may hold copies of each other's keys or disks. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { AlarmFactsShape, UnitShape } from '@longroof/controller/api/shapes';
import { type Program, startProgram, until } from '../peers/program.js';
import type { Stack } from '../peers/stack.js';
import { bin } from '../peers/wagon.js';

const run = promisify(execFile);

export type Ask = (route: string, body?: object) => Promise<{ status: number; json: unknown }>;

/** GET, or POST where there is a body, as somebody who has signed in. */
export async function signIn(stack: Stack, user: string): Promise<Ask> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ user, password: stack.password });
  const answer = await fetch(`${stack.address}/api/session`, { method: 'POST', headers, body });
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return async (route, json) => {
    const more = json ? { method: 'POST', body: JSON.stringify(json) } : {};
    const got = await fetch(`${stack.address}/api/${route}`, { headers: { cookie, ...(json ? headers : {}) }, ...more });
    return { status: got.status, json: await got.json() };
  };
}

export async function addManager(stack: Stack): Promise<Ask> {
  const controller = [bin('controller', 'longroof-controller'), '--config', path.join(stack.folder, 'controller.yaml')];
  const env = { ...process.env, LONGROOF_PASSWORD: stack.password };
  await run(process.execPath, [...controller, 'add-person', '--name', 'max', '--role', 'manager'], { cwd: stack.folder, env });
  return signIn(stack, 'max');
}

/** A second wagon with the first one's file and identity; its disk too, or an empty one. The first must have stopped where its disk is copied. */
export function copyWagon(stack: Stack, name: string, withDisk: boolean): () => Program {
  const from = path.join(stack.folder, stack.unit);
  const to = path.join(stack.folder, name);
  fs.cpSync(from, to, { recursive: true, filter: (file) => withDisk || !file.startsWith(path.join(from, 'spool')) });
  return () => startProgram(process.execPath, [bin('edge-agent', 'longroof-agent'), '--config', path.join(to, 'unit.yaml')]);
}

export const unitOf = async (ask: Ask, unit: string): Promise<UnitShape> => (await ask(`units/${unit}`)).json as UnitShape;

export async function alarmsOf(ask: Ask, unit: string): Promise<AlarmFactsShape[]> {
  return ((await ask(`units/${unit}/alarms`)).json as { alarms: AlarmFactsShape[] }).alarms;
}

/** Waits until the unit has an open alarm of one of these codes. */
export function alarmed(ask: Ask, unit: string, ...codes: string[]): Promise<AlarmFactsShape> {
  return until(
    `an alarm ${codes.join(' or ')}`,
    async () => (await alarmsOf(ask, unit)).find(({ code, closed }) => codes.includes(code) && !closed),
    120_000,
  );
}
