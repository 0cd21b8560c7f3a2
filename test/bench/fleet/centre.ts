/**
 * The centre of the fleet's bench: the real program, alone with its own broker, or twice on one data folder with a mosquitto between. Their
 * CPU and memory can be told apart; the broker can be killed and comes back on the same port.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort, type Mosquitto, runMosquitto, startMosquitto } from '../../ingest/mosquitto.js';
import { cpuSeconds, memoryBytes, type Program, startProgram, until } from '../../peers/program.js';
import { bin } from '../../peers/wagon.js';

export const BROKERS = ['embedded', 'mosquitto'] as const;
export type BrokerKind = (typeof BROKERS)[number];

const run = promisify(execFile);
const CONTROLLER = bin('controller', 'longroof-controller');
const READY = /^longroof-controller: (http:\/\/127\.0\.0\.1:\d+) mqtts:\/\/[^:\s]+:(\d+)$/m;
const PASSWORD = 'a long bench password';
const WORKERS = 2;
const READY_MS = 120_000;

export interface Usage {
  cpuS: number;
  rssMb: number;
}

export interface BenchCentre {
  /** Where units connect. */
  readonly port: number;
  readonly database: string;
  /** Of the first of them. */
  api(): { address: string; cookie: string };
  /** Controllers, and the broker where it is a program of its own. */
  usage(): { controllers: Usage; broker: Usage | undefined };
  /** Sums over the controllers of one counter of /metrics. */
  counter(name: string): Promise<number>;
  /** Killed, and started again; resolves when units can connect. */
  restartBroker(): Promise<void>;
  /** Whose work it is: the controllers. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

function usageOf(programs: readonly Program[]): Usage {
  const sum = (read: (pid: number) => number): number => programs.reduce((all, { pid }) => all + read(pid), 0);
  return { cpuS: sum(cpuSeconds), rssMb: sum((pid) => memoryBytes(pid).rssBytes) / 2 ** 20 };
}

class RealCentre implements BenchCentre {
  port = 0;
  readonly database: string;
  readonly #dir: string;
  readonly #authority: string;
  readonly #controllers: Program[] = [];
  #addresses: string[] = [];
  #cookie = '';
  #mosquitto: Mosquitto | undefined;

  constructor(dir: string, authority: string) {
    this.#dir = dir;
    this.#authority = authority;
    this.database = path.join(dir, 'data', 'longroof.db');
  }

  async start(kind: BrokerKind): Promise<void> {
    fs.mkdirSync(this.#dir, { recursive: true });
    if (kind === 'mosquitto') this.#mosquitto = await startMosquitto(this.#dir, this.#authority);
    this.port = this.#mosquitto?.port ?? (await freePort());
    const mqtt = this.#mosquitto
      ? { external: `mqtts://localhost:${this.#mosquitto.centrePort}` }
      : { host: '127.0.0.1', port: this.port, names: ['127.0.0.1'] };
    const config = { data: './data', authority: this.#authority, http: { host: '127.0.0.1', port: 0 }, mqtt, log: 'warn' };
    fs.writeFileSync(this.#file, JSON.stringify(config));
    const person = ['add-person', '--name', 'bench', '--role', 'staff'];
    await run(process.execPath, [CONTROLLER, '--config', this.#file, ...person], { env: { ...process.env, LONGROOF_PASSWORD: PASSWORD } });
    const count = kind === 'mosquitto' ? WORKERS : 1;
    for (let index = 0; index < count; index += 1) await this.#startController(index);
    await this.#heard();
    await this.#signIn();
  }

  get #file(): string {
    return path.join(this.#dir, 'controller.yaml');
  }

  async #startController(index: number): Promise<void> {
    const program = startProgram(process.execPath, [CONTROLLER, '--config', this.#file]);
    this.#controllers[index] = program;
    const [, address = ''] = await program.says(READY, READY_MS);
    this.#addresses[index] = address;
  }

  /** Every partition is heard by somebody, and shared. */
  async #heard(): Promise<void> {
    if (!this.#mosquitto) return;
    await until('the controllers hear the broker', () => this.#all(async (address) => (await fetch(`${address}/healthz`)).ok), READY_MS);
  }

  async #all(ask: (address: string) => Promise<boolean>): Promise<boolean> {
    return (await Promise.all(this.#addresses.map(ask))).every((yes) => yes);
  }

  async #signIn(): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ user: 'bench', password: PASSWORD });
    const answer = await fetch(`${this.#addresses[0]}/api/session`, { method: 'POST', headers, body });
    this.#cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  }

  api(): { address: string; cookie: string } {
    return { address: this.#addresses[0] as string, cookie: this.#cookie };
  }

  usage(): { controllers: Usage; broker: Usage | undefined } {
    return { controllers: usageOf(this.#controllers), broker: this.#mosquitto && usageOf([this.#mosquitto.program]) };
  }

  async counter(name: string): Promise<number> {
    let sum = 0;
    for (const address of this.#addresses) {
      const text = await (await fetch(`${address}/metrics`)).text();
      sum += Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1] ?? 0);
    }
    return sum;
  }

  get pids(): readonly number[] {
    return this.#controllers.map(({ pid }) => pid);
  }

  async restartBroker(): Promise<void> {
    if (this.#mosquitto) {
      await this.#mosquitto.program.stop('SIGKILL');
      this.#mosquitto.program = await runMosquitto(this.#mosquitto.conf);
      return;
    }
    await this.#controllers[0]?.stop('SIGKILL');
    await this.#startController(0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#controllers.map((program) => program.stop('SIGTERM').catch(() => undefined)));
    await this.#mosquitto?.program.stop();
  }
}

export async function startBenchCentre(dir: string, authority: string, kind: BrokerKind): Promise<BenchCentre> {
  const centre = new RealCentre(dir, authority);
  try {
    await centre.start(kind);
  } catch (error) {
    await centre.stop();
    throw error;
  }
  return centre;
}
