/**
 * The demo's data folder: configuration files, identities and the demo's own memory. What stands there from an earlier start is
 * kept: the authority, the units' identities, spools and the centre's store. Configuration files are written anew each time.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { BUDGET_WH } from './battery.js';
import { choosePorts } from './ports.js';

const run = promisify(execFile);

/** The repository, from `test/dist/demo`. */
export const ROOT = path.resolve(import.meta.dirname, '../../..');
export const PROGRAMS = {
  board: path.join(ROOT, 'firmware/bin/longroof-board.js'),
  agent: path.join(ROOT, 'edge-agent/bin/longroof-agent.js'),
  controller: path.join(ROOT, 'controller/bin/longroof-controller.js'),
  provision: path.join(ROOT, 'provisioning/bin/longroof-provision.js'),
  scenes: path.join(ROOT, 'test/demo/scenes.py'),
};
export const CAMERA_NAMES = ['front', 'rear', 'left', 'right', 'front-left', 'front-right', 'rear-left', 'rear-right'];
const YAW_DEG = [0, 180, -90, 90, -45, 45, -135, 135];
export const USER = 'demo';
const SPOOL_QUOTA = '4GB';

export interface DemoOptions {
  port: number;
  data: string;
  wagons: number;
  cameras: number;
  password?: string;
}

export interface Layout {
  folder: string;
  runningFile: string;
  password: string;
  units: { name: string; configFile: string; boardFile: string; boardSocket: string; gpsdPort: number; nmeaPort: number }[];
  controllerConfigFile: string;
  scenesPort: number;
  logFile(name: string): string;
}

interface Memory {
  password?: string;
  ports?: Record<string, number>;
}

function readMemory(file: string): Memory {
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Memory) : {};
}

function writePrivate(file: string, text: string): void {
  fs.writeFileSync(file, text, { mode: 0o600 });
}

function unitYaml(unit: string, options: DemoOptions, folder: string, ports: Record<string, number>): string {
  const cameras = CAMERA_NAMES.slice(0, options.cameras).map((camera, index) => {
    const url = `rtsp://127.0.0.1:${ports['scenes']}/${unit}/${camera}`;
    return [
      `  - id: ${camera}`,
      `    url: ${url}`,
      `    sub: ${url}/sub`,
      `    mount: { yawDeg: ${YAW_DEG[index]}, fovDeg: 100, rangeM: 60 }`,
    ].join('\n');
  });
  return `unit: ${unit}
controller: mqtts://127.0.0.1:${ports['mqtt']}
identity: ${JSON.stringify(path.join(folder, 'identity'))}
spool:
  path: ${JSON.stringify(path.join(folder, 'spool'))}
  quota: ${SPOOL_QUOTA}
gnss: gpsd://127.0.0.1:${ports[`gpsd-${unit}`]}
metrics: { port: ${ports[`metrics-${unit}`]} }
board: "unix:${boardSocket(options, unit)}"
events: { ignition: { hold: false }, braking: { before: 10s, after: 30s, keep: 1h } }
cameras:
${cameras.join('\n')}
`;
}

/** In a folder of its own: paths of sockets have 107 bytes at most, and the data folder may lie deep. */
function boardSocket({ data }: DemoOptions, unit: string): string {
  const name = createHash('sha256').update(path.resolve(data)).digest('hex').slice(0, 12);
  return path.join(os.tmpdir(), `longroof-demo-${name}`, `${unit}.sock`);
}

/** A battery so small, and times so short, that a stop of the route shows every state. */
function boardYaml(options: DemoOptions, unit: string, folder: string): string {
  return `board: sim
socket: ${JSON.stringify(boardSocket(options, unit))}
memory: ${JSON.stringify(path.join(folder, 'power.json'))}
guard:
  { grace: 20s, smooth: 5s, flush: 5s, budgetWh: ${BUDGET_WH}, reserveWh: 0.1, shedEvery: 10s, contactEvery: 60s, contactFor: 20s,
    shed: [{ usedWh: 0.35, proxies: true }] }
`;
}

function controllerYaml(options: DemoOptions, folder: string, mqttPort: number): string {
  return `data: ${JSON.stringify(path.join(folder, 'data'))}
authority: ${JSON.stringify(path.join(folder, 'authority'))}
http: { host: 127.0.0.1, port: ${options.port} }
mqtt: { host: 127.0.0.1, port: ${mqttPort}, names: [127.0.0.1, localhost] }
`;
}

/** Makes the folder ready. `say` tells of steps that take long or happen only once. */
export async function prepare(options: DemoOptions, say: (text: string) => void): Promise<Layout> {
  const folder = path.resolve(options.data);
  const within = (...parts: string[]): string => path.join(folder, ...parts);
  for (const one of [folder, within('logs'), within('controller')]) fs.mkdirSync(one, { recursive: true, mode: 0o700 });
  const names = Array.from({ length: options.wagons }, (_, index) => `wagon-${index + 1}`);
  const memoryFile = within('demo.json');
  const memory = readMemory(memoryFile);
  const ports = await choosePorts(
    [
      { name: 'scenes', kind: 'tcp' as const },
      { name: 'mqtt', kind: 'tcp' as const },
      ...names.flatMap((unit) => [
        { name: `gpsd-${unit}`, kind: 'tcp' as const },
        { name: `metrics-${unit}`, kind: 'tcp' as const },
        { name: `nmea-${unit}`, kind: 'udp' as const },
      ]),
    ],
    memory.ports ?? {},
  );
  const password = options.password ?? memory.password ?? randomBytes(9).toString('base64url');
  writePrivate(memoryFile, JSON.stringify({ password, ports: { ...memory.ports, ...ports } }, null, 1));

  const controllerConfigFile = within('controller', 'controller.yaml');
  writePrivate(controllerConfigFile, controllerYaml(options, within('controller'), ports['mqtt']!));
  for (const unit of names) await prepareUnit(unit, options, within(unit), within('controller', 'authority'), ports, say);
  return {
    folder,
    runningFile: within('running.json'),
    password,
    controllerConfigFile,
    scenesPort: ports['scenes']!,
    units: names.map((name) => ({
      name,
      configFile: within(name, 'unit.yaml'),
      boardFile: within(name, 'board.yaml'),
      boardSocket: boardSocket(options, name),
      gpsdPort: ports[`gpsd-${name}`]!,
      nmeaPort: ports[`nmea-${name}`]!,
    })),
    logFile: (name) => within('logs', `${name}.log`),
  };
}

async function prepareUnit(
  unit: string,
  options: DemoOptions,
  folder: string,
  authority: string,
  ports: Record<string, number>,
  say: (text: string) => void,
): Promise<void> {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  writePrivate(path.join(folder, 'unit.yaml'), unitYaml(unit, options, folder, ports));
  writePrivate(path.join(folder, 'board.yaml'), boardYaml(options, unit, folder));
  fs.mkdirSync(path.dirname(boardSocket(options, unit)), { recursive: true, mode: 0o700 });
  // Each start begins with a full battery, and so with every camera recording.
  fs.rmSync(path.join(folder, 'power.json'), { force: true });
  if (fs.existsSync(path.join(folder, 'identity', 'unit.key'))) return;
  say(`${unit}: enrolling (keys and certificate from the fleet's authority)`);
  await run(process.execPath, [
    PROGRAMS.provision,
    'enrol',
    '--authority',
    authority,
    '--unit',
    unit,
    '--out',
    path.join(folder, 'identity'),
  ]);
}

/** Gives the demo's person this start's password. */
export async function preparePerson(layout: Layout): Promise<void> {
  await run(
    process.execPath,
    [PROGRAMS.controller, '--config', layout.controllerConfigFile, 'add-person', '--name', USER, '--role', 'staff'],
    { env: { ...process.env, LONGROOF_PASSWORD: layout.password } },
  );
}
