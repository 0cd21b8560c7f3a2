/**
 * Positions and time from gpsd over its socket. Every fix is told once, with its age and quality; a report that repeats the time of
 * the one before is no new fix. The connection is tried again without end.
 */
import net from 'node:net';
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { Fix } from '@longroof/protocol/track';
import { GPSD_LINE_BYTES_MAX, parseGpsdLine } from './gpsd-lines.js';

export interface GnssSink {
  /** A new fix; `fix.ageMs` is 0 here: the owner of the wall clock fills it in. */
  fix(fix: Fix): void;
  /** Positions begin or cease to come. */
  available(yes: boolean, why: string): void;
}

export interface GnssOptions {
  host: string;
  port: number;
  clock: Clock;
  log: Log;
  sink: GnssSink;
}

/** No report for so long: the connection is dead. gpsd reports each second while a receiver speaks. */
const SILENCE_MS = 15_000;
const WATCH = '?WATCH={"enable":true,"json":true};\n';

export class Gnss {
  readonly #options: GnssOptions;
  readonly #backoff = new Backoff({ firstMs: 1000, maxMs: 30_000 });
  #socket: net.Socket | undefined;
  #timer: Timer | undefined;
  #rest = '';
  #lastFixUtcMs = Number.NEGATIVE_INFINITY;
  #satellites: number | null = null;
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
    const { host, port, clock, log } = this.#options;
    const socket = net.connect({ host, port });
    this.#socket = socket;
    this.#rest = '';
    this.#heardMonoMs = clock.mono();
    const watchdog = clock.every(SILENCE_MS / 3, () => {
      if (clock.mono() - this.#heardMonoMs > SILENCE_MS) socket.destroy();
    });
    let why = 'gpsd closed the connection';
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(WATCH));
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      watchdog.cancel();
      if (this.#stopped) return;
      this.#tell(false, why);
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
    const report = parseGpsdLine(line);
    if (!report) return;
    this.#backoff.reset();
    if (report.kind === 'sky') this.#satellites = report.satellites;
    if (report.kind === 'none') this.#tell(false, 'the receiver has no fix');
    if (report.kind !== 'position' || report.utcMs === this.#lastFixUtcMs) return;
    this.#lastFixUtcMs = report.utcMs;
    this.#tell(true, 'fix');
    const { kind: _kind, ...position } = report;
    this.#options.sink.fix({ ...position, monoMs: this.#heardMonoMs, satellites: this.#satellites, ageMs: 0 });
  }

  #tell(yes: boolean, why: string): void {
    if (this.#available === yes) return;
    this.#available = yes;
    this.#options.sink.available(yes, why);
  }
}
