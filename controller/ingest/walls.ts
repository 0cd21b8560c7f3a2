/**
 * Wall time of a unit's monotonic times: the claim made at the time, or a better one by an anchor of the same boot. Boots,
 * and anchors where all of them are wanted, are read once per batch.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { WallClaim } from '@longroof/protocol/fragment';
import { BETTER_BY, bestWall, type ClockAnchor, DRIFT_PPM } from '@longroof/protocol/wall';
import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { AnchorTable, Tables } from '../store/tables.js';

/** Where nothing is known: finite, because a database stores it. */
export const NO_WALL: WallClaim = { utcMs: 0, source: 'none', errorMs: 1e15 };
/** The newest of a boot: a day of one a minute. */
const ANCHORS_MAX = 1440;

export class Walls {
  readonly #trx: Kysely<Tables>;
  readonly #unit: string;
  readonly #epoch: string;
  readonly #boots = new Map<number, string | undefined>();
  readonly #anchors = new Map<string, ClockAnchor[]>();

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

  /** Chosen by the database where not all anchors are here: after a day there are 1,440, and reading them takes longer than storing a fragment. */
  async best(boot: string, monoMs: MonoMs, claim: WallClaim): Promise<WallClaim> {
    return bestWall(monoMs, claim, this.#anchors.get(boot) ?? (await this.#bestAnchor(boot, monoMs, claim)));
  }

  /** None that is so far away that its drift alone makes it no better than the claim. */
  async #bestAnchor(boot: string, monoMs: MonoMs, claim: WallClaim): Promise<ClockAnchor[]> {
    const reachMs = (claim.errorMs / BETTER_BY) * (1e6 / DRIFT_PPM);
    const near = this.#newest(boot)
      .where('at_mono_ms', '>=', monoMs - reachMs)
      .where('at_mono_ms', '<=', monoMs + reachMs)
      .as('near');
    const error = sql`error_ms + abs(${monoMs} - at_mono_ms) * ${DRIFT_PPM} / 1e6`;
    const rows = await this.#trx.selectFrom(near).selectAll().orderBy(error).orderBy('at_mono_ms').limit(1).execute();
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
  const errorMs = claim.errorMs + (Math.abs(monoMs - atMonoMs) * DRIFT_PPM) / 1e6;
  return { utcMs: claim.utcMs + (monoMs - atMonoMs), source: claim.source, errorMs };
}

/** The rule of `bestWall` for a row that stands: `error` is that of a new anchor. What came in which order changes nothing. */
export function datesBetter(error: RawBuilder<number>): RawBuilder<SqlBool> {
  return sql<SqlBool>`((by_clock = 0 and wall_error_ms >= ${BETTER_BY} * (${error})) or (by_clock = 1 and wall_error_ms > ${error}))`;
}
