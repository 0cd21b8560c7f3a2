/**
 * 3. The spool as the rest of the agent sees it. Behind it stands a worker that owns the disk: reels, index, journal. Nothing here
 * blocks; what the worker cannot take at once waits in a queue with a bound, and beyond the bound is a gap with a cause.
 */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import type { FragmentMeta, Rendition, StreamName, WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { JournalBodies, JournalRecord, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { ArenaMemory } from '../capture/arena.js';
import type { BuiltFragment } from '../fragment/fragment.js';

export interface SpoolIdentity {
  unit: string;
  epoch: string;
  run: number;
  boot: string;
}

/** Promised per rung, from the end of a reel; nothing is promised of copies. `...Bytes`: the rung takes no more than that. */
export interface Retention {
  originalMs: number;
  proxyMs: number;
  stripMs?: number;
  stripBytes?: number;
  originalBytes?: number;
  proxyBytes?: number;
  derivedBytes?: number;
}

export interface StoredFragment {
  meta: FragmentMeta;
  /** Best known wall time of its start. */
  wall: WallClaim;
  reelPath: string;
  /** Of the `moof`; `meta.bytes` from here are the fragment. */
  offset: number;
  /** A receipt came for it, from this store of the controller or from one before: it may be there already. */
  released: boolean;
  /** Its place under the Merkle root of its reel (RFC 6962, 2.1.1), once the reel is closed; `path` is hex, nearest sibling first. */
  place?: { index: number; count: number; path: string[] };
}

export interface Selection {
  fragments: StoredFragment[];
  missing: { camera: string; rendition: Rendition; fromUtcMs: UtcMs; toUtcMs: UtcMs; cause: GapCause }[];
}

/** Consecutive fragments by their names, which stay what they are when a clock is set. */
export interface FragmentRun extends StreamName {
  run: number;
  seqFirst: number;
  seqLast: number;
}

export interface SpoolStats {
  state: 'ok' | 'full' | 'read-only' | 'failing' | 'slow';
  usedBytes: number;
  quotaBytes: number;
  freeBytes: number;
  queuedBytes: number;
  fragments: number;
  pendingFragments: number;
  flushesPerS: number;
  /** Block writes over footage bytes. */
  writeAmplification: number;
  /** Block writes over the life of the spool, as far as they were counted: since then. */
  writtenBytes: number;
  writtenSinceUtcMs?: UtcMs;
  /** Until the disk's rated endurance is used up, recording as in the last day; left out while that is not known. */
  enduranceLeftYears?: number;
  journalNext: number;
}

export interface DurableStream {
  stream: StreamName;
  seq: number;
  endMonoMs: MonoMs;
}

export interface StoreAdopted {
  /** It is another store than the one before, and what that released is pending again. */
  changed: boolean;
  /** Footage that an earlier store released may wait to be offered again. */
  offers: boolean;
}

export interface Voided {
  fragments: StoredFragment[];
  next: number | undefined;
}

/** Footage that may go home without being asked for: of a rung, or what a hold keeps. */
export type Unsent = 'held' | Rendition;

export interface HoldRequest {
  holdId: string;
  cameras: string[];
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  owner: string;
  reviewUtcMs: UtcMs;
  /** Also what was made here: copies and strips. */
  made?: true;
}

export type StandingHold = Pick<HoldRequest, 'holdId' | 'reviewUtcMs'>;

export interface Spool {
  readonly identity: SpoolIdentity;
  /** For fragments under construction, and for those that are read: it comes back for the next one. */
  readonly memory: ArenaMemory;
  /** Takes ownership of the fragment's memory. False: the queue is full; the gap is noted. */
  write(fragment: BuiltFragment, wall: WallClaim): boolean;
  /** From now on, the time of this stream in which no fragment comes is a gap of this cause. Cheap; call on each change of state. */
  noteCause(stream: StreamName, cause: GapCause, atMonoMs: MonoMs, detail?: string): void;
  /** A stream begins or ends being recorded (configuration). Its coverage is accounted between the two. */
  openStream(stream: StreamName): void;
  closeStream(stream: StreamName, cause: GapCause): void;
  noteClock(anchor: ClockAnchor): void;
  /** Appends to the journal; resolves with its seq when durable. */
  record<T extends JournalType>(type: T, body: JournalBodies[T], options?: { urgent?: boolean }): Promise<number>;
  /** Records from `seq` on, at most `maxBytes` of text; empty when there are none yet. */
  journal(fromSeq: number, maxBytes: number): Promise<JournalRecord[]>;
  journalPosition(): { oldest: number; next: number };
  journalAcknowledged(next: number): void;
  /** Durable fragments of a time, in order, and what of it is missing and why. */
  select(streams: StreamName[], fromUtcMs: UtcMs, toUtcMs: UtcMs): Promise<Selection>;
  /** Of these fragments of one run of a stream the ones that are durable and still here, in order of seq. */
  named(names: FragmentRun): Promise<StoredFragment[]>;
  /**
   * `moof` + `mdat` of a fragment, where possible at the start of `into`, which came from `memory`; throws `corrupt` where the bytes are not what
   * the index says.
   */
  read(fragment: StoredFragment, into?: Buffer): Promise<Buffer>;
  init(initSha256: string): Promise<Buffer | undefined>;
  /** S3: after a verified receipt over `sha256`. False when there is no such fragment or its hash differs. */
  release(id: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq' | 'sha256'>): Promise<boolean>;
  /** S3: receipts count only under the epoch of the store that is there now. Resolves when what follows from a change is durable. */
  adoptStore(storeEpoch: string, journalNext: number): Promise<StoreAdopted>;
  /** What only an earlier store has released, reel by reel: from 0 on, then from `next` on until there is none. */
  voided(afterReel: number): Promise<Voided>;
  /** What no receipt has freed, reel by reel from the newest on; then from `next` on until there is none. Reels that are being written are left out. */
  unsent(what: Unsent, beforeReel?: number): Promise<Voided>;
  hold(request: HoldRequest): Promise<{ placed: boolean; bytes: number; reason?: string }>;
  releaseHold(holdId: string): Promise<boolean>;
  /** Those that stand. */
  holds(): Promise<StandingHold[]>;
  stats(): SpoolStats;
  /** Fired after each flush. */
  onDurable(listener: (streams: DurableStream[]) => void): void;
  onJournal(listener: (next: number, urgent: boolean) => void): void;
  /** Writes out all that is queued, closes reels, signs a checkpoint. */
  close(): Promise<void>;
}
