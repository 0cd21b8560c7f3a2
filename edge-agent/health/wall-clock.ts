/**
 * What the unit believes the wall time to be. GNSS time wins while it is fresh; else the system clock counts, as NTP where the system
 * says that it is synchronised, as the board's own clock where not. A change of belief is an anchor: mono + offset = wall from then on.
 * Pure but for the clock that it reads.
 */
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { type ClockAnchor, DRIFT_PPM } from '@longroof/protocol/wall';

/** gpsd tells a fix after the receiver has sent its sentences: up to so much later than it was true. */
const GNSS_ERROR_MS = 200;
const NTP_ERROR_MS = 100;
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
  /** True while the system's clock is disciplined. */
  synchronised: () => boolean;
  onAnchor: (anchor: ClockAnchor) => void;
}

export class WallClock {
  readonly #options: WallClockOptions;
  #anchor: ClockAnchor | undefined;
  /** Offsets of the latest fixes: the largest is the one told with the least delay. */
  #offsets: number[] = [];
  #gnssMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(options: WallClockOptions) {
    this.#options = options;
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
    const next = this.#believe(this.#options.clock.mono());
    const now = this.#anchor;
    if (now && now.source === next.source && Math.abs(now.offsetMs - next.offsetMs) < STEP_MS) return;
    this.#anchor = next;
    this.#options.onAnchor(next);
  }

  claim(monoMs: MonoMs): WallClaim {
    if (!this.#anchor) this.tick();
    const anchor = this.#anchor as ClockAnchor;
    const errorMs = Math.ceil(anchor.errorMs + (Math.abs(monoMs - anchor.atMonoMs) * DRIFT_PPM) / 1e6);
    return {
      utcMs: Math.round(monoMs + anchor.offsetMs),
      source: anchor.source,
      errorMs: this.#isSteady(anchor) ? anchor.errorMs : errorMs,
    };
  }

  /** A source that is heard all the time does not drift away from its anchor by more than a step. */
  #isSteady(anchor: ClockAnchor): boolean {
    return anchor.source !== 'gnss' || this.#options.clock.mono() - this.#gnssMonoMs < 30_000;
  }

  #believe(monoMs: MonoMs): ClockAnchor {
    if (monoMs - this.#gnssMonoMs < GNSS_FRESH_MS && this.#offsets.length > 0) {
      return { atMonoMs: monoMs, offsetMs: Math.max(...this.#offsets), source: 'gnss', errorMs: GNSS_ERROR_MS };
    }
    const utcMs = this.#options.clock.utc();
    const base = { atMonoMs: monoMs, offsetMs: utcMs - monoMs };
    if (utcMs < EARLIEST_UTC_MS) return { ...base, source: 'none', errorMs: UNKNOWN_ERROR_MS };
    return this.#options.synchronised()
      ? { ...base, source: 'ntp', errorMs: NTP_ERROR_MS }
      : { ...base, source: 'rtc', errorMs: RTC_ERROR_MS };
  }
}
