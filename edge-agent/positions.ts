/**
 * Positions of the unit: fixes from gpsd to `track` records, with heading and with jumps flagged; what the receiver tells of its antenna and of
 * jamming to events; and the speed that an event may be made of. No fix is told twice, and none is given for the place of now once it is old.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { Fix } from '@longroof/protocol/track';
import { Gnss } from './health/gnss.js';
import { HeadingKeeper, headingFrom } from './health/heading.js';
import { jumpOf } from './health/jumps.js';
import { type ReceiverState, UNKNOWN_RECEIVER } from './health/receiver-state.js';
import { RECEIVERS, type ReceiverName } from './health/receivers.js';
import { TrackLog } from './health/track-log.js';
import type { WallClock } from './health/wall-clock.js';
import type { Spool } from './spool/spool.js';

const GPSD_PORT = 2947;

export interface PositionsOptions {
  url: URL;
  receiver: ReceiverName;
  clock: Clock;
  log: Log;
  wall: WallClock;
  record: (...args: Parameters<Spool['record']>) => void;
  /** The last that an earlier run wrote. */
  lastFix: Fix | undefined;
  /** Each fix that is no jump, in metres a second; null where the receiver does not say. */
  speed: (speedMps: number | null, monoMs: MonoMs) => void;
}

export interface PositionState {
  /** Positions come in. */
  available: boolean;
  receiver: ReceiverState;
  last?: Fix;
  jumps: number;
}

export class Positions {
  readonly #options: PositionsOptions;
  readonly #gnss: Gnss;
  readonly #tracks = new TrackLog();
  #heading: HeadingKeeper | undefined;
  readonly #state: PositionState = { available: false, receiver: UNKNOWN_RECEIVER, jumps: 0 };

  constructor(options: PositionsOptions) {
    this.#options = options;
    const { url, clock, log, record } = options;
    const profile = RECEIVERS[options.receiver];
    this.#gnss = new Gnss({
      host: url.hostname,
      port: url.port ? Number(url.port) : GPSD_PORT,
      raw: profile.raw,
      clock,
      log,
      sink: {
        fix: (fix) => this.#fix(fix),
        available: (yes, why) => {
          this.#state.available = yes;
          log.info({ why }, yes ? 'positions come in' : 'no positions');
          record('event', { event: yes ? 'gnss-fix' : 'gnss-lost', detail: { why } });
        },
        receiver: (state) => {
          this.#state.receiver = state;
          log.info({ ...state }, 'the receiver tells of antenna and jamming');
          record('event', { event: 'gnss-receiver', detail: { ...state } });
        },
      },
    });
  }

  start(): void {
    this.#gnss.start();
  }

  stop(): void {
    this.#gnss.stop();
  }

  /** Points of a last record. */
  flush(): number[][] | undefined {
    return this.#tracks.flush();
  }

  state(): Readonly<PositionState> {
    return this.#state;
  }

  #fix(told: Fix): void {
    const { wall, record, log, speed } = this.#options;
    const jump = jumpOf(this.#state.last, told);
    // Who may not be where it says may not set the clock either.
    if (!jump) wall.noteGnss(told.monoMs, told.utcMs);
    const fix: Fix = { ...told, ageMs: Math.max(0, wall.claim(told.monoMs).utcMs - told.utcMs) };
    this.#heading ??= new HeadingKeeper(RECEIVERS[this.#options.receiver].courseErrorDeg, headingFrom(this.#options.lastFix, told));
    const heading = jump ? undefined : this.#heading.take(told);
    if (heading) fix.heading = heading;
    if (jump) {
      fix.jump = true;
      this.#state.jumps += 1;
      const detail = { why: jump.why, distanceM: Math.round(jump.distanceM), seconds: jump.seconds };
      log.warn(detail, 'the position jumped as no wagon can');
      record('event', { event: 'gnss-jump', detail });
    } else speed(told.speedMps, told.monoMs);
    this.#state.last = fix;
    const points = this.#tracks.take(fix);
    if (points) record('track', { points });
  }
}
