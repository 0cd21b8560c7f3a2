/**
 * Two `longroof-controller` programs on one data folder with a mosquitto between: started at the same moment in an empty folder, each with
 * an address of its own. One is killed while units send, and comes back while footage is under way: nothing is lost or stored twice.
 */
import { execFile } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemClock as clock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { silentLog as log } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { createUplink, type Uplink } from '@longroof/edge-agent/uplink/uplink';
import { openAuthority } from '@longroof/protocol/authority';
import { recordHash } from '@longroof/protocol/journal';
import t from 'tap';
import { compare } from '../bench/fleet/compare.js';
import { type Mosquitto, startMosquitto } from '../ingest/mosquitto.js';
import { type Program, startProgram, until } from '../peers/program.js';
import { bin, readDatabase } from '../peers/wagon.js';
import { type MemoryFragment, MemorySpool } from '../uplink/memory-spool.js';

const run = promisify(execFile);
const CONTROLLER = bin('controller', 'longroof-controller');
const READY = /^longroof-controller: (http:\/\/127\.0\.0\.1:\d+) mqtts:/m;
const PASSWORD = 'a long test password';
const UNITS = 12;
const FRONT = { camera: 'front', rendition: 'original' as const };
t.setTimeout(240_000);
const seed = testSeed();
t.comment(`seed ${seed}`);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-two-'));
t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
const authorityDir = path.join(folder, 'data', 'authority');
const database = path.join(folder, 'data', 'longroof.db');

interface Controller {
  program: Program;
  address: string;
}

async function start(name: string, mosquitto: Mosquitto): Promise<Controller> {
  const file = path.join(folder, `${name}.yaml`);
  const mqtt = { external: `mqtts://localhost:${mosquitto.centrePort}` };
  fs.writeFileSync(file, JSON.stringify({ data: './data', http: { host: '127.0.0.1', port: 0 }, mqtt }));
  const program = startProgram(process.execPath, [CONTROLLER, '--config', file]);
  t.teardown(() => program.stop('SIGKILL'));
  const [, address = ''] = await program.says(READY);
  return { program, address };
}

const metric = async ({ address }: Controller, name: string): Promise<number> =>
  Number((await (await fetch(`${address}/metrics`)).text()).match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1]);
const healthy = async ({ address }: Controller): Promise<boolean> => (await fetch(`${address}/healthz`)).ok;

class Wagon {
  readonly spool: MemorySpool;
  readonly uplink: Uplink;
  readonly outcomes: ReturnType<Uplink['enqueue']>[] = [];
  #talking: NodeJS.Timeout | undefined;

  constructor(unit: string, pems: { keyPem: string; certificatePem: string; rootPem: string }, port: number) {
    this.spool = new MemorySpool(clock, seededRandom(seed + Number(unit.slice(6))), unit);
    const status = () => ({ front: { state: 'recording' as const } });
    const config = { host: '127.0.0.1', port, unit };
    this.uplink = createUplink({ config, identity: () => pems, spool: this.spool, clock, log, status, version: '0.1.0' });
    this.uplink.start();
    t.teardown(() => this.uplink.stop());
  }

  /** Says something five times a second, and has footage to send. */
  talk(): void {
    this.#talking = setInterval(() => void this.spool.record('event', { event: 'beat' }, { urgent: true }), 200);
  }

  silence(): void {
    clearInterval(this.#talking);
  }

  send(count: number, bytes: number): void {
    for (let n = 0; n < count; n += 1) this.outcomes.push(this.uplink.enqueue(this.spool.addFragment(FRONT, Date.now(), bytes), 1));
  }

  get whole(): boolean {
    return this.spool.acknowledgedNext === this.spool.records.length;
  }
}

async function enrol(mosquitto: Mosquitto): Promise<Wagon[]> {
  const authority = await openAuthority(authorityDir, systemDisk, clock.utc);
  const wagons: Wagon[] = [];
  for (let index = 0; index < UNITS; index += 1) {
    const unit = `wagon-${index}`;
    const { unitKeyPem, unitCertificatePem, journalKeyPem, rootPem } = await authority.issueUnit(unit);
    const wagon = new Wagon(unit, { keyPem: unitKeyPem, certificatePem: unitCertificatePem, rootPem }, mosquitto.port);
    const journalKey = createPublicKey(createPrivateKey(journalKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
    await wagon.spool.record('genesis', { unit, epoch: wagon.spool.identity.epoch, journalKey, previous: null });
    wagons.push(wagon);
  }
  return wagons;
}

async function signIn({ address }: Controller): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${address}/api/session`, {
    ...{ method: 'POST', headers },
    body: JSON.stringify({ user: 'ada', password: PASSWORD }),
  });
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

/** Every fragment that was sent: one row with its hash, and its bytes under its name. */
function storedOnce(wagons: readonly Wagon[]): { rows: number; wrong: string[] } {
  const sent = new Map<string, MemoryFragment>();
  for (const { spool } of wagons) for (const one of spool.fragments) sent.set(`${one.meta.unit} ${one.meta.seq}`, one);
  const rows = readDatabase(database, (db) => db.prepare('select unit, seq, sha256 from fragment').all()) as Record<string, string>[];
  const name = (row: Record<string, string>): string => `${row['unit']} ${row['seq']}`;
  const wrong = rows.filter((row) => row['sha256'] !== sent.get(name(row))?.meta.sha256).map(name);
  return { rows: rows.length, wrong };
}

t.test('started together, one killed under load and started again', async (t) => {
  fs.mkdirSync(path.join(folder, 'data'));
  // The broker's certificates come from the same authority: made first, as an operator does.
  const mosquitto = await startMosquitto(folder, authorityDir);
  t.teardown(() => mosquitto.program.stop());
  const [a, b] = await Promise.all([start('a', mosquitto), start('b', mosquitto)]);
  const env = { ...process.env, LONGROOF_PASSWORD: PASSWORD };
  await run(process.execPath, [CONTROLLER, '--config', path.join(folder, 'a.yaml'), 'add-person', '--name', 'ada', '--role', 'staff'], {
    env,
  });
  await until('both are healthy', async () => (await healthy(a)) && (await healthy(b)));

  const wagons = await enrol(mosquitto);
  await until('all are welcomed', () => wagons.every(({ uplink }) => uplink.connected));
  for (const wagon of wagons) {
    wagon.talk();
    wagon.send(20, 200_000);
  }
  await until('both have units', async () => {
    const [ofA, ofB] = [await metric(a, 'longroof_broker_connected'), await metric(b, 'longroof_broker_connected')];
    return ofA > 0 && ofB > 0 && ofA + ofB === UNITS;
  });
  const cookie = await signIn(a);
  const answer = await fetch(`${b.address}/api/units`, { headers: { cookie } });
  t.equal(((await answer.json()) as { units: unknown[] }).units.length, UNITS, 'signed in at one is signed in at the other');

  const killedMs = performance.now();
  await b.program.stop('SIGKILL');
  for (const wagon of wagons) wagon.send(10, 200_000);
  await until('one has them all', async () => (await metric(a, 'longroof_broker_connected')) === UNITS, 90_000);
  t.comment(`taken over ${((performance.now() - killedMs) / 1000).toFixed(1)} s after the kill`);
  await until('all is whole', () => wagons.every(({ spool }) => spool.acknowledgedNext > spool.records.length - 10));

  for (const wagon of wagons) wagon.send(10, 1_000_000);
  const again = await start('b', mosquitto);
  await until('both are healthy again', async () => (await healthy(a)) && (await healthy(again)));
  const outcomes = (await Promise.all(wagons.flatMap((wagon) => wagon.outcomes))).filter((outcome) => outcome !== 'stored');
  t.same(outcomes, [], 'every fragment has its receipt');
  for (const wagon of wagons) wagon.silence();
  await until('every journal is acknowledged', () => wagons.every((wagon) => wagon.whole));

  const ends = wagons.map(({ spool: { identity, records } }) => {
    const last = records.at(-1);
    return { unit: identity.unit, epoch: identity.epoch, next: records.length, head: last ? recordHash(last) : '' };
  });
  const { records, wrong } = compare(database, ends);
  t.same(wrong, []);
  t.comment(`${records} records, each once`);
  t.same(storedOnce(wagons), { rows: UNITS * 40, wrong: [] });
  t.equal(await a.program.stop('SIGTERM'), 0);
  t.equal(await again.program.stop('SIGTERM'), 0);
});
