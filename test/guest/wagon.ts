/**
 * A wagon whose computer is a machine in QEMU: cameras on the host's scripted RTSP server, which the guest reaches as 10.0.2.2, programs, identity
 * and configuration on a disk of their own, an empty disk for the spool, and a centre on the host where one is wanted.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeMedia, SMALL } from '../peers/media.js';
import { type Program, startProgram } from '../peers/program.js';
import { type RtspServer, startRtspServer } from '../peers/rtsp/server.js';
import { bin, prepareWagon } from '../peers/wagon.js';
import { layOutApplication } from './application.js';
import { type GuestImage, makeDisk } from './image.js';

const run = promisify(execFile);
/** The host, seen from the guest. */
export const HOST = '10.0.2.2';
export const UNIT = 'wagon-1';
export const CAMERAS = ['front', 'rear'];
const READY = /http:\/\/[^\s:]+:(\d+)\s+mqtts:\/\/[^\s:]+:(\d+)/;
const CENTRE_MS = 120_000;
const PROGRAMS_MB = 128;

export interface Centre {
  program: Program;
  mqttPort: number;
  /** Of its page and API. */
  address: string;
  password: string;
}

const PASSWORD = 'a long test password';

export interface GuestWagon {
  cameras: RtspServer;
  config: string;
  centre: Centre | undefined;
  close(): Promise<void>;
}

async function startCentre(folder: string, authority: string): Promise<Centre> {
  const data = path.join(folder, 'data');
  const file = path.join(folder, 'controller.yaml');
  const config = {
    data,
    authority,
    http: { host: '127.0.0.1', port: 0 },
    mqtt: { host: '127.0.0.1', port: 0, names: [HOST, '127.0.0.1'] },
  };
  fs.writeFileSync(file, JSON.stringify(config));
  const controller = bin('controller', 'longroof-controller');
  const env = { ...process.env, LONGROOF_PASSWORD: PASSWORD };
  await run(process.execPath, [controller, '--config', file, 'add-person', '--name', 'demo', '--role', 'staff'], { env });
  const program = startProgram(process.execPath, [controller, '--config', file]);
  const [, http, mqtt] = await program.says(READY, CENTRE_MS);
  return { program, mqttPort: Number(mqtt), address: `http://127.0.0.1:${http}`, password: PASSWORD };
}

export interface GuestWagonOptions {
  folder: string;
  image: GuestImage;
  withCentre: boolean;
}

export async function prepareGuestWagon({ folder, image, withCentre }: GuestWagonOptions): Promise<GuestWagon> {
  const files = [await makeMedia(SMALL)];
  const cameras = await startRtspServer({ mounts: Object.fromEntries(CAMERAS.map((camera) => [camera, { files }])) });
  const authority = path.join(folder, 'authority');
  const centre = withCentre ? await startCentre(folder, authority) : undefined;
  const programs = path.join(folder, 'programs');
  const etc = path.join(programs, 'etc');
  fs.mkdirSync(etc, { recursive: true });
  await layOutApplication(programs);
  const unitFile = await prepareWagon({
    ...{ folder: etc, unit: UNIT, authority, quota: '100MB', board: 'unix:/run/longroof/board.sock', metricsPort: 9100 },
    ...(centre ? { controller: `mqtts://${HOST}:${centre.mqttPort}` } : {}),
    cameras: CAMERAS.map((id) => ({ id, url: cameras.url(id).replace(/(@|\/\/)127\.0\.0\.1:/, `$1${HOST}:`) })),
  });
  const unit = JSON.parse(fs.readFileSync(unitFile, 'utf8')) as { spool: { path: string } };
  unit.spool.path = '/srv/spool';
  fs.writeFileSync(unitFile, JSON.stringify(unit));
  fs.writeFileSync(path.join(etc, 'board.yaml'), JSON.stringify({ board: 'qemu-virt', guard: { flush: '20s', holdUp: '30s' } }));
  for (const name of fs.readdirSync(path.join(etc, 'identity')))
    fs.chownSync(path.join(etc, 'identity', name), image.owner.uid, image.owner.gid);
  fs.chownSync(path.join(etc, 'identity'), image.owner.uid, image.owner.gid);
  const config = path.join(folder, 'config.img');
  await makeDisk(config, programs, PROGRAMS_MB);
  fs.rmSync(programs, { recursive: true });
  return {
    ...{ cameras, config, centre },
    async close() {
      await cameras.close();
      await centre?.program.stop('SIGKILL');
    },
  };
}

/** An empty disk for a spool. */
export async function spoolDisk(folder: string, image: GuestImage, sizeMb: number): Promise<string> {
  const file = path.join(folder, 'spool.img');
  await makeDisk(file, undefined, sizeMb, image.owner);
  return file;
}
