/** What the parts of the spool's core share: built once on opening, changed by commits only. */
import type { MonoMs } from '@longroof/base/clock';
import type { Fault } from '@longroof/base/errors';
import type { FragmentMeta, StreamName } from '@longroof/protocol/fragment';
import type { Coverage, GapPiece } from './coverage.js';
import type { DiskState } from './disk-state.js';
import type { Endurance } from './endurance.js';
import type { IndexDb } from './index-db.js';
import type { Ledger } from './ledger.js';
import type { Meter } from './metered-disk.js';
import type { CoreOptions, Recovered } from './recover.js';
import { gapBody } from './recover-coverage.js';
import type { Reel, ReelSet, WrittenFragment } from './reels.js';

/** Of a stream; beyond it, on a disk that takes no commit, they wait no longer. */
const TURNS_MAX = 256;

/** A change of a stream's account that waits for what was written before it: that is not durable yet. */
interface Turn {
  /** The first fragment that was written after it. */
  nextSeq: number;
  change: (coverage: Coverage) => GapPiece[];
}

export interface LiveStream {
  name: StreamName;
  text: string;
  coverage: Coverage;
  nextSeq: number;
  /** What was said of the stream since it was closed, in order; done with the next commit. */
  turns: Turn[];
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

/** A stream that begins: nothing of it is written. */
export function liveStream(name: StreamName, text: string, coverage: Coverage): LiveStream {
  return { name, text, coverage, nextSeq: 0, turns: [], dirty: false };
}

/** Changes the account at once, or, where the stream has a turn that waits, behind that; a close waits (`waits`). */
export function turn(state: CoreState, stream: LiveStream, change: Turn['change'], how: { waits?: boolean } = {}): void {
  if (stream.turns.length >= TURNS_MAX) takeTurns(state, stream);
  if (how.waits || stream.turns.length > 0) stream.turns.push({ nextSeq: stream.nextSeq, change });
  else draftGaps(state, stream, change(stream.coverage));
  stream.dirty = true;
}

/** Does the turns that came before the fragment `seq` was written. */
export function takeTurns(state: CoreState, stream: LiveStream, seq = Number.POSITIVE_INFINITY): void {
  while (stream.turns[0] && stream.turns[0].nextSeq <= seq) {
    draftGaps(state, stream, stream.turns.shift()!.change(stream.coverage));
    stream.dirty = true;
  }
}

export function draftGaps(state: CoreState, stream: LiveStream, pieces: readonly GapPiece[]): void {
  for (const piece of pieces) {
    stream.dirty = true;
    state.ledger.add('gap', gapBody(stream.name, piece, state.recovered.before), { own: true });
  }
}
