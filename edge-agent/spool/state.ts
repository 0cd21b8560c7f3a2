/** What the parts of the spool's core share: built once on opening, changed by commits only. */
import type { MonoMs } from '@longroof/base/clock';
import type { Fault } from '@longroof/base/errors';
import type { FragmentMeta, StreamName } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { Coverage, GapPiece } from './coverage.js';
import type { DiskState } from './disk-state.js';
import type { Endurance } from './endurance.js';
import type { IndexDb } from './index-db.js';
import type { Ledger } from './ledger.js';
import type { Meter } from './metered-disk.js';
import type { CoreOptions, Recovered } from './recover.js';
import { gapBody } from './recover-coverage.js';
import type { Reel, ReelSet, WrittenFragment } from './reels.js';

export interface LiveStream {
  name: StreamName;
  text: string;
  coverage: Coverage;
  nextSeq: number;
  /** The last fragment that was accounted for. */
  last?: FragmentMeta;
  /** Its row in the index is behind. */
  dirty: boolean;
}

export interface Release {
  fragment: number;
  reel: number;
  settled: (outcome: boolean | Fault) => void;
}

export interface CoreState {
  readonly options: CoreOptions;
  readonly recovered: Recovered;
  readonly index: IndexDb;
  readonly ledger: Ledger;
  readonly reels: ReelSet;
  readonly diskState: DiskState;
  readonly meter: Meter;
  readonly endurance: Endurance;
  readonly streams: Map<string, LiveStream>;
  /** Row id of this boot. */
  readonly bootId: number;
  /** Durable, not yet in the index. */
  unindexed: WrittenFragment[];
  /** Finished reels that wait for their catalogue record. */
  finished: Reel[];
  /** Reels whose catalogue record is drafted. */
  catalogued: Reel[];
  releases: Release[];
  /** Streams to close once what was written of them is accounted for. */
  pendingCloses: { stream: LiveStream; cause: GapCause; atMonoMs: MonoMs }[];
  /** Work for the next transaction, besides. */
  pendingWrites: (() => void)[];
  nextRowId: number;
  /** Row id of the first row of each reel that is open. */
  readonly rowFirst: Map<number, number>;
  /** Of closed reels, and of those gone whose file is still there. */
  reelBytes: number;
  fragments: number;
  released: number;
  /** How many stores of the controller the unit has known; receipts of the last one count. */
  storeOrdinal: number;
  /** The look through the reels that is under way has found footage to offer again. */
  offersFound: boolean;
  lastCommitMonoMs: MonoMs;
  /** Records before this one are at the centre. */
  acknowledged: number;
  upkeepAtMonoMs: MonoMs;
  /** As `reelBytes`, by rung. */
  readonly rungBytes: number[];
  /** When the rungs' own quotas are looked at next, where nothing of them could go. */
  rungsAtMonoMs?: MonoMs;
}

export function draftGaps(state: CoreState, stream: LiveStream, pieces: readonly GapPiece[]): void {
  for (const piece of pieces) {
    stream.dirty = true;
    state.ledger.add('gap', gapBody(stream.name, piece, state.recovered.before), { own: true });
  }
}
