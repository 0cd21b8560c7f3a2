/**
 * What follows from journal records, written in the transaction that stores them: runs, clock anchors, reels, gaps, positions,
 * disposals, pulls, what a unit makes of a restored store. Rows are gathered over a batch and written together. A record whose body has not the shape of its type stays
 * evidence in the journal; it projects nothing and is counted.
 */
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { JournalRecord, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { Transaction } from 'kysely';
import type { NewReel } from '../store/reels.js';
import type { Tables } from '../store/tables.js';
import { projectCatalog, writeReels } from './project-catalog.js';
import { correctWalls, projectClock } from './project-clock.js';
import { projectDisposal, writeDisposals } from './project-disposal.js';
import { projectDone } from './project-done.js';
import { projectEvent } from './project-event.js';
import { projectGap, writeGaps } from './project-gap.js';
import { projectHold } from './project-hold.js';
import { projectMark } from './project-mark.js';
import { projectPower } from './project-power.js';
import { projectRun } from './project-run.js';
import { projectTrack, writePosition } from './project-track.js';
import { finishPulls } from './pull-end.js';
import { Walls } from './walls.js';

export interface ProjectionScope {
  trx: Transaction<Tables>;
  unit: string;
  epoch: string;
  nowMs: UtcMs;
  /** Of the centre's store. */
  storeEpoch: string;
}

export interface Disposal {
  record: JournalRecord<'dispose' | 'loss'>;
  gone: 'released' | 'expired' | 'lost';
}

export interface Projected extends ProjectionScope {
  readonly walls: Walls;
  readonly reels: NewReel[];
  readonly gaps: Tables['gap'][];
  readonly disposals: Disposal[];
  /** The anchors that this batch brought, by boot. */
  readonly anchored: Map<string, Set<ClockAnchor>>;
  position: { latDeg: number; lonDeg: number; utcMs: UtcMs } | undefined;
  endedPulls: boolean;
}

type Project = (projected: Projected, record: JournalRecord) => void | Promise<void>;

/** Types that are left out have nothing to project. */
const PROJECTIONS: Partial<Record<JournalType, Project>> = {
  run: projectRun,
  clock: projectClock,
  catalog: projectCatalog,
  gap: projectGap,
  track: projectTrack,
  dispose: projectDisposal,
  loss: projectDisposal,
  done: projectDone,
  event: async (projected, record) => {
    await projectEvent(projected, record);
    await projectMark(projected, record);
  },
  power: projectPower,
  hold: projectHold,
};

export class Projection {
  readonly faults: Fault[] = [];
  readonly #projected: Projected;
  readonly #dones: JournalRecord[] = [];

  constructor(scope: ProjectionScope) {
    this.#projected = {
      ...scope,
      walls: new Walls(scope),
      reels: [],
      gaps: [],
      disposals: [],
      anchored: new Map(),
      position: undefined,
      endedPulls: false,
    };
  }

  async take(record: JournalRecord): Promise<void> {
    // What became of a pull is told of reels and disposals that may stand in the same batch.
    if (record.type === 'done') this.#dones.push(record);
    else await this.#project(record);
  }

  async #project(record: JournalRecord): Promise<void> {
    try {
      await PROJECTIONS[record.type]?.(this.#projected, record);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'LR_JOURNAL_BODY') throw error;
      this.faults.push(error);
    }
  }

  /** True when pulls may have come to their end. */
  async finish(): Promise<boolean> {
    const projected = this.#projected;
    await writeReels(projected);
    await writeGaps(projected);
    await correctWalls(projected);
    await writeDisposals(projected);
    await writePosition(projected);
    for (const record of this.#dones) await this.#project(record);
    // What a pull still waits for may be gone.
    if (projected.disposals.length > 0 && (await finishPulls(projected.trx, projected.unit, projected.nowMs))) projected.endedPulls = true;
    return projected.endedPulls;
  }
}
