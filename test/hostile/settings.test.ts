/** Settings that the centre lays over a wagon's file, with a real recorder: applied or refused, told with the reason, kept over a restart. */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigurationShape, CoverageShape } from '@longroof/controller/api/shapes';
import t from 'tap';
import { until } from '../peers/program.js';
import { startStack } from '../peers/stack.js';
import { fsck } from '../peers/wagon.js';
import { type Ask, addManager, signIn, unitOf } from './wagons.js';

t.setTimeout(400_000);

async function answered(ask: Ask, unit: string, id: string): Promise<ConfigurationShape> {
  return until(
    'the wagon answers',
    async () => {
      const { configurations } = (await ask(`units/${unit}/configurations`)).json as { configurations: ConfigurationShape[] };
      return configurations.find((one) => one.id === id && one.state !== 'queued');
    },
    60_000,
  );
}

t.test('asked, applied, kept, refused with the reason, taken back', async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  const staff = await signIn(stack, 'demo');
  const manager = await addManager(stack);
  const { unit } = stack;
  const route = `units/${unit}/configurations`;
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await unitOf(staff, unit)).cameras.map(({ id, state }) => [id, state]));
  await until('both record', async () => Object.values(await states()).filter((state) => state === 'recording').length === 2, 120_000);

  const wanted = { settings: { cameras: { rear: { record: false } } }, reason: 'the lens is out' };
  t.match(await staff(route, wanted), { status: 403, json: { code: 'LR_ROLE' } });
  t.match(await manager(route, { ...wanted, settings: { cameras: { rear: { zoom: 2 } } } }), {
    status: 400,
    json: { code: 'LR_SETTINGS_SHAPE' },
  });
  t.match(await manager(route, { ...wanted, settings: { cameras: { roof: {} } } }), { status: 404, json: { code: 'LR_CAMERA_UNKNOWN' } });
  const asked = await manager(route, wanted);
  t.match(asked, { status: 201, json: { state: 'queued', person: 'max', reason: wanted.reason } });
  const first = asked.json as ConfigurationShape;
  t.match(await answered(staff, unit, first.id), { state: 'applied', settings: wanted.settings, answered: String });
  await until('rear rests', async () => (await states())['rear'] !== 'recording');
  t.equal((await states())['front'], 'recording', 'the other records on');

  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  const restartedMs = Date.now();
  stack.startAgent();
  await until('front records again', async () => (await states())['front'] === 'recording' && (await unitOf(staff, unit)).online, 120_000);
  t.not((await states())['rear'], 'recording', 'kept over a restart');
  const from = new Date(restartedMs - 5000).toISOString();
  const gaps = async (): Promise<string[]> => {
    const { cameras } = (await staff(`units/${unit}/coverage?from=${from}&to=${new Date().toISOString()}`)).json as CoverageShape;
    return cameras.filter(({ camera }) => camera === 'rear').flatMap((row) => row.gaps.map(({ cause }) => cause));
  };

  // The centre knows a camera that the unit's file has lost.
  const file = path.join(stack.folder, unit, 'unit.yaml');
  const whole = fs.readFileSync(file, 'utf8');
  const config = JSON.parse(whole) as { cameras: { id: string }[] };
  config.cameras = config.cameras.filter(({ id }) => id !== 'rear');
  fs.writeFileSync(file, JSON.stringify(config));
  stack.agent().child.kill('SIGHUP');
  await stack.agent().says(/configuration read again/);
  const second = (await manager(route, { ...wanted, settings: { cameras: { rear: { audio: true } } } })).json as ConfigurationShape;
  t.match(await answered(staff, unit, second.id), { state: 'refused', problem: { code: 'LR_SETTINGS_CAMERA', message: /no camera rear/ } });
  t.match((await unitOf(staff, unit)).configuration, { id: second.id, state: 'refused' }, 'on the page: asked, refused, why');

  fs.writeFileSync(file, whole);
  stack.agent().child.kill('SIGHUP');
  const third = (await manager(route, { settings: { cameras: {} }, reason: 'mended' })).json as ConfigurationShape;
  t.match(await answered(staff, unit, third.id), { state: 'applied' });
  await until('rear records again', async () => (await states())['rear'] === 'recording', 60_000);
  await until('its rest is a gap with its cause', async () => (await gaps()).includes('configuration'), 90_000);
  t.equal(await stack.agent().stop('SIGTERM', 20_000), 0);
  const checked = await fsck(path.join(stack.folder, unit, 'spool'));
  t.equal(checked.code, 0, checked.text);
});
