/** What the parts of ingest share, and what they know of one connection. */
import type { Hash, KeyObject } from 'node:crypto';
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { Broker, Session } from '../broker/broker.js';
import type { BlobStore, BlobWriter } from '../store/blobs.js';
import type { Commits } from '../store/commits.js';
import type { Db, Store } from '../store/open.js';
import { noNews, type Seen } from './desired-news.js';
import type { Fence } from './fence.js';
import type { Refusals } from './refusals.js';
import { StreamBook } from './stream-book.js';

/** Footage under way per unit: also the broker's limit of outstanding bytes, so a unit that keeps it is never paused. */
export const CREDIT_BYTES = 1024 * 1024;
/** Fragments of a unit that may be open or on their way to the disk at once. */
export const HANDLES_MAX = 8;
/** One that has been idle so long gives way to another: a unit may have given its fragment up without a word. */
export const HANDLE_IDLE_MS = 10_000;

export interface IngestCounters {
  journalBatches: number;
  journalRecords: number;
  journalHoles: number;
  journalForks: number;
  /** Journals that could not be packed together, each attempt. */
  packFailures: number;
  fragmentsStored: number;
  fragmentBytesStored: number;
  fragmentsRepeated: number;
  chunksIn: number;
  chunksIgnored: number;
  rewinds: number;
  receipts: number;
  /** Checkpoints under which the centre set its own signature. */
  countersigned: number;
  alarms: number;
  refusals: number;
}

export function newIngestCounters(): IngestCounters {
  return {
    journalBatches: 0,
    journalRecords: 0,
    journalHoles: 0,
    journalForks: 0,
    packFailures: 0,
    fragmentsStored: 0,
    fragmentBytesStored: 0,
    fragmentsRepeated: 0,
    chunksIn: 0,
    chunksIgnored: 0,
    rewinds: 0,
    receipts: 0,
    countersigned: 0,
    alarms: 0,
    refusals: 0,
  };
}

export interface Signer {
  key: KeyObject;
  certPem: string;
}

export interface Context {
  store: Store;
  /** What ingest writes goes through here. */
  commits: Commits;
  blobs: BlobStore;
  broker: Broker;
  clock: Clock;
  log: Log;
  counters: IngestCounters;
  refusals: Refusals;
  receiptSigner: Signer;
  desiredSigner: Signer;
  /** Of the fleet, PEM. */
  rootPem: string;
  fence: Fence;
}

export interface OpenFragment {
  handle: number;
  meta: FragmentMeta;
  /** As the row keeps it. */
  place: string | null;
  writer: BlobWriter;
  hash: Hash;
  receivedBytes: number;
  activeMonoMs: MonoMs;
  ackedBytes: number;
  /** Offset for which a rewind was asked last. */
  rewindAsked: number;
}

/** One connection of a unit, as ingest sees it. */
export interface Link {
  readonly session: Session;
  readonly unit: string;
  /** Set by hello. */
  epoch: string | undefined;
  /** Epochs whose journal is known here. */
  readonly epochs: Set<string>;
  readonly open: Map<number, OpenFragment>;
  /** Handles whose fragment is whole and on its way to the disk. */
  readonly committing: Map<number, Promise<void>>;
  /** Base64 of init segments that this connection gave. */
  readonly inits: Map<string, string>;
  readonly streams: StreamBook;
  /** Codes that were entered in the audit chain for this connection. */
  readonly audited: Set<string>;
  /** By which the unit came: TLS tells, or hello where a broker stands between. */
  certificatePem: string | undefined;
  /** Of that certificate, lower-case hex. */
  certificateSerial: string | undefined;
  journalKeySha256: string | undefined;
  /** What a desired state was sent after. */
  desiredSeen: Seen;
  /** Cameras that the unit was last told to show, and when. */
  told: { cameras: readonly string[]; atMs: MonoMs };
  /** Until then no journal of it is taken up: the others have their turn. */
  restsUntilMonoMs: MonoMs;
}

export function newLink(session: Session, db: Db): Link {
  return {
    session,
    unit: session.unit,
    epoch: undefined,
    epochs: new Set(),
    open: new Map(),
    committing: new Map(),
    inits: new Map(),
    streams: new StreamBook(db),
    audited: new Set(),
    certificatePem: session.certificatePem,
    certificateSerial: session.certificateSerial,
    journalKeySha256: session.journalKeySha256,
    desiredSeen: noNews(),
    told: { cameras: [], atMs: Number.NEGATIVE_INFINITY },
    restsUntilMonoMs: Number.NEGATIVE_INFINITY,
  };
}
