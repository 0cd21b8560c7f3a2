/** The demo's parts, their order and their end. Cameras and receivers first, then the centre, then the wagons; back in reverse. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { UnitShape } from '@longroof/controller/api/shapes';
import { BatteryFeed } from './battery.js';
import { Child, type ChildSpec } from './child.js';
import { GnssFeed } from './gnss.js';
import { type DemoOptions, type Layout, PROGRAMS, prepare, preparePerson, USER } from './layout.js';
import { tryPort } from './ports.js';
import { clearLeftovers, forgetRunning, noteRunning } from './running.js';

const RECORDING_WITHIN_MS = 60_000;
/** Of the 5 s that a stop may take. */
const STOP_WAGONS_MS = 3000;
const STOP_REST_MS = 1500;

export class Demo {
  readonly #options: DemoOptions;
  readonly #say: (text: string) => void;
  #layout: Layout | undefined;
  #feed: GnssFeed | undefined;
  #batteries: BatteryFeed | undefined;
  #wagons: Child[] = [];
  #rest: Child[] = [];
  #stopping = false;

  constructor(options: DemoOptions, say: (text: string) => void) {
    this.#options = options;
    this.#say = say;
  }

  get password(): string {
    return this.#layout?.password ?? '';
  }

  get folder(): string {
    return this.#layout?.folder ?? '';
  }

  /** Resolves with the page's address once every camera records at the centre. Throws what the person in front can act on. */
  async start(): Promise<string> {
    const { port, data } = this.#options;
    const runningFile = `${data}/running.json`;
    const left = await clearLeftovers(runningFile);
    if (left > 0) this.#say(`ended ${left} processes that an earlier start had left behind`);
    if ((await tryPort(port)) === undefined) throw new Error(`port ${port} is taken; give another with --port`);
    const layout = await prepare(this.#options, this.#say);
    this.#layout = layout;
    await this.#startPeers(layout);
    await preparePerson(layout);
    this.#say('centre: starting');
    await this.#launch(this.#rest, {
      name: 'controller',
      command: process.execPath,
      args: [PROGRAMS.controller, '--config', layout.controllerConfigFile],
      logFile: layout.logFile('controller'),
      ready: /^longroof-controller: http/m,
    });
    for (const { name, boardFile } of layout.units) {
      const args = [PROGRAMS.board, '--config', boardFile];
      const spec = { name: `board of ${name}`, command: process.execPath, args, logFile: layout.logFile(`board-${name}`) };
      await this.#launch(this.#rest, { ...spec, ready: /"msg":"ready"/ });
    }
    this.#batteries = new BatteryFeed(layout.units.map(({ boardSocket }, index) => ({ wagon: index + 1, socket: boardSocket })));
    for (const { name, configFile } of layout.units) {
      this.#say(`${name}: starting its recorder`);
      const args = [PROGRAMS.agent, '--config', configFile];
      await this.#launch(this.#wagons, { name, command: process.execPath, args, logFile: layout.logFile(name) });
    }
    const address = `http://127.0.0.1:${port}`;
    await this.#untilRecording(address, layout);
    return address;
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#say('stopping');
    this.#feed?.stop();
    this.#batteries?.stop();
    await Promise.all(this.#wagons.map((child) => child.stop(STOP_WAGONS_MS)));
    await Promise.all(this.#rest.map((child) => child.stop(STOP_REST_MS)));
    if (this.#layout) forgetRunning(this.#layout.runningFile);
  }

  async #startPeers(layout: Layout): Promise<void> {
    const { wagons, cameras } = this.#options;
    this.#say(`cameras: ${wagons * cameras} staged, each with a main and a sub-stream`);
    const scenes = await this.#launch(this.#rest, {
      name: 'cameras',
      // The interpreter that Debian's GStreamer bindings are made for; another one may come first on the path.
      command: fs.existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3',
      args: [PROGRAMS.scenes, '--port', String(layout.scenesPort), '--wagons', String(wagons), '--cameras', String(cameras)],
      env: { PYTHONDONTWRITEBYTECODE: '1' },
      logFile: layout.logFile('cameras'),
      ready: /"port"/,
      stdin: true,
    });
    for (const { name, gpsdPort, nmeaPort } of layout.units) {
      const args = ['-N', '-n', '-S', String(gpsdPort), `udp://127.0.0.1:${nmeaPort}`];
      await this.#launch(this.#rest, { name: `gpsd of ${name}`, command: gpsdProgram(), args, logFile: layout.logFile(`gpsd-${name}`) });
    }
    const targets = layout.units.map(({ name, nmeaPort }, index) => ({ wagon: index + 1, unit: name, nmeaPort }));
    this.#feed = new GnssFeed(targets, (line) => scenes.tell(line));
    this.#feed.start();
  }

  async #launch(group: Child[], spec: ChildSpec): Promise<Child> {
    if (this.#stopping) throw new Error('stopped while it was starting');
    const child = new Child(spec, this.#say, () => this.#note());
    group.push(child);
    await child.start();
    return child;
  }

  #note(): void {
    if (!this.#layout) return;
    const pids = [...this.#wagons, ...this.#rest].map((child) => child.pid).filter((pid) => pid !== undefined);
    noteRunning(this.#layout.runningFile, pids);
  }

  /** Asks the centre, as its page would, until all cameras record; says what is missing when that takes too long. */
  async #untilRecording(address: string, layout: Layout): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ user: USER, password: layout.password });
    const session = await fetch(`${address}/api/session`, { method: 'POST', headers, body });
    if (!session.ok) throw new Error(`the centre does not let ${USER} in: ${session.status} ${await session.text()}`);
    const cookie = session.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ');
    const endMs = performance.now() + RECORDING_WITHIN_MS;
    const told = new Set<string>();
    let units: UnitShape[] = [];
    while (!this.#stopping && performance.now() < endMs) {
      const answer = await fetch(`${address}/api/units`, { headers: { cookie } });
      if (answer.ok) ({ units } = (await answer.json()) as { units: UnitShape[] });
      for (const unit of units) {
        if (unit.state !== 'recording' || told.has(unit.id)) continue;
        told.add(unit.id);
        this.#say(`${unit.id}: ${unit.cameras.length} cameras record`);
      }
      if (layout.units.every(({ name }) => told.has(name))) break;
      await delay(500);
    }
    if (this.#stopping) return;
    const waiting = layout.units.filter(({ name }) => !told.has(name)).map(({ name }) => name);
    if (waiting.length > 0) this.#say(`not all cameras record yet: ${waiting.join(', ')}; see ${layout.folder}/logs and the page`);
    await fetch(`${address}/api/session`, { method: 'DELETE', headers: { cookie } });
  }
}

function gpsdProgram(): string {
  return fs.existsSync('/usr/sbin/gpsd') ? '/usr/sbin/gpsd' : 'gpsd';
}
