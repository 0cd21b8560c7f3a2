/**
 * Puts the agent together: spool, wall clock, recorder; positions, health and the uplink beside them. Starts in that order, stops in
 * reverse. While the disk does not let the spool be opened the agent runs, says so in /healthz, and waits.
 */
import type { Clock, Timer } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { UnitConfig } from '@longroof/protocol/unit-config';
import type { CentreLink, StartCentreLink } from './centre-link.js';
import { keptSettings } from './command/configuration-keeper.js';
import { Configured } from './configured.js';
import type { RunAs } from './derive/low-child.js';
import type { StripMaker } from './derive/strip-maker.js';
import { runAsUser } from './derive/user.js';
import { firstFootage } from './first-footage.js';
import { type Endpoint, type HealthReport, openEndpoint } from './health/endpoint.js';
import { wasResetByWatchdog } from './health/reset-cause.js';
import { Marks, SpeedWatch } from './marks.js';
import { openPatiently, reportOfOpening } from './open-patiently.js';
import { Positions } from './positions.js';
import { Power } from './power.js';
import { Recorder } from './recorder.js';
import type { SpoolOptions } from './spool/open.js';
import type { Spool } from './spool/spool.js';
import { spoolOptionsOf } from './spool-options.js';
import { type AgentStatus, statusOf } from './status.js';
import { startStrips } from './strips.js';
import { startTime, type UnitTime } from './time.js';
import { SAMPLE_MS, Vitals } from './vitals.js';

export interface AgentOptions {
  config: UnitConfig;
  configSha256: string;
  clock: Clock;
  disk: Disk;
  log: Log;
  /** Of the spool, where one loads already. */
  thread?: SpoolOptions['thread'] | undefined;
}

/** A dead link may not keep what is in memory from the disk. */
const GOODBYE_MS = 700;
const HEALTH_MS = 5 * 60_000;
/** Longer than this the start waits for no disk: the agent runs, and goes on opening. */
const OPEN_MS = 10_000;
/** Holds of events that are over are let go. */
const LET_GO_MS = 3_600_000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #timers: Timer[] = [];
  readonly #configured: Configured;
  #spool!: Spool;
  #time!: UnitTime;
  #recorder: Recorder | undefined;
  #vitals: Vitals | undefined;
  #positions: Positions | undefined;
  #marks: Marks | undefined;
  #power: Power | undefined;
  #endpoint: Endpoint | undefined;
  #centre: CentreLink | undefined;
  #strips: StripMaker | undefined;
  readonly #giveUp = new AbortController();
  #opening: Promise<void> | undefined;
  #rest: Promise<void> | undefined;
  #openFault: Fault | undefined;

  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    await agent.#start();
    return agent;
  }

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.#configured = new Configured(options.config);
  }

  /** Takes on changed cameras; the others record on. Throws LR_CONFIG_RESTART where more has changed. */
  async reload(config: UnitConfig): Promise<{ started: string[]; stopped: string[] }> {
    this.#configured.changeFile(config);
    return this.#recorder?.apply(this.#config.cameras) ?? { started: [], stopped: [] };
  }

  /** With what the centre lays over the file. */
  get #config(): UnitConfig {
    return this.#configured.now;
  }

  /** The port of /metrics and /healthz; undefined where none is configured. */
  get metricsPort(): number | undefined {
    return this.#endpoint?.port;
  }

  async stop(): Promise<void> {
    this.#giveUp.abort();
    await this.#opening;
    await this.#rest;
    for (const timer of this.#timers) timer.cancel();
    this.#positions?.stop();
    this.#time?.stop();
    this.#power?.stop();
    await Promise.all([this.#centre?.commander.stop(), this.#strips?.stop()]);
    const goodbye = this.#centre?.uplink.stop().then(() => this.#centre?.links.budget?.end());
    if (this.#recorder) await this.#endRecording(this.#recorder, goodbye);
    await this.#endpoint?.close();
  }

  async #endRecording(recorder: Recorder, goodbye: Promise<void> | undefined): Promise<void> {
    await recorder.stop();
    await Promise.race([goodbye, this.#options.clock.sleep(GOODBYE_MS)]);
    const points = this.#positions?.flush();
    if (points) this.#record('track', { points });
    await this.#spool.close();
  }

  /** Throws what waiting does not mend; a disk that refuses is waited for in the background. */
  async #start(): Promise<void> {
    const { clock } = this.#options;
    const { metrics } = this.#config;
    if (metrics) {
      const gauges = () => this.#vitals?.gauges() ?? [];
      this.#endpoint = await openEndpoint({ port: metrics.port, health: () => this.#report(), status: () => this.#status(), gauges });
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
    this.#opening = this.#orEnd(running);
  }

  /** What fails in the background: an orderly end that says why, for the service manager to start anew. */
  #orEnd(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => {
      if (this.#giveUp.signal.aborted) return;
      this.#options.log.error({ error }, 'the agent cannot go on');
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });
  }

  #report(): HealthReport {
    if (this.#vitals) return this.#vitals.report();
    return reportOfOpening(this.#openFault);
  }

  #spoolOptions(): SpoolOptions {
    const { disk, log } = this.#options;
    this.#configured.restore(keptSettings(disk, this.#config.spool.path, log));
    return spoolOptionsOf(this.#options, this.#config);
  }

  #status(): AgentStatus | undefined {
    const [vitals, time] = [this.#vitals, this.#time];
    if (!vitals || !time) return undefined;
    return statusOf({
      ...{ unit: this.#config.unit, report: this.#report(), clock: this.#options.clock, spool: this.#spool, time, vitals },
      ...{ power: this.#power?.now, hasBoard: this.#config.board !== undefined, uplink: this.#centre?.uplink },
      ...{ positions: this.#positions?.state(), marks: this.#marks?.count ?? 0 },
    });
  }

  async #run(runStartMonoMs: number, failed: (fault: Fault) => void): Promise<void> {
    const { clock, disk, log } = this.#options;
    this.#spool = await openPatiently(() => this.#spoolOptions(), { clock, log, signal: this.#giveUp.signal, failed });
    this.#time = await startTime({ clock, disk, log, spool: this.#spool, chrony: this.#config.chrony });
    const { wall } = this.#time;
    this.#recorder = new Recorder({
      spool: this.#spool,
      clock,
      log,
      runStartMonoMs,
      claim: (monoMs) => wall.claim(monoMs),
      changed: () => this.#centre?.uplink.statusChanged(),
    });
    const vitals = new Vitals(clock, this.#spool, this.#recorder);
    this.#vitals = vitals;
    // The cameras of now: they may have been changed while the spool was being opened.
    await this.#recorder.apply(this.#config.cameras);
    this.#time.askKeeper();
    log.info({ cameras: this.#config.cameras.map((camera) => camera.id) }, 'recording');
    if (wasResetByWatchdog(disk)) this.#record('event', { event: 'watchdog-reset' });
    this.#startMarks();
    this.#startPositions();
    this.#startPower(this.#recorder);
    this.#rest = this.#orEnd(this.#startRest(vitals));
    this.#timers.push(clock.every(1000, () => wall.tick()));
    this.#timers.push(clock.every(SAMPLE_MS, () => void vitals.daysLeft));
    this.#timers.push(clock.every(HEALTH_MS, () => this.#record('health', vitals.record())));
  }

  async #startRest(vitals: Vitals): Promise<void> {
    const { clock, log } = this.#options;
    await firstFootage(this.#spool, clock, log, this.#giveUp.signal);
    const { startCentreLink } = await import('./centre-link.js');
    if (this.#giveUp.signal.aborted) return;
    this.#startUplink(vitals, startCentreLink);
    this.#startStrips(vitals);
  }

  #startMarks(): void {
    const { clock, log } = this.#options;
    const { wall } = this.#time;
    const cameras = (): string[] => this.#config.cameras.map(({ id }) => id);
    const marks = new Marks({
      ...{ spool: this.#spool, clock, log, config: this.#config.events, cameras },
      claim: (monoMs) => wall.claim(monoMs),
    });
    this.#marks = marks;
    const letGo = (): void => void marks.letGo().catch((error: unknown) => log.warn({ error }, 'holds that are over were not let go'));
    this.#timers.push(clock.every(LET_GO_MS, letGo));
  }

  #startPositions(): void {
    const { clock, log } = this.#options;
    const { gnss: url, receiver, events } = this.#config;
    if (!url) return;
    const fast = new SpeedWatch(events.speed.above);
    this.#positions = new Positions({
      ...{ url, receiver, clock, log, wall: this.#time.wall, lastFix: this.#time.lastFix },
      record: (...record) => this.#record(...record),
      speed: (speedMps, monoMs) => {
        if (speedMps !== null && fast.take(speedMps)) this.#mark('speed', monoMs, { value: speedMps });
      },
    });
    this.#positions.start();
  }

  #startPower(recorder: Recorder): void {
    const { clock, log } = this.#options;
    const path = this.#config.board;
    if (path === undefined) return;
    this.#power = new Power({
      ...{ path, spool: this.#spool, recorder, clock, log: log.child({ part: 'power' }) },
      wallUtcMs: () => this.#time.wall.now().utcMs,
      mark: (...mark) => this.#mark(...mark),
      rest: (isResting) => this.#centre?.uplink.rest(isResting),
    });
    this.#power.start();
  }

  #mark(...mark: Parameters<Marks['mark']>): void {
    this.#marks?.mark(...mark).catch((error: unknown) => this.#options.log.error({ error, kind: mark[0] }, 'an event was not marked'));
  }

  #startUplink(vitals: Vitals, startCentreLink: StartCentreLink): void {
    const { disk, log } = this.#options;
    const { controller } = this.#config;
    if (!controller) return;
    const centre = startCentreLink({
      ...{ config: this.#config, controller, spool: this.#spool, disk, clock: this.#believedClock(), log },
      systemUtc: () => this.#options.clock.utc(),
      status: () => this.#recorder?.status() ?? {},
      runAs: () => this.#runAs(),
      configure: async (settings) => {
        this.#configured.take(settings);
        await this.#recorder?.apply(this.#config.cameras);
      },
    });
    this.#centre = centre;
    if (this.#power?.now?.link === false) centre.uplink.rest(true);
    const { counters } = centre.uplink;
    vitals.watchUplink(() => ({ ...counters, connected: counters.connected === 1 }), centre.links);
  }

  #startStrips(vitals: Vitals): void {
    const strips = startStrips({
      config: () => this.#config,
      spool: this.#spool,
      clock: this.#believedClock(),
      log: this.#options.log.child({ part: 'strips' }),
      runAs: () => this.#runAs(),
      paused: () => this.#power?.isSaving === true,
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
    return { ...clock, utc: () => this.#time.wall.now().utcMs };
  }

  #record(...[type, body]: Parameters<Spool['record']>): void {
    this.#spool.record(type, body).catch((error: unknown) => this.#options.log.error({ error, type }, 'a record was not written'));
  }
}
