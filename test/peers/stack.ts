/**
 * All of Longroof for one test: scripted cameras, a wagon's recorder, the centre, each the real program over mutual TLS on loopback.
 * Every part can be stopped and started again on its own; `close` leaves no process and, where the folder was made here, no file.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeMedia, SMALL } from './media.js';
import { PATIENCE_MS, type Program, startProgram } from './program.js';
import { type RtspServer, startRtspServer } from './rtsp/server.js';
import type { MountSpec } from './rtsp/spec.js';
import { bin, prepareWagon } from './wagon.js';

const run = promisify(execFile);

export interface StackOptions {
  unit?: string;
  /** By camera's name, what it sends; `NAME/sub` is the sub-stream of NAME. Default: front and rear, small H.264, with sub-streams. */
  mounts?: Record<string, MountSpec>;
  /** Where everything is kept; default a new temporary folder, gone with the stack. */
  folder?: string;
  /** Names of staff; all have the same password. Default `demo`. */
  people?: string[];
  quota?: string;
  /** Strips are made. */
  strips?: boolean;
  /** A program and its arguments that starts the agent: `taskset -c 0`. */
  agentUnder?: readonly string[];
}

export interface Stack {
  readonly unit: string;
  readonly folder: string;
  readonly people: readonly string[];
  readonly password: string;
  /** The page, `http://127.0.0.1:PORT`; stays the same over a restart of the centre. */
  readonly address: string;
  readonly cameras: RtspServer;
  controller(): Program;
  agent(): Program;
  startController(): Promise<void>;
  /** With more in its environment than this process has. */
  startAgent(env?: Record<string, string>): void;
  close(): Promise<void>;
}

const PASSWORD = 'a long test password';
/** What the centre prints once it listens. */
const READY = /http:\/\/[^\s:]+:(\d+)\s+mqtts:\/\/[^\s:]+:(\d+)/;

async function defaultMounts(): Promise<Record<string, MountSpec>> {
  const main = await makeMedia({ ...SMALL, width: 640, height: 360 });
  const sub = await makeMedia(SMALL);
  return { front: { files: [main] }, 'front/sub': { files: [sub] }, rear: { files: [main] }, 'rear/sub': { files: [sub] } };
}

class RealStack implements Stack {
  readonly unit: string;
  readonly folder: string;
  readonly people: readonly string[];
  readonly password = PASSWORD;
  readonly cameras: RtspServer;
  readonly #options: StackOptions;
  #httpPort = 0;
  #mqttPort = 0;
  #unitFile = '';
  #controller: Program | undefined;
  #agent: Program | undefined;

  constructor(options: StackOptions, folder: string, cameras: RtspServer) {
    this.#options = options;
    this.unit = options.unit ?? 'wagon-1';
    this.people = options.people ?? ['demo'];
    this.folder = folder;
    this.cameras = cameras;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#httpPort}`;
  }

  controller(): Program {
    if (!this.#controller) throw new Error('the centre was not started');
    return this.#controller;
  }

  agent(): Program {
    if (!this.#agent) throw new Error('the agent was not started');
    return this.#agent;
  }

  get #controllerFile(): string {
    return path.join(this.folder, 'controller.yaml');
  }

  get #authority(): string {
    return path.join(this.folder, 'authority');
  }

  #writeController(): void {
    const config = {
      data: './data',
      authority: './authority',
      http: { host: '127.0.0.1', port: this.#httpPort },
      mqtt: { host: '127.0.0.1', port: this.#mqttPort, names: ['127.0.0.1', 'localhost'] },
    };
    // JSON is YAML.
    fs.writeFileSync(this.#controllerFile, JSON.stringify(config, null, 2));
  }

  async prepare(): Promise<void> {
    this.#writeController();
    for (const name of this.people) {
      await run(
        process.execPath,
        [bin('controller', 'longroof-controller'), '--config', this.#controllerFile, 'add-person', '--name', name, '--role', 'staff'],
        { cwd: this.folder, env: { ...process.env, LONGROOF_PASSWORD: PASSWORD } },
      );
    }
  }

  async startController(): Promise<void> {
    const args = [bin('controller', 'longroof-controller'), '--config', this.#controllerFile];
    this.#controller = startProgram(process.execPath, args, { cwd: this.folder });
    const [, http, mqtt] = await this.#controller.says(READY, 2 * PATIENCE_MS);
    this.#httpPort = Number(http);
    this.#mqttPort = Number(mqtt);
    // The next start takes the same ports: the wagon and the browser know them.
    this.#writeController();
  }

  async prepareUnit(): Promise<void> {
    const names = Object.keys(this.#options.mounts ?? (await defaultMounts()));
    this.#unitFile = await prepareWagon({
      folder: path.join(this.folder, this.unit),
      unit: this.unit,
      authority: this.#authority,
      controller: `mqtts://127.0.0.1:${this.#mqttPort}`,
      ...(this.#options.quota ? { quota: this.#options.quota } : {}),
      ...(this.#options.strips ? { media: { strips: true } } : {}),
      cameras: names
        .filter((name) => !name.endsWith('/sub'))
        .map((id) => ({
          id,
          url: this.cameras.url(id),
          ...(names.includes(`${id}/sub`) ? { sub: this.cameras.url(`${id}/sub`) } : {}),
        })),
    });
  }

  startAgent(env: Record<string, string> = {}): void {
    const [program = process.execPath, ...args] = [...(this.#options.agentUnder ?? []), process.execPath];
    this.#agent = startProgram(program, [...args, bin('edge-agent', 'longroof-agent'), '--config', this.#unitFile], { env });
  }

  async close(): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    await this.#controller?.stop('SIGKILL');
    await this.cameras.close();
    if (this.#options.folder === undefined) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Resolves when the centre listens and the agent has been started; recording begins shortly after. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const folder = options.folder ?? fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-stack-'));
  fs.mkdirSync(path.join(folder, options.unit ?? 'wagon-1'), { recursive: true });
  const cameras = await startRtspServer({ mounts: options.mounts ?? (await defaultMounts()) });
  const stack = new RealStack(options, folder, cameras);
  try {
    await stack.prepare();
    await stack.startController();
    await stack.prepareUnit();
    stack.startAgent();
  } catch (error) {
    await stack.close();
    throw error;
  }
  return stack;
}
