/** The centre under fault: the real controller, as broker itself or as a client of a real mosquitto, its data on a small disk. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { freePort, runMosquitto, startMosquitto } from '../../ingest/mosquitto.js';
import { type Program, startProgram } from '../../peers/program.js';
import { bin } from '../../peers/wagon.js';
import { SmallDisk } from '../small-disk.js';
import { faultsLibrary } from '../wagon.js';
import { Cutter } from './cutter.js';
import { Restarted } from './programs.js';

const run = promisify(execFile);
const READY = /http:\/\/[^\s:]+:(\d+)\s+mqtts:\/\/[^\s:]+:(\d+)/;
const PASSWORD = 'a long test password';
const FILL_BYTES = 16 * 2 ** 20;

export type BrokerKind = 'embedded' | 'mosquitto';

export class FaultCentre {
  readonly folder: string;
  readonly authority: string;
  readonly disk: SmallDisk;
  readonly controller: Restarted;
  readonly broker: Restarted;
  /** Between the controller and mosquitto. */
  readonly link = new Cutter(() => this.#centrePort);
  kind: BrokerKind = 'embedded';
  #httpPort = 0;
  #ownPort = 0;
  #unitPort = 0;
  #centrePort = 0;
  #conf = '';
  #cookie = '';

  constructor(folder: string, diskMb: number) {
    this.folder = folder;
    this.authority = path.join(folder, 'authority');
    this.disk = new SmallDisk(diskMb);
    this.controller = new Restarted('controller', path.join(folder, 'controller.log'), () => this.#startController());
    this.broker = new Restarted('mosquitto', path.join(folder, 'mosquitto.log'), () => runMosquitto(this.#conf));
    this.faults('');
  }

  get data(): string {
    return path.join(this.disk.path, 'data');
  }

  /** Where a wagon's connection has to end. */
  get port(): number {
    return this.kind === 'embedded' ? this.#ownPort : this.#unitPort;
  }

  async prepare(): Promise<void> {
    this.#httpPort = await freePort();
    this.#ownPort = await freePort();
    await this.link.listen();
    this.#configure();
    const controller = [bin('controller', 'longroof-controller'), '--config', this.#file];
    const env = { ...process.env, LONGROOF_PASSWORD: PASSWORD };
    await run(process.execPath, [...controller, 'add-person', '--name', 'demo', '--role', 'staff'], { env });
    const { program, port, centrePort, conf } = await startMosquitto(this.folder, this.authority);
    await program.stop('SIGKILL');
    [this.#unitPort, this.#centrePort, this.#conf] = [port, centrePort, conf];
  }

  /** From now on, or from the next start of the controller. */
  async use(kind: BrokerKind): Promise<void> {
    await this.controller.stop('SIGTERM', 20_000);
    this.kind = kind;
    this.#configure();
    if (kind === 'mosquitto') await this.broker.start();
    else await this.broker.stop('SIGKILL');
    await this.controller.start();
  }

  /** Words of faults.c. */
  faults(words: string): void {
    fs.writeFileSync(path.join(this.folder, 'centre-faults'), words);
  }

  /** No byte is left on its disk; call again to keep it so. */
  fill(): void {
    const file = fs.openSync(path.join(this.disk.path, 'filler'), 'a');
    try {
      for (let bytes = FILL_BYTES; bytes >= 4096; ) {
        try {
          if (fs.writeSync(file, Buffer.alloc(bytes)) < bytes) bytes = Math.floor(bytes / 2);
        } catch {
          bytes = Math.floor(bytes / 2);
        }
      }
    } finally {
      fs.closeSync(file);
    }
  }

  unfill(): void {
    fs.rmSync(path.join(this.disk.path, 'filler'), { force: true });
  }

  query<T>(sql: string): T[] {
    const db = new Database(path.join(this.data, 'longroof.db'), { readonly: true, fileMustExist: true });
    try {
      return db.prepare(sql).all() as T[];
    } finally {
      db.close();
    }
  }

  /** As a person at the desk; signs in when it must. Throws what fetch throws while the controller is away. */
  async ask(route: string, body: object): Promise<{ status: number; json: Record<string, unknown> }> {
    const send = (where: string, what: object): Promise<Response> =>
      fetch(`http://127.0.0.1:${this.#httpPort}/api/${where}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: this.#cookie },
        body: JSON.stringify(what),
        signal: AbortSignal.timeout(20_000),
      });
    let answer = await send(route, body);
    if (answer.status === 401) {
      const session = await send('session', { user: 'demo', password: PASSWORD });
      this.#cookie = session.headers.getSetCookie()[0]?.split(';')[0] ?? '';
      answer = await send(route, body);
    }
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  }

  async close(): Promise<void> {
    await this.controller.stop('SIGKILL');
    await this.broker.stop('SIGKILL');
    await this.link.close();
    this.disk.remove();
  }

  get #file(): string {
    return path.join(this.folder, 'controller.yaml');
  }

  #configure(): void {
    const own = { host: '127.0.0.1', port: this.#ownPort, names: ['127.0.0.1', 'localhost'] };
    const config = {
      ...{ data: this.data, authority: this.authority, http: { host: '127.0.0.1', port: this.#httpPort } },
      mqtt: this.kind === 'embedded' ? own : { external: `mqtts://127.0.0.1:${this.link.port}` },
    };
    fs.writeFileSync(this.#file, JSON.stringify(config));
  }

  async #startController(): Promise<Program> {
    const faults = path.join(this.folder, 'centre-faults');
    const env = { LD_PRELOAD: faultsLibrary(), LONGROOF_FAULTS: faults, LONGROOF_FAULTS_UNDER: this.disk.path };
    const program = startProgram(process.execPath, [bin('controller', 'longroof-controller'), '--config', this.#file], { env });
    try {
      await program.says(READY);
    } catch (error) {
      await program.stop('SIGKILL');
      throw error;
    }
    return program;
  }
}
