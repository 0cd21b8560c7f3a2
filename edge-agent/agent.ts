/**
 * Puts the agent together: spool, wall clock, recorder; positions, health and the uplink beside them. Starts in that order, stops in
 * reverse. While the disk does not let the spool be opened the agent runs, says so in /healthz, and waits.
 */
import type { Clock, Timer } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { checkReload, renditionsOf, type UnitConfig } from '@longroof/protocol/unit-config';
import { type Commander, createCommander } from './command/commander.js';
import type { RunAs } from './derive/low-child.js';
import type { StripMaker } from './derive/strip-maker.js';
import { runAsUser } from './derive/user.js';
import { type Endpoint, type HealthReport, openEndpoint } from './health/endpoint.js';
import { Gnss } from './health/gnss.js';
import { wasResetByWatchdog } from './health/reset-cause.js';
import { TrackLog } from './health/track-log.js';
import { WallClock } from './health/wall-clock.js';
import { openPatiently } from './open-patiently.js';
import { Power } from './power.js';
import { Recorder } from './recorder.js';
import type { SpoolOptions } from './spool/open.js';
import type { Spool } from './spool/spool.js';
import { retentionOf, startStrips } from './strips.js';
import { readLinkIdentity } from './uplink/identity.js';
import { createUplink, type Uplink } from './uplink/uplink.js';
import { VERSION } from './version.js';
import { Vitals } from './vitals.js';

export interface AgentOptions {
  config: UnitConfig;
  configSha256: string;
  clock: Clock;
  disk: Disk;
  log: Log;
}

/** A dead link may not keep what is in memory from the disk. */
const GOODBYE_MS = 700;
const HEALTH_MS = 5 * 60_000;
/** Longer than this the start waits for no disk: the agent runs, and goes on opening. */
const OPEN_MS = 10_000;
const GPSD_PORT = 2947;
const MQTTS_PORT = 8883;
/** systemd-timesyncd and chrony leave these while they keep the clock. */
const SYNCHRONISED_FILES = ['/run/systemd/timesync/synchronized', '/run/chrony/synchronized'];
const SYNCHRONISED_MS = 10_000;
/** Asks again only when the last answer is so old. */
function seldom(clock: Clock, everyMs: number, ask: () => boolean): () => boolean {
  let answer = false;
  let nextMonoMs = Number.NEGATIVE_INFINITY;
  return () => {
    const monoMs = clock.mono();
    if (monoMs >= nextMonoMs) {
      answer = ask();
      nextMonoMs = monoMs + everyMs;
    }
    return answer;
  };
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #timers: Timer[] = [];
  readonly #tracks = new TrackLog();
  #config: UnitConfig;
  #spool!: Spool;
  #wall!: WallClock;
  #recorder: Recorder | undefined;
  #vitals: Vitals | undefined;
  #gnss: Gnss | undefined;
  #power: Power | undefined;
  #endpoint: Endpoint | undefined;
  #uplink: Uplink | undefined;
  #commander: Commander | undefined;
  #strips: StripMaker | undefined;
  readonly #giveUp = new AbortController();
  #opening: Promise<void> | undefined;
  #openFault: Fault | undefined;

  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    await agent.#start();
    return agent;
  }

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** Takes on changed cameras; the others record on. Throws LR_CONFIG_RESTART where more has changed. */
  async reload(config: UnitConfig): Promise<{ started: string[]; stopped: string[] }> {
    checkReload(this.#config, config);
    this.#config = config;
    return this.#recorder?.apply(config.cameras) ?? { started: [], stopped: [] };
  }

  /** The port of /metrics and /healthz; undefined where none is configured. */
  get metricsPort(): number | undefined {
    return this.#endpoint?.port;
  }

  async stop(): Promise<void> {
    this.#giveUp.abort();
    await this.#opening;
    for (const timer of this.#timers) timer.cancel();
    this.#gnss?.stop();
    this.#power?.stop();
    await Promise.all([this.#commander?.stop(), this.#strips?.stop()]);
    const goodbye = this.#uplink?.stop();
    if (this.#recorder) await this.#endRecording(this.#recorder, goodbye);
    await this.#endpoint?.close();
  }

  async #endRecording(recorder: Recorder, goodbye: Promise<void> | undefined): Promise<void> {
    await recorder.stop();
    await Promise.race([goodbye, this.#options.clock.sleep(GOODBYE_MS)]);
    const points = this.#tracks.flush();
    if (points) this.#record('track', { points });
    await this.#spool.close();
  }

  /** Throws what waiting does not mend; a disk that refuses is waited for in the background. */
  async #start(): Promise<void> {
    const { clock, log } = this.#options;
    const { metrics } = this.#config;
    if (metrics) {
      const gauges = () => this.#vitals?.gauges() ?? [];
      this.#endpoint = await openEndpoint({ port: metrics.port, health: () => this.#report(), gauges });
    }
    let settled: (fault?: Fault) => void = () => undefined;
    const firstFault = new Promise<Fault | undefined>((resolve) => {
      settled = resolve;
    });
    const failed = (fault: Fault): void => {
      this.#openFault = fault;
      settled(fault);
    };
    const running = this.#run(clock.mono(), failed);
    await Promise.race([running, firstFault, clock.sleep(OPEN_MS, this.#giveUp.signal).catch(() => undefined)]);
    // What fails now fails in the background: an orderly end that says why, for the service manager to start anew.
    this.#opening = running.catch((error: unknown) => {
      if (this.#giveUp.signal.aborted) return;
      log.error({ error }, 'the agent cannot go on');
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });
  }

  #report(): HealthReport {
    if (this.#vitals) return this.#vitals.report();
    const why = this.#openFault;
    return {
      ok: false,
      problems: [why ? `the spool cannot be opened: ${why.message} (${why.code})` : 'the spool is being opened'],
      streams: {},
    };
  }

  #spoolOptions(): SpoolOptions {
    const { clock, disk, log } = this.#options;
    const config = this.#config;
    return {
      path: config.spool.path,
      quotaBytes: config.spool.quota,
      retention: retentionOf(config),
      enduranceBytes: config.spool.endurance,
      unit: config.unit,
      journalKeyPem: disk.readFile(`${config.identity}/journal.key`).toString('utf8'),
      version: VERSION,
      configSha256: this.#options.configSha256,
      cameras: config.cameras.map((camera) => ({ camera: camera.id, renditions: renditionsOf(camera) })),
      clock,
      log,
    };
  }

  async #run(runStartMonoMs: number, failed: (fault: Fault) => void): Promise<void> {
    const { clock, disk, log } = this.#options;
    this.#spool = await openPatiently(() => this.#spoolOptions(), { clock, log, signal: this.#giveUp.signal, failed });
    this.#wall = new WallClock({
      clock,
      synchronised: seldom(clock, SYNCHRONISED_MS, () => SYNCHRONISED_FILES.some((file) => disk.stat(file) !== undefined)),
      onAnchor: (anchor) => this.#spool.noteClock(anchor),
    });
    this.#wall.tick();
    this.#recorder = new Recorder({
      spool: this.#spool,
      clock,
      log,
      runStartMonoMs,
      claim: (monoMs) => this.#wall.claim(monoMs),
      changed: () => this.#statusChanged(),
    });
    const vitals = new Vitals(clock, this.#spool, this.#recorder);
    this.#vitals = vitals;
    // The cameras of now: they may have been changed while the spool was being opened.
    await this.#recorder.apply(this.#config.cameras);
    log.info({ cameras: this.#config.cameras.map((camera) => camera.id) }, 'recording');
    if (wasResetByWatchdog(disk)) this.#record('event', { event: 'watchdog-reset' });
    this.#startGnss();
    this.#startPower(this.#recorder);
    this.#startUplink();
    this.#startStrips(vitals);
    this.#timers.push(clock.every(1000, () => this.#wall.tick()));
    this.#timers.push(clock.every(HEALTH_MS, () => this.#record('health', vitals.record())));
  }

  #startGnss(): void {
    const { clock, log } = this.#options;
    const url = this.#config.gnss;
    if (!url) return;
    this.#gnss = new Gnss({
      host: url.hostname,
      port: url.port ? Number(url.port) : GPSD_PORT,
      clock,
      log,
      sink: {
        fix: (fix) => {
          this.#wall.noteGnss(fix.monoMs, fix.utcMs);
          const points = this.#tracks.take({ ...fix, ageMs: Math.max(0, this.#wall.claim(fix.monoMs).utcMs - fix.utcMs) });
          if (points) this.#record('track', { points });
        },
        available: (yes, why) => {
          log.info({ why }, yes ? 'positions come in' : 'no positions');
          this.#record('event', { event: yes ? 'gnss-fix' : 'gnss-lost', detail: { why } });
        },
      },
    });
    this.#gnss.start();
  }

  #startPower(recorder: Recorder): void {
    const { clock, log } = this.#options;
    const path = this.#config.board;
    if (path === undefined) return;
    this.#power = new Power({ path, spool: this.#spool, recorder, clock, log: log.child({ part: 'power' }) });
    this.#power.start();
  }

  #startUplink(): void {
    const { disk, log } = this.#options;
    const { controller, unit, identity, spool } = this.#config;
    if (!controller) return;
    const clock = this.#believedClock();
    this.#uplink = createUplink({
      config: { host: controller.hostname, port: controller.port ? Number(controller.port) : MQTTS_PORT, unit },
      identity: () => readLinkIdentity(disk, identity),
      spool: this.#spool,
      clock,
      log: log.child({ part: 'uplink' }),
      status: () => this.#recorder?.status() ?? {},
      version: VERSION,
    });
    const { counters } = this.#uplink;
    this.#vitals?.watchUplink(() => ({ ...counters, connected: counters.connected === 1 }));
    this.#commander = createCommander({
      uplink: this.#uplink,
      spool: this.#spool,
      disk,
      clock,
      log: log.child({ part: 'command' }),
      dir: spool.path,
      runAs: () => this.#runAs(),
    });
    this.#commander.start();
    this.#uplink.start();
  }

  #startStrips(vitals: Vitals): void {
    const strips = startStrips({
      config: () => this.#config,
      spool: this.#spool,
      clock: this.#believedClock(),
      log: this.#options.log.child({ part: 'strips' }),
      runAs: () => this.#runAs(),
    });
    if (strips) vitals.watchStrips(() => strips.counters);
    this.#strips = strips;
  }

  #runAs(): RunAs | undefined {
    return runAsUser(this.#options.disk, this.#config.media?.user, process.getuid?.());
  }

  /** The system's clock with the wall time that the unit believes: what the centre asks for is in true time, also where the board's clock is wrong. */
  #believedClock(): Clock {
    const { clock } = this.#options;
    return { ...clock, utc: () => this.#wall.claim(clock.mono()).utcMs };
  }

  #record(...[type, body]: Parameters<Spool['record']>): void {
    this.#spool.record(type, body).catch((error: unknown) => this.#options.log.error({ error, type }, 'a record was not written'));
  }

  #statusChanged(): void {
    this.#uplink?.statusChanged();
  }
}
