/** One wagon under fault: cameras on the scripted server, the real agent as a program, and what its spool says at any moment. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeMedia, SMALL } from '../peers/media.js';
import { type Program, startProgram, until } from '../peers/program.js';
import { type RtspServer, startRtspServer } from '../peers/rtsp/server.js';
import { bin, journalRecords, prepareWagon, ROOT } from '../peers/wagon.js';
import { check } from './checks.js';
import { type Row, spoolRows } from './rows.js';

/** Between the first record of a run and the last opened stream, on a busy machine. */
const STREAMS_OPEN_MS = 500;

export interface FaultWagonOptions {
  cameras?: number;
  quota?: string;
  /** Put the spool there, e.g. on a small file system. */
  spool?: string;
  /** Each camera has a sub-stream too. */
  subs?: boolean;
  /** Without them it records only. */
  controller?: string;
  authority?: string;
}

export class FaultWagon {
  readonly folder: string;
  readonly spool: string;
  readonly server: RtspServer;
  readonly cameras: string[];
  readonly #faultsFile: string;
  #unitFile = '';
  agent: Program | undefined;

  static async make(options: FaultWagonOptions = {}): Promise<FaultWagon> {
    const cameras = Array.from({ length: options.cameras ?? 2 }, (_, i) => `cam-${i + 1}`);
    const files = [await makeMedia(SMALL)];
    const mounts = cameras.flatMap((camera) => (options.subs ? [camera, `${camera}-sub`] : [camera]));
    const server = await startRtspServer({ mounts: Object.fromEntries(mounts.map((name) => [name, { files }])), logMax: 10_000 });
    const wagon = new FaultWagon(server, cameras, options.spool);
    wagon.#unitFile = await prepareWagon({
      folder: wagon.folder,
      authority: options.authority ?? path.join(wagon.folder, 'authority'),
      quota: options.quota ?? '2GB',
      ...(options.controller ? { controller: options.controller } : {}),
      cameras: cameras.map((id) => ({ id, url: server.url(id), ...(options.subs ? { sub: server.url(`${id}-sub`) } : {}) })),
    });
    if (options.spool) wagon.configureSpool({ path: options.spool });
    return wagon;
  }

  private constructor(server: RtspServer, cameras: string[], spool: string | undefined) {
    this.server = server;
    this.cameras = cameras;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-fault-'));
    this.spool = spool ?? path.join(this.folder, 'spool');
    this.#faultsFile = path.join(this.folder, 'faults');
    this.faults('');
  }

  /** Words of faults.c: `errno=28`, `stall=3000`, `wall=86400000`; empty for none. */
  faults(words: string): void {
    fs.writeFileSync(this.#faultsFile, words);
  }

  start(): Program {
    this.agent = startProgram(process.execPath, [bin('edge-agent', 'longroof-agent'), '--config', this.#unitFile], { env: this.#env() });
    return this.agent;
  }

  #env(): Record<string, string> {
    return { LD_PRELOAD: faultsLibrary(), LONGROOF_FAULTS: this.#faultsFile, LONGROOF_FAULTS_UNDER: this.spool };
  }

  /** How far ahead a program of ours sees the wall clock: that the fault is there at all. */
  wallStepMs(): number {
    const seen = execFileSync(process.execPath, ['-p', 'Date.now()'], { env: { ...process.env, ...this.#env() }, encoding: 'utf8' });
    return Number(seen) - Date.now();
  }

  /** Changes what its unit.yaml says of the spool, for its next start. */
  configureSpool(change: Record<string, string>): void {
    const config = JSON.parse(fs.readFileSync(this.#unitFile, 'utf8')) as { spool: Record<string, string> };
    Object.assign(config.spool, change);
    fs.writeFileSync(this.#unitFile, JSON.stringify(config));
  }

  /** What /healthz of the running agent says. */
  async health(): Promise<{ status: number; problems: string }> {
    check(this.agent !== undefined, 'an agent runs');
    const [, port] = await this.agent.says(/"metricsPort":(\d+)/);
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    return { status: answer.status, problems: ((await answer.json()) as { problems: string[] }).problems.join('; ') };
  }

  /** Every camera has a durable fragment that ends later than `sinceMonoMs`. */
  async recordsSince(sinceMonoMs: number, withinMs = 20_000): Promise<void> {
    const recorded = (): boolean => {
      const rows = this.rows();
      return this.cameras.every((camera) => rows.some((row) => row.camera === camera && row.endMonoMs > sinceMonoMs));
    };
    await until(`all cameras record\n${this.agent?.output().slice(-3000)}`, () => recorded(), withinMs);
  }

  /** From when on every camera must be accounted for: the first run has begun and opened its streams. */
  accountableFromMonoMs(): number {
    const runs = journalRecords(this.spool).filter((record) => record['type'] === 'run');
    return Math.min(...runs.map((run) => run['monoMs'] as number)) + STREAMS_OPEN_MS;
  }

  rows(): Row[] {
    return spoolRows(this.spool);
  }

  gaps(): Gap[] {
    return journalRecords(this.spool)
      .filter((record) => record['type'] === 'gap')
      .map((record) => record['body'] as Gap);
  }

  async close(keep: boolean): Promise<void> {
    await this.agent?.stop('SIGTERM').catch(() => undefined);
    await this.server.close();
    if (!keep) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Gap {
  camera: string;
  rendition: string;
  fromMonoMs: number;
  durationMs: number;
  cause: string;
}

export function monoMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

let library: string | undefined;
export function faultsLibrary(): string {
  if (library) return library;
  const source = path.join(ROOT, 'test/fault/faults.c');
  const built = path.join(path.dirname(fileURLToPath(import.meta.url)), 'faults.so');
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', built, source, '-ldl']);
  library = built;
  return built;
}
