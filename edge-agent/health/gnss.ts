/**
 * Positions and time from gpsd over its socket. Every fix is told once, with its age and quality; a report that repeats the time of
 * the one before is no new fix. The connection is tried again without end.
 */
import net from 'node:net';
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { Fix } from '@longroof/protocol/track';
import { GPSD_LINE_BYTES_MAX, type GpsdReport, parseGpsdReports } from './gpsd-lines.js';
import { type ReceiverState, UNKNOWN_RECEIVER } from './receiver-state.js';

export interface GnssSink {
  /** A new fix; `fix.ageMs` is 0 here: the owner of the wall clock fills it in. */
  fix(fix: Fix): void;
  /** Positions begin or cease to come. */
  available(yes: boolean, why: string): void;
  /** What the receiver tells of antenna and jamming has changed. */
  receiver?(state: ReceiverState): void;
}

export interface GnssOptions {
  host: string;
  port: number;
  /** Also what the receiver says itself. */
  raw?: boolean;
  clock: Clock;
  log: Log;
  sink: GnssSink;
}

/** No report for so long: the connection is dead. gpsd reports each second while a receiver speaks. */
const SILENCE_MS = 15_000;
const WATCH = '?WATCH={"enable":true,"json":true};\n';
const WATCH_RAW = '?WATCH={"enable":true,"json":true,"raw":1};\n';

export class Gnss {
  readonly #options: GnssOptions;
  readonly #backoff = new Backoff({ firstMs: 1000, maxMs: 30_000 });
  #socket: net.Socket | undefined;
  #timer: Timer | undefined;
  #rest = '';
  #lastFixUtcMs = Number.NEGATIVE_INFINITY;
  #satellites: number | null = null;
  #receiver: ReceiverState = UNKNOWN_RECEIVER;
  #available: boolean | undefined;
  #heardMonoMs: MonoMs = 0;
  #stopped = true;

  constructor(options: GnssOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#socket?.destroy();
  }

  #connect(): void {
    const { host, port, raw, clock, log } = this.#options;
    const socket = net.connect({ host, port });
    this.#socket = socket;
    this.#rest = '';
    this.#heardMonoMs = clock.mono();
    const watchdog = clock.every(SILENCE_MS / 3, () => {
      if (clock.mono() - this.#heardMonoMs > SILENCE_MS) socket.destroy();
    });
    let why = 'gpsd closed the connection';
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(raw ? WATCH_RAW : WATCH));
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      watchdog.cancel();
      if (this.#stopped) return;
      this.#tell(false, why);
      this.#tellReceiver(UNKNOWN_RECEIVER);
      const retryMs = this.#backoff.nextMs();
      log.debug({ why, retryMs: Math.round(retryMs) }, 'gpsd is not there');
      this.#timer = clock.after(retryMs, () => this.#connect());
    });
  }

  #take(text: string): void {
    this.#heardMonoMs = this.#options.clock.mono();
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > GPSD_LINE_BYTES_MAX) this.#rest = '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    for (const report of parseGpsdReports(line)) this.#report(report);
  }

  #report(report: GpsdReport): void {
    this.#backoff.reset();
    if (report.kind === 'receiver') this.#tellReceiver({ ...this.#receiver, ...report.told });
    if (report.kind === 'sky') this.#satellites = report.satellites;
    if (report.kind === 'none') this.#tell(false, 'the receiver has no fix');
    if (report.kind !== 'position' || report.utcMs === this.#lastFixUtcMs) return;
    this.#lastFixUtcMs = report.utcMs;
    this.#tell(true, 'fix');
    const { kind: _kind, ...position } = report;
    this.#options.sink.fix({ ...position, monoMs: this.#heardMonoMs, satellites: this.#satellites, ageMs: 0 });
  }

  #tellReceiver(state: ReceiverState): void {
    const before = this.#receiver;
    this.#receiver = state;
    if (before.antenna !== state.antenna || before.jamming !== state.jamming) this.#options.sink.receiver?.(state);
  }

  #tell(yes: boolean, why: string): void {
    if (this.#available === yes) return;
    this.#available = yes;
    this.#options.sink.available(yes, why);
  }
}
