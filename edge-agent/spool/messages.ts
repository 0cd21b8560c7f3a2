/** What the agent's thread and the spool's worker say to each other. All in order over one port. */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import { Fault, type FaultKind } from '@longroof/base/errors';
import type { Rendition, StreamName, WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { JournalBodies, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { OpenFragmentMeta } from '../fragment/fragment.js';
import type { Waited } from './recover-coverage.js';
import type { DurableStream, FragmentRun, HoldRequest, Retention, SpoolIdentity, SpoolStats, StoredFragment, Unsent } from './spool.js';

export interface WorkerSettings {
  path: string;
  quotaBytes: number;
  unit: string;
  journalKeyPem: string;
  version: string;
  configSha256: string;
  cameras: { camera: string; renditions: Rendition[] }[];
  retention: Retention;
  enduranceBytes?: number;
  waited?: Waited[];
  /** One Int32: bytes queued towards the worker. */
  queued: SharedArrayBuffer;
  /** For tests: a module whose export `disk` stands in for the real one. */
  diskModule?: string;
  /** For tests: stands in for the kernel's boot id. */
  boot?: string;
}

export type Call =
  | { what: 'record'; type: JournalType; body: JournalBodies[JournalType]; urgent: boolean }
  | { what: 'journal'; fromSeq: number; bytesMax: number }
  | { what: 'select'; streams: StreamName[]; fromUtcMs: UtcMs; toUtcMs: UtcMs }
  | { what: 'named'; names: FragmentRun }
  /** `into`: shared memory that its bytes go into. */
  | { what: 'read'; fragment: StoredFragment; into: Uint8Array | undefined }
  | { what: 'init'; initSha256: string }
  | { what: 'release'; id: { camera: string; rendition: Rendition; run: number; seq: number; sha256: string } }
  | { what: 'adoptStore'; storeEpoch: string; journalNext: number }
  | { what: 'voided'; afterReel: number }
  | { what: 'unsent'; of: Unsent; beforeReel: number | undefined }
  | { what: 'hold'; request: HoldRequest }
  | { what: 'releaseHold'; holdId: string }
  | { what: 'holds' }
  | { what: 'close' };

export type ToWorker =
  /** `lent` numbers the shared memory behind the parts. */
  | { kind: 'fragment'; meta: OpenFragmentMeta; wall: WallClaim; parts: Uint8Array[]; lent: number[]; init: Uint8Array | undefined }
  | { kind: 'cause'; stream: StreamName; cause: GapCause; atMonoMs: MonoMs; detail: string | undefined }
  | { kind: 'open'; stream: StreamName; atMonoMs: MonoMs }
  | { kind: 'close'; stream: StreamName; cause: GapCause; atMonoMs: MonoMs }
  | { kind: 'clock'; anchor: ClockAnchor }
  | { kind: 'acknowledged'; next: number }
  | { kind: 'tick'; monoMs: MonoMs }
  | { kind: 'call'; id: number; call: Call };

export interface JournalPosition {
  oldest: number;
  next: number;
}

export type WorkerStats = Omit<SpoolStats, 'queuedBytes'>;

export type FromWorker =
  | { kind: 'ready'; identity: SpoolIdentity; position: JournalPosition; stats: WorkerStats }
  | {
      kind: 'ticked';
      durable: DurableStream[];
      journal: { next: number; urgent: boolean } | undefined;
      position: JournalPosition;
      stats: WorkerStats;
      /** Numbers of the shared memory that is written out, for the next fragments. */
      returned: number[];
      /** Of calls that the commit has settled. */
      settled: Outcome[];
    }
  | Outcome;

/** Of a call. */
export type Outcome = { kind: 'result'; id: number; value: unknown } | { kind: 'failed'; id: number; fault: PlainFault };

/** A fault as it crosses threads. */
export interface PlainFault {
  kind: FaultKind;
  code: string;
  message: string;
  hint: string | undefined;
}

export function plainFault(fault: Fault): PlainFault {
  return { kind: fault.kind, code: fault.code, message: fault.message, hint: fault.hint };
}

export function revive(plain: PlainFault): Fault {
  return new Fault(plain.kind, plain.code, plain.message, plain.hint === undefined ? {} : { hint: plain.hint });
}

/** The members of a name alone: whatever else stands beside them does not cross. */
export function nameOf(stream: StreamName): StreamName {
  return { camera: stream.camera, rendition: stream.rendition };
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
