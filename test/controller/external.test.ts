/**
 * The programs as an operator meets them with a broker of his own: mosquitto as `longroof-provision` configures it, one
 * `longroof-controller` as its client, and the uplink of a real unit, which does not notice the difference.
 */
import { execFile } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { loadControllerConfig } from '@longroof/controller/config';
import { createUplink } from '@longroof/edge-agent/uplink/uplink';
import t from 'tap';
import { freePort, runMosquitto } from '../ingest/mosquitto.js';
import { type Program, startProgram, until } from '../peers/program.js';
import { bin } from '../peers/wagon.js';
import { MemorySpool } from '../uplink/memory-spool.js';

const run = promisify(execFile);
const CONTROLLER = bin('controller', 'longroof-controller');
const READY = /^longroof-controller: (http:\/\/127\.0\.0\.1:\d+) mqtts:\/\/localhost:(\d+)$/m;
t.setTimeout(240_000);
const seed = testSeed();
t.comment(`seed ${seed}`);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-external-'));
t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));

const provision = (...args: string[]) => run(process.execPath, [bin('provisioning', 'longroof-provision'), ...args]);
const write = (name: string, content: unknown): string => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, JSON.stringify(content));
  return file;
};
const failing = async (address: string): Promise<string[]> =>
  ((await (await fetch(`${address}/healthz`)).json()) as { failing: string[] }).failing;

t.test('what is wrong with mqtt.external is said with key, value and what was expected', async (t) => {
  const http = { host: '127.0.0.1', port: 0 };
  const said = (mqtt: unknown): string => {
    try {
      loadControllerConfig(systemDisk, write('bad.yaml', { data: './d', http, mqtt }));
      return 'is correct';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(said({ external: 'mqtts://broker.example.net' }), /is correct/);
  t.match(said({ external: 'mqtt://broker' }), /mqtt\.external: is "mqtt:\/\/broker"; expected a URL that begins with mqtts:\/\//);
  t.match(said({ external: 'mqtts://b', host: 'x' }), /mqtt\.host: .*no such key.*known are external, ca, identity/);
  t.match(said({ external: 'mqtts://b', identity: { key: 'a' } }), /mqtt\.identity\.certificate: .*this key is required/);
});

t.test('provisioned, run, sent through, killed, revoked', { timeout: 200_000 }, async (t) => {
  const [port, centrePort] = [await freePort(), await freePort()];
  const [authority, out] = [path.join(folder, 'authority'), path.join(folder, 'mosquitto')];
  const ports = ['--port', `${port}`, '--centre-port', `${centrePort}`];
  await provision('mosquitto', '--authority', authority, '--name', 'localhost', '--out', out, ...ports);
  await t.rejects(provision('mosquitto', '--authority', authority, '--name', 'localhost', '--out', out), /LR_ENROL_EXISTS/);
  await provision('enrol', '--authority', authority, '--unit', 'wagon-1', '--out', path.join(folder, 'identity'));
  const conf = path.join(out, 'mosquitto.conf');
  fs.appendFileSync(conf, 'user root\n');
  let broker: Program = await runMosquitto(conf);
  t.teardown(() => broker.stop());
  const config = write('controller.yaml', {
    ...{ data: './data', authority: './authority', http: { host: '127.0.0.1', port: 0 } },
    mqtt: { external: `mqtts://localhost:${centrePort}` },
  });
  const controller = startProgram(process.execPath, [CONTROLLER, '--config', config]);
  t.teardown(() => controller.stop('SIGKILL'));
  const [, address = ''] = await controller.says(READY);
  await until('healthy', async () => (await failing(address)).length === 0);

  const read = (name: string): string => fs.readFileSync(path.join(folder, 'identity', name), 'utf8');
  const spool = new MemorySpool(systemClock, seededRandom(seed), 'wagon-1');
  const journalKey = createPublicKey(createPrivateKey(read('journal.key'))).export({ type: 'spki', format: 'pem' }) as string;
  await spool.record('genesis', { unit: 'wagon-1', epoch: spool.identity.epoch, journalKey, previous: null });
  const uplink = createUplink({
    config: { host: 'localhost', port, unit: 'wagon-1' },
    identity: () => ({ keyPem: read('unit.key'), certificatePem: read('unit.crt'), rootPem: read('ca.crt') }),
    ...{ spool, clock: systemClock, log: silentLog, version: '0.1.0' },
    status: () => ({ front: { state: 'recording' } }),
  });
  uplink.start();
  t.teardown(() => uplink.stop());
  const front = { camera: 'front', rendition: 'original' as const };
  for (let n = 0; n < 6; n += 1) spool.addFragment(front, Date.now() - 60_000 + n * 1000, 400_000);
  const outcomes = await Promise.all(spool.fragments.map((fragment) => uplink.enqueue(fragment, 1)));
  t.same(outcomes, Array(6).fill('stored'), 'receipted and released');

  await broker.stop('SIGKILL');
  await until('it says so', async () => (await failing(address)).includes('broker'));
  broker = await runMosquitto(conf);
  await until('both are back', async () => (await failing(address)).length === 0 && uplink.connected, 40_000);
  t.equal(await uplink.enqueue(spool.addFragment(front, Date.now(), 100_000), 1), 'stored');

  const startMs = performance.now();
  await run(process.execPath, [CONTROLLER, '--config', config, 'revoke', '--unit', 'wagon-1', '--reason', 'stolen']);
  await until('the unit is cut off', () => !uplink.connected, 60_000);
  t.comment(`cut off ${((performance.now() - startMs) / 1000).toFixed(1)} s after the command was given`);
  t.equal(await controller.stop('SIGTERM'), 0);
});
