/**
 * What the unit believes the wall time to be: whichever is less wrong of fresh GNSS time and of the system's clock as chrony or timesyncd keep
 * it; then the last of these, carried on, while that is better than the board's own clock. A clock that nobody keeps never goes back past
 * what was last believed or last written. A change of belief is an anchor: mono + offset = wall from then on. Pure but for the clock that it reads.
 */
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { type ClockAnchor, DRIFT_PPM, errorAt } from '@longroof/protocol/wall';
import type { Discipline } from './chrony.js';

/** gpsd tells a fix after the receiver has sent its sentences: up to so much later than it was true. */
const GNSS_ERROR_MS = 200;
const RTC_ERROR_MS = 10_000;
const UNKNOWN_ERROR_MS = 1e12;
/** A clock before this was never set. */
const EARLIEST_UTC_MS: UtcMs = Date.UTC(2026, 0, 1);
const LATEST_UTC_MS: UtcMs = Date.UTC(2100, 0, 1);
const GNSS_FRESH_MS = 10 * 60_000;
const WINDOW_FIXES = 60;
/** A smaller change of the offset is not worth a record. */
const STEP_MS = 25;

export interface WallClockOptions {
  clock: Clock;
  /** Who keeps the system's clock, and how well; undefined while nobody does. */
  disciplined: () => Discipline | undefined;
  /** What was last written: a clock that nobody keeps starts no earlier. */
  floorUtcMs?: UtcMs;
  onAnchor: (anchor: ClockAnchor) => void;
}

export class WallClock {
  readonly #options: WallClockOptions;
  #anchor: ClockAnchor | undefined;
  /** Offsets of the latest fixes: the largest is the one told with the least delay. */
  #offsets: number[] = [];
  #gnssMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  /** The last that somebody vouched for. */
  #kept: ClockAnchor | undefined;
  #keptNow = false;
  #floor: { monoMs: MonoMs; utcMs: UtcMs } | undefined;

  constructor(options: WallClockOptions) {
    this.#options = options;
    const { clock, floorUtcMs } = options;
    if (floorUtcMs !== undefined && floorUtcMs < LATEST_UTC_MS) this.#floor = { monoMs: clock.mono(), utcMs: floorUtcMs };
  }

  /** A fix read at `monoMs` that says it was `utcMs`. */
  noteGnss(monoMs: MonoMs, utcMs: UtcMs): void {
    // A receiver without an almanac tells dates of another week cycle.
    if (utcMs < EARLIEST_UTC_MS || utcMs > LATEST_UTC_MS) return;
    const offsetMs = utcMs - monoMs;
    const last = this.#offsets.at(-1);
    if (last !== undefined && Math.abs(offsetMs - last) > 2000) this.#offsets = [];
    this.#offsets.push(offsetMs);
    if (this.#offsets.length > WINDOW_FIXES) this.#offsets.shift();
    this.#gnssMonoMs = monoMs;
    this.tick();
  }

  /** To be called each second, so that a step of the system's clock is seen. */
  tick(): void {
    const monoMs = this.#options.clock.mono();
    const kept = this.#keep(monoMs);
    this.#keptNow = kept !== undefined;
    if (kept) this.#kept = kept;
    const next = kept ?? this.#carryOn(monoMs);
    this.#floor = { monoMs, utcMs: monoMs + next.offsetMs };
    const now = this.#anchor;
    const isAsGood = now && next.errorMs <= 2 * now.errorMs && now.errorMs <= 2 * next.errorMs;
    if (isAsGood && now.source === next.source && Math.abs(now.offsetMs - next.offsetMs) < STEP_MS) return;
    this.#anchor = next;
    this.#options.onAnchor(next);
  }

  claim(monoMs: MonoMs): WallClaim {
    if (!this.#anchor) this.tick();
    const anchor = this.#anchor as ClockAnchor;
    const errorMs = Math.ceil(errorAt(anchor, monoMs));
    return {
      utcMs: Math.round(monoMs + anchor.offsetMs),
      source: anchor.source,
      errorMs: this.#isSteady(anchor) ? anchor.errorMs : errorMs,
    };
  }

  /** A source that is heard all the time does not drift away from its anchor by more than a step. */
  #isSteady(anchor: ClockAnchor): boolean {
    if (anchor.source === 'gnss' && this.#options.clock.mono() - this.#gnssMonoMs < 30_000) return true;
    return anchor.source === 'rtc' || anchor.source === 'none' || this.#keptNow;
  }

  /** Time that somebody vouches for now. */
  #keep(monoMs: MonoMs): ClockAnchor | undefined {
    const gnss: ClockAnchor | undefined =
      monoMs - this.#gnssMonoMs < GNSS_FRESH_MS && this.#offsets.length > 0
        ? { atMonoMs: monoMs, offsetMs: Math.max(...this.#offsets), source: 'gnss', errorMs: GNSS_ERROR_MS }
        : undefined;
    const discipline = this.#options.disciplined();
    const utcMs = this.#options.clock.utc();
    if (!discipline || utcMs < EARLIEST_UTC_MS) return gnss;
    const { source, errorMs, name } = discipline;
    // A file that says "synchronised" measures nothing: GNSS is believed before it.
    return gnss && (name === '' || gnss.errorMs <= errorMs) ? gnss : { atMonoMs: monoMs, offsetMs: utcMs - monoMs, source, errorMs };
  }

  /** Nobody vouches for the time now. */
  #carryOn(monoMs: MonoMs): ClockAnchor {
    const kept = this.#kept;
    const keptErrorMs = kept ? Math.ceil(kept.errorMs + ((monoMs - kept.atMonoMs) * DRIFT_PPM) / 1e6) : Number.POSITIVE_INFINITY;
    if (kept && keptErrorMs < RTC_ERROR_MS) return { ...kept, atMonoMs: monoMs, errorMs: keptErrorMs };
    const floorUtcMs = this.#floor ? this.#floor.utcMs + (monoMs - this.#floor.monoMs) : Number.NEGATIVE_INFINITY;
    const utcMs = this.#options.clock.utc();
    const isSet = utcMs >= EARLIEST_UTC_MS && utcMs >= floorUtcMs - STEP_MS;
    if (isSet) return { atMonoMs: monoMs, offsetMs: utcMs - monoMs, source: 'rtc', errorMs: RTC_ERROR_MS };
    // A clock that was set back goes on as before; after a start nobody knows how much time has passed since the last that was written.
    const wasSet = this.#anchor !== undefined && this.#anchor.source !== 'none';
    if (wasSet) return { atMonoMs: monoMs, offsetMs: floorUtcMs - monoMs, source: 'rtc', errorMs: RTC_ERROR_MS };
    return { atMonoMs: monoMs, offsetMs: Math.max(utcMs, floorUtcMs) - monoMs, source: 'none', errorMs: UNKNOWN_ERROR_MS };
  }

  /** What is believed now, for whoever asks. */
  now(): WallClaim {
    return this.claim(this.#options.clock.mono());
  }
}
