/** Wall times of indexed things: per boot its anchors, looked up once per question. */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import type { WallClaim, WallSource } from '@longroof/protocol/fragment';
import { bestWall, type ClockAnchor } from '@longroof/protocol/wall';
import type { IndexDb } from './index-db.js';
import type { FragmentRow, GapRow, ReelRow } from './rows.js';

interface BootWall {
  anchors: readonly ClockAnchor[];
  offsetMin: number;
  offsetMax: number;
}

export interface WallSpan {
  from: UtcMs;
  to: UtcMs;
}

export class WallIndex {
  readonly #index: IndexDb;
  readonly #boots = new Map<number, BootWall>();

  constructor(index: IndexDb) {
    this.#index = index;
  }

  #boot(id: number): BootWall {
    let boot = this.#boots.get(id);
    if (!boot) {
      const anchors = this.#index.anchors(id);
      const offsets = anchors.map((anchor) => anchor.offsetMs);
      boot = {
        anchors,
        offsetMin: offsets.reduce((least, offset) => Math.min(least, offset), Number.POSITIVE_INFINITY),
        offsetMax: offsets.reduce((most, offset) => Math.max(most, offset), Number.NEGATIVE_INFINITY),
      };
      this.#boots.set(id, boot);
    }
    return boot;
  }

  at(boot: number, monoMs: MonoMs, claim: WallClaim): WallClaim {
    return bestWall(monoMs, claim, this.#boot(boot).anchors);
  }

  ofFragment(row: FragmentRow, reel: ReelRow): WallClaim {
    return this.at(reel.boot, row.startMono, { utcMs: row.wallUtc, source: row.wallSource as WallSource, errorMs: row.wallError });
  }

  /** Wide enough to hold every fragment of the reel, whichever anchor serves it. */
  hullOfReel(reel: Pick<ReelRow, 'boot' | 'startMono' | 'endMono' | 'offsetMin' | 'offsetMax'>): WallSpan {
    const boot = this.#boot(reel.boot);
    return {
      from: reel.startMono + Math.min(reel.offsetMin, boot.offsetMin),
      to: reel.endMono + Math.max(reel.offsetMax, boot.offsetMax),
    };
  }

  /** Best known start of a reel: as its first fragment claimed, or better. */
  startOfReel(reel: Pick<ReelRow, 'boot' | 'startMono' | 'offsetMin' | 'trustedUtc'>): UtcMs {
    const claim: WallClaim =
      reel.trustedUtc === null
        ? { utcMs: reel.startMono + reel.offsetMin, source: 'rtc', errorMs: 3_600_000 }
        : { utcMs: reel.trustedUtc, source: 'ntp', errorMs: 60_000 };
    return this.at(reel.boot, reel.startMono, claim).utcMs;
  }

  ofGap(row: GapRow): WallSpan {
    const at = (monoMs: MonoMs): UtcMs =>
      this.at(row.boot, monoMs, { utcMs: monoMs + row.claimOffset, source: row.claimSource as WallSource, errorMs: row.claimError }).utcMs;
    const to = at(row.fromMono + row.duration);
    return { from: Math.min(row.fromUtc ?? at(row.fromMono), to), to };
  }
}
