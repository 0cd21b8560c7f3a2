/** Asks a centre's API as a person who has signed in would, and waits until its wagon has something to ask for. */
import type { UnitShape } from '@longroof/controller/api/shapes';
import { until } from '../peers/program.js';
import type { Stack } from '../peers/stack.js';

/** GET, or POST where there is a body, below `/api/`. */
export type Ask = (route: string, body?: object) => Promise<Response>;

export async function client(stack: Stack, user = stack.people[0]): Promise<Ask> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ user, password: stack.password });
  const answer = await fetch(`${stack.address}/api/session`, { method: 'POST', headers, body });
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return (route, json) =>
    fetch(`${stack.address}/api/${route}`, {
      headers: { cookie, ...(json ? headers : {}) },
      ...(json ? { method: 'POST', body: JSON.stringify(json) } : {}),
    });
}

/** A moment from which all cameras have recorded for `seconds`. */
export async function recorded(stack: Stack, ask: Ask, seconds: number, count = 2): Promise<string> {
  await until(
    'all cameras record',
    async () => {
      const answer = await ask(`units/${stack.unit}`);
      const cameras = answer.ok ? ((await answer.json()) as UnitShape).cameras : [];
      return cameras.length === count && cameras.every((camera) => camera.state === 'recording');
    },
    90_000,
  );
  const fromMs = Date.now();
  await until(`${seconds} s are recorded`, () => Date.now() - fromMs > seconds * 1000, 90_000);
  return new Date(fromMs).toISOString();
}
