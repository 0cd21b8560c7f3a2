/**
 * Wall time of a unit's monotonic times: the claim made at the time, or a better one by an anchor of the same boot. Boots,
 * and anchors where all of them are wanted, are read once per batch.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { BETTER_BY, bestWall, type ClockAnchor, DRIFT_PPM, errorAt } from '@longroof/protocol/wall';
import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { AnchorTable, Tables } from '../store/tables.js';

/** Where nothing is known: finite, because a database stores it. */
export const NO_WALL: WallClaim = { utcMs: 0, source: 'none', errorMs: 1e15 };
/** The newest of a boot: a day of one a minute. */
const ANCHORS_MAX = 1440;
/** That may date some time of a span; where there are more, each time is asked for by itself. */
const NEAR_MAX = 16;

/** Of one boot: anchors among which the best one for each time in [fromMonoMs, toMonoMs] is, if any is better than a claim of this error. */
interface Span {
  fromMonoMs: MonoMs;
  toMonoMs: MonoMs;
  claimErrorMs: number;
  anchors: ClockAnchor[];
}

export class Walls {
  readonly #trx: Kysely<Tables>;
  readonly #unit: string;
  readonly #epoch: string;
  readonly #boots = new Map<number, string | undefined>();
  readonly #anchors = new Map<string, ClockAnchor[]>();
  readonly #spans = new Map<string, Span>();

  constructor(scope: { trx: Kysely<Tables>; unit: string; epoch: string }) {
    this.#trx = scope.trx;
    this.#unit = scope.unit;
    this.#epoch = scope.epoch;
  }

  noteRun(run: number, boot: string): void {
    this.#boots.set(run, boot);
  }

  async bootOf(run: number): Promise<string | undefined> {
    if (!this.#boots.has(run)) {
      const row = await this.#trx
        .selectFrom('run')
        .select('boot')
        .where('unit', '=', this.#unit)
        .where('epoch', '=', this.#epoch)
        .where('run', '=', run)
        .executeTakeFirst();
      this.#boots.set(run, row?.boot);
    }
    return this.#boots.get(run);
  }

  async anchors(boot: string): Promise<ClockAnchor[]> {
    const known = this.#anchors.get(boot);
    if (known) return known;
    const anchors = (await this.#newest(boot).execute()).reverse().map(anchorOf);
    this.#anchors.set(boot, anchors);
    return anchors;
  }

  /** Asks at once what the times of a boot that come next are dated by, instead of for each. */
  async expect(boot: string, times: readonly { monoMs: MonoMs; claim: WallClaim }[]): Promise<void> {
    if (times.length < 2 || this.#anchors.has(boot)) return;
    const fromMonoMs = Math.min(...times.map(({ monoMs }) => monoMs));
    const toMonoMs = Math.max(...times.map(({ monoMs }) => monoMs));
    const claimErrorMs = Math.max(...times.map(({ claim }) => claim.errorMs));
    const anchors = await this.#nearest(boot, fromMonoMs, toMonoMs, claimErrorMs, NEAR_MAX);
    const errorMs = (anchor: ClockAnchor | undefined): number => (anchor ? errorAt(anchor, fromMonoMs) : Number.POSITIVE_INFINITY);
    // One that is worse than the best at the beginning gains on it by at most twice the drift.
    const gainMs = (2 * (toMonoMs - fromMonoMs) * DRIFT_PPM) / 1e6;
    if (anchors.length === NEAR_MAX && errorMs(anchors.at(-1)) <= errorMs(anchors[0]) + gainMs) return;
    anchors.sort((one, other) => one.atMonoMs - other.atMonoMs);
    this.#spans.set(boot, { fromMonoMs, toMonoMs, claimErrorMs, anchors });
  }

  /** Chosen by the database where not all anchors are here: after a day there are 1,440, and reading them takes longer than storing a fragment. */
  async best(boot: string, monoMs: MonoMs, claim: WallClaim): Promise<WallClaim> {
    const known = this.#anchors.get(boot) ?? this.#expected(boot, monoMs, claim);
    return bestWall(monoMs, claim, known ?? (await this.#nearest(boot, monoMs, monoMs, claim.errorMs, 1)));
  }

  #expected(boot: string, monoMs: MonoMs, claim: WallClaim): ClockAnchor[] | undefined {
    const span = this.#spans.get(boot);
    const isIn = span && monoMs >= span.fromMonoMs && monoMs <= span.toMonoMs && claim.errorMs <= span.claimErrorMs;
    return isIn ? span.anchors : undefined;
  }

  /** The best for `from`, best first. None that is so far away that its drift alone makes it no better than the claim. */
  async #nearest(boot: string, from: MonoMs, to: MonoMs, claimErrorMs: number, count: number): Promise<ClockAnchor[]> {
    const reachMs = (claimErrorMs / BETTER_BY) * (1e6 / DRIFT_PPM);
    const near = this.#newest(boot)
      .where('at_mono_ms', '>=', from - reachMs)
      .where('at_mono_ms', '<=', to + reachMs)
      .as('near');
    const error = sql`error_ms + abs(${from} - at_mono_ms) * ${DRIFT_PPM} / 1e6`;
    const rows = await this.#trx.selectFrom(near).selectAll().orderBy(error).orderBy('at_mono_ms').limit(count).execute();
    return rows.map(anchorOf);
  }

  #newest(boot: string) {
    return this.#trx
      .selectFrom('anchor')
      .select(['at_mono_ms', 'offset_ms', 'source', 'error_ms'])
      .where('unit', '=', this.#unit)
      .where('epoch', '=', this.#epoch)
      .where('boot', '=', boot)
      .orderBy('at_mono_ms', 'desc')
      .limit(ANCHORS_MAX);
  }
}

function anchorOf(row: Pick<AnchorTable, 'at_mono_ms' | 'offset_ms' | 'source' | 'error_ms'>): ClockAnchor {
  return { atMonoMs: row.at_mono_ms, offsetMs: row.offset_ms, source: row.source, errorMs: row.error_ms };
}

/** A claim made at `atMonoMs`, carried to `monoMs` of the same boot. */
export function carried(claim: WallClaim, atMonoMs: MonoMs, monoMs: MonoMs): WallClaim {
  const errorMs = errorAt({ errorMs: claim.errorMs, atMonoMs }, monoMs);
  return { utcMs: claim.utcMs + (monoMs - atMonoMs), source: claim.source, errorMs };
}

/** The rule of `bestWall` for a row that stands: `error` is that of a new anchor. What came in which order changes nothing. */
export function datesBetter(error: RawBuilder<number>): RawBuilder<SqlBool> {
  return sql<SqlBool>`((by_clock = 0 and wall_error_ms >= ${BETTER_BY} * (${error})) or (by_clock = 1 and wall_error_ms > ${error}))`;
}
