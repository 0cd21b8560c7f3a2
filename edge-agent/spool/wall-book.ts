/**
 * Wall time of this boot, from the anchors that were noted, and the spool's own age clock. Anchors that say nothing new are not
 * kept. Neither is ever used for names or order.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';

/** An anchor is recorded again after this even where it says nothing new. */
const REPEAT_MS = 30 * 60_000;
/** A clock without an anchor is a board's RTC at best. */
const RTC_ERROR_MS = 3_600_000;
const NO_CLOCK_ERROR_MS = 1e12;
/** Before this no spool of ours was written: a clock that says so was never set. */
const EARLIEST_UTC_MS = Date.UTC(2025, 0, 1);
const TRUSTED_ERROR_MS = 60_000;
/** A claim that any anchor is better than. */
const NOTHING: WallClaim = { utcMs: 0, source: 'none', errorMs: Number.POSITIVE_INFINITY };

export function isTrusted(claim: WallClaim): boolean {
  return (claim.source === 'gnss' || claim.source === 'ntp') && claim.errorMs <= TRUSTED_ERROR_MS;
}

export class WallBook {
  readonly #clock: Clock;
  readonly #anchors: ClockAnchor[];

  constructor(clock: Clock, anchors: readonly ClockAnchor[]) {
    this.#clock = clock;
    this.#anchors = [...anchors];
  }

  get anchors(): readonly ClockAnchor[] {
    return this.#anchors;
  }

  /** True when the anchor tells something new and is to be recorded. */
  add(anchor: ClockAnchor): boolean {
    const last = this.#anchors.at(-1);
    if (last) {
      const known = bestWall(anchor.atMonoMs, NOTHING, this.#anchors);
      const apartMs = Math.abs(known.utcMs - (anchor.atMonoMs + anchor.offsetMs));
      const isNew =
        anchor.atMonoMs - last.atMonoMs >= REPEAT_MS ||
        known.errorMs > 2 * anchor.errorMs + 1 ||
        apartMs > known.errorMs + anchor.errorMs ||
        (known.source !== anchor.source && anchor.source === 'gnss');
      if (!isNew || anchor.atMonoMs <= last.atMonoMs) return false;
    }
    this.#anchors.push(anchor);
    return true;
  }

  /** By the best anchor, however bad it says that it is: who noted it knew more than the board's clock says. */
  now(): WallClaim {
    if (this.#anchors.length > 0) return this.at(this.#clock.mono(), NOTHING);
    const utcMs = this.#clock.utc();
    return utcMs >= EARLIEST_UTC_MS
      ? { utcMs, source: 'rtc', errorMs: RTC_ERROR_MS }
      : { utcMs, source: 'none', errorMs: NO_CLOCK_ERROR_MS };
  }

  at(monoMs: MonoMs, claim: WallClaim): WallClaim {
    return bestWall(monoMs, claim, this.#anchors);
  }
}

/**
 * Age by monotonic time alone, carried over restarts: it stands still while the board is off, so that footage is never older than
 * it says. Where wall time is vouched for at both ends, the longer of the two counts.
 */
export class SpoolTime {
  readonly #baseMs: number;

  /** `spoolMs` as last saved at `monoMs` of the same boot, or of an earlier one. */
  constructor(saved: { spoolMs: number; monoMs: MonoMs; sameBoot: boolean } | undefined) {
    this.#baseMs = saved ? saved.spoolMs - (saved.sameBoot ? saved.monoMs : 0) : 0;
  }

  at(monoMs: MonoMs): number {
    return this.#baseMs + monoMs;
  }

  ageMs(born: { bornMs: number; trustedUtc: number | null }, nowMonoMs: MonoMs, nowWall: WallClaim): number {
    const byMono = this.at(nowMonoMs) - born.bornMs;
    const byWall = born.trustedUtc !== null && isTrusted(nowWall) ? nowWall.utcMs - born.trustedUtc : 0;
    return Math.max(byMono, byWall);
  }
}
