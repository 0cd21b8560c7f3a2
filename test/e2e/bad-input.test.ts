/**
 * Bad input, against the real programs all at once: each is answered with a code, and a wagon that is in order records on through all of
 * it and can be fetched from at the end.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import type { CoverageShape, ProblemShape, PullShape, UnitShape } from '@longroof/controller/api/shapes';
import { upTopic } from '@longroof/protocol/topics';
import mqtt from 'mqtt';
import t, { type Test } from 'tap';
import { makeMedia, SMALL } from '../peers/media.js';
import { PATIENCE_MS, startProgram, until } from '../peers/program.js';
import { startRtspServer } from '../peers/rtsp/server.js';
import { type Stack, startStack } from '../peers/stack.js';
import { bin, prepareWagon } from '../peers/wagon.js';

const run = promisify(execFile);
const AGENT = bin('edge-agent', 'longroof-agent');
t.setTimeout(600_000);

type Ask = <T>(what: string, body?: unknown) => Promise<{ status: number; json: T }>;

async function signIn(stack: Stack): Promise<Ask> {
  const type = { 'content-type': 'application/json' };
  const body = JSON.stringify({ user: stack.people[0], password: stack.password });
  const session = await fetch(`${stack.address}/api/session`, { method: 'POST', headers: type, body });
  const cookie = session.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return async <T>(what: string, sent?: unknown) => {
    const post = sent === undefined ? {} : { method: 'POST', body: JSON.stringify(sent) };
    const answer = await fetch(stack.address + what, { headers: { cookie, ...(sent === undefined ? {} : type) }, ...post });
    return { status: answer.status, json: (await answer.json()) as T };
  };
}

/** Where the wagon finds the centre. */
function centreOf(stack: Stack): string {
  return (JSON.parse(fs.readFileSync(path.join(stack.folder, stack.unit, 'unit.yaml'), 'utf8')) as { controller: string }).controller;
}

interface World {
  stack: Stack;
  ask: Ask;
  unit(): Promise<UnitShape>;
}

async function badCameras(t: Test, { stack, ask }: World): Promise<void> {
  const files = [await makeMedia(SMALL)];
  const auth = { scheme: 'digest-md5', user: 'admin', password: 'right' } as const;
  const locked = await startRtspServer({ mounts: { a: { files } }, auth });
  t.teardown(() => locked.close());
  const headers = await startRtspServer({ mounts: { a: { files } }, answers: 'endless-headers' });
  t.teardown(() => headers.close());
  const file = await prepareWagon({
    folder: path.join(stack.folder, 'wagon-2'),
    unit: 'wagon-2',
    authority: path.join(stack.folder, 'authority'),
    controller: centreOf(stack),
    cameras: [
      { id: 'locked', url: locked.url('a').replace('right', 'hunter2') },
      { id: 'headers', url: headers.url('a') },
    ],
  });
  const agent = startProgram(process.execPath, [AGENT, '--config', file]);
  t.teardown(() => agent.stop('SIGKILL'));
  const seen = await until(
    'the centre is told',
    async () => {
      const { status, json } = await ask<UnitShape>('/api/units/wagon-2');
      return status === 200 && json.cameras.length === 2 && json.cameras.every(({ code }) => code !== undefined) ? json : undefined;
    },
    PATIENCE_MS,
  );
  t.equal(seen.state, 'not-recording');
  t.equal(seen.cameras.find(({ id }) => id === 'locked')?.code, 'LR_RTSP_REFUSED');
  t.equal(seen.cameras.find(({ id }) => id === 'headers')?.code, 'LR_RTSP_HEADERS');
  t.notMatch(agent.output(), 'hunter2', 'no password in the log');
  t.equal(await agent.stop('SIGTERM'), 0);
}

async function foreignCertificate(t: Test, { stack, ask }: World): Promise<void> {
  const folder = path.join(stack.folder, 'stranger');
  const file = await prepareWagon({
    folder,
    unit: 'wagon-9',
    authority: path.join(stack.folder, 'other-authority'),
    controller: centreOf(stack),
    cameras: [{ id: 'front', url: stack.cameras.url('front') }],
  });
  // It takes this fleet's centre for its own, so that it is the centre that must refuse.
  fs.copyFileSync(path.join(stack.folder, 'authority/root.crt'), path.join(folder, 'identity/ca.crt'));
  const agent = startProgram(process.execPath, [AGENT, '--config', file]);
  t.teardown(() => agent.stop('SIGKILL'));
  await until('the centre says why', async () => /"LR_TLS_FOREIGN"/.test(stack.controller().output()) || undefined);
  t.equal((await ask<ProblemShape>('/api/units/wagon-9')).json.code, 'LR_UNIT_UNKNOWN', 'it is nobody here');
  await until('it says itself that it is not let in', async () => /"LR_UPLINK_CONNECT"/.test(agent.output()) || undefined);
  t.equal(await agent.stop('SIGTERM'), 0, 'it records on without the centre until it is stopped');
}

async function anothersName(t: Test, { stack, ask, unit }: World): Promise<void> {
  const identity = path.join(stack.folder, 'wagon-2/identity');
  const read = (name: string): Buffer => fs.readFileSync(path.join(identity, name));
  const { hostname: host, port } = new URL(centreOf(stack));
  const client = new mqtt.MqttClient(
    () => connectTls({ host, port: Number(port), ca: read('ca.crt'), key: read('unit.key'), cert: read('unit.crt') }),
    { clientId: 'wagon-2', protocolVersion: 4, reconnectPeriod: 0 },
  );
  client.on('error', () => undefined);
  t.teardown(() => client.end(true));
  await new Promise((resolve) => client.once('connect', resolve));
  const lie = { online: false, epoch: '', run: 1, utcMs: 0, streams: {}, version: 'x' };
  client.publish(upTopic(stack.unit, 'status'), JSON.stringify(lie), { qos: 1 }, () => undefined);
  const refusal = await until(
    'it is counted at the unit that lied',
    async () => (await ask<UnitShape>('/api/units/wagon-2')).json.refusals.find(({ code }) => code === 'LR_TOPIC'),
    PATIENCE_MS,
  );
  t.match(refusal, { count: 1 });
  t.match(await unit(), { online: true, state: 'recording' }, 'nobody believed it');
}

async function timeNeverRecorded(t: Test, { stack, ask }: World, beganMs: number): Promise<void> {
  const from = new Date(beganMs - 86_400_000).toISOString();
  const to = new Date(beganMs - 86_340_000).toISOString();
  const wanted = { unitId: stack.unit, cameras: ['front'], from, to, quality: 'proxy', reason: 'a stolen bicycle' };
  const { status, json } = await ask<PullShape>('/api/pulls', wanted);
  t.equal(status, 201);
  const pull = await until('it is over', async () => {
    const now = (await ask<PullShape>(`/api/pulls/${json.id}`)).json;
    return now.state === 'done' || now.state === 'failed' ? now : undefined;
  });
  t.match(pull, { bytesDone: 0, missing: [{ camera: 'front', from, to, cause: 'configuration' }] });
  const { json: coverage } = await ask<CoverageShape>(`/api/units/${stack.unit}/coverage?camera=front&from=${from}&to=${to}`);
  for (const line of coverage.cameras) t.match(line.gaps, [{ from, to, cause: 'configuration' }], 'the timeline says the same');
  const gone = await ask<ProblemShape>('/api/pulls', { ...wanted, cameras: ['roof'] });
  t.equal(gone.status, 404);
  t.equal(gone.json.code, 'LR_CAMERA_UNKNOWN');
}

async function unknownKey(t: Test, { stack }: World): Promise<void> {
  const file = path.join(stack.folder, 'bad.yaml');
  const good = JSON.parse(fs.readFileSync(path.join(stack.folder, stack.unit, 'unit.yaml'), 'utf8')) as Record<string, unknown>;
  fs.writeFileSync(file, JSON.stringify({ ...good, camras: [], 'rtsp://admin:hunter2@10.0.0.9/': 1 }));
  const failed = await run(process.execPath, [AGENT, '--config', file]).catch((error: { code: number; stderr: string }) => error);
  t.match(failed, { code: 1, stderr: /LR_CONFIG: .*bad\.yaml: camras: .*did you mean cameras\?/ });
  t.notMatch(failed.stderr, 'hunter2');
}

t.test('everything that is wrong is refused with a code, and nothing else is disturbed', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const ask = await signIn(stack);
  const unit = async (): Promise<UnitShape> => (await ask<UnitShape>(`/api/units/${stack.unit}`)).json;
  await until('it records', async () => ((await unit()).state === 'recording' ? true : undefined), 2 * PATIENCE_MS);
  const beganMs = Date.now();
  const world: World = { stack, ask, unit };

  await t.test('cameras: a wrong password, 10 MB of headers', (t) => badCameras(t, world));
  await t.test('a certificate of another fleet', (t) => foreignCertificate(t, world));
  await t.test("a unit that publishes under another's name", (t) => anothersName(t, world));
  await t.test('a pull of a time that was never recorded', (t) => timeNeverRecorded(t, world, beganMs));
  await t.test('an unknown key in YAML', (t) => unknownKey(t, world));

  const { json: coverage } = await ask<CoverageShape>(
    `/api/units/${stack.unit}/coverage?from=${new Date(beganMs).toISOString()}&to=${new Date().toISOString()}`,
  );
  const gaps = coverage.cameras.flatMap((line) => line.gaps).filter((gap) => !['being-recorded', 'not-yet-reported'].includes(gap.cause));
  t.same(gaps, [], 'the wagon in order recorded all the while');
  t.match(await unit(), { state: 'recording', refusals: [] });
});
