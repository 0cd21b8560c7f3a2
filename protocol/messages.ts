/**
 * JSON messages between unit and controller, beside the journal and the chunks. All are canonical JSON in UTF-8.
 * Whatever arrives is checked member by member by the reader before it is used.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { FragmentMeta, PullRendition, Rendition } from './fragment.js';
import type { DesiredLive } from './live.js';
import type { UnitSettings } from './settings.js';

export const MESSAGE_BYTES_MAX = 128 * 1024;
/** One of this fleet has about 900. */
export const HELLO_CERTIFICATE_CHARS_MAX = 3072;

/** Unit -> controller, retained; the will says `online: false`. */
export interface StatusMessage {
  online: boolean;
  epoch: string;
  run: number;
  utcMs: UtcMs;
  /** Per stream (`front`, `front.proxy`): a `StreamState`. */
  streams: Record<string, { state: StreamState; code?: string }>;
  version: string;
  /** By what the unit is connected; left out where its links are not told apart. */
  link?: LinkStatus;
}
export interface LinkStatus {
  /** As the kernel names it; left out where none could be found. */
  interface?: string;
  class: 'metered' | 'free';
  /** Of the metered class, for the period of now. */
  budget?: { fromUtcMs: UtcMs; untilUtcMs: UtcMs; bytes: number; spentBytes: number };
  /** Why footage that was asked for waits on this link; left out where it goes. */
  waits?: LinkWaits;
  /** Urgent pulls go all the same. */
  urgentGoes?: true;
}
export const LINK_WAITS = ['LR_LINK_BUDGET', 'LR_LINK_CLASS', 'LR_LINK_COUNT'] as const;
export type LinkWaits = (typeof LINK_WAITS)[number];
export type StreamState = 'recording' | 'connecting' | 'refused' | 'stalled' | 'no-video' | 'disk' | 'stopped';

/** Unit -> controller, after each connect and before anything else. */
export interface HelloMessage {
  unit: string;
  epoch: string;
  run: number;
  version: string;
  /** Highest generation of desired state accepted so far. */
  generation: number;
  /** Next journal seq that the unit would send, and the oldest it still has. */
  journalNext: number;
  journalOldest: number;
  /** PEM: a broker between the two checks it and does not pass it on. */
  certificate?: string;
}

/** Unit -> controller: a fragment is about to come under this handle. */
export interface ManifestMessage {
  handle: number;
  meta: FragmentMeta;
  /** Base64 init segment; given with the first fragment of each init segment in a connection. */
  init?: string;
  /** Merkle path in its reel, hex, once the reel is closed. */
  path?: string[];
  index?: number;
  count?: number;
}

/** Controller -> unit, on `down/ack`. */
export type AckMessage =
  | {
      what: 'welcome';
      storeEpoch: string;
      journalNext: number;
      journalHead: string;
      receiptCertificates: string[];
      creditBytes: number;
      utcMs: UtcMs;
    }
  | { what: 'journal'; epoch: string; next: number }
  | { what: 'part'; handle: number; offset: number }
  | { what: 'rewind'; handle: number; offset: number }
  /** Of a piece that is shown live; `handle` counts for itself. */
  | { what: 'live'; handle: number; offset: number }
  | { what: 'want-init'; handle: number; initSha256: string }
  | { what: 'refused'; topic: string; code: string; message: string; handle?: number; limit?: number };

/** Controller -> unit, on `down/receipt`: signed; only this frees footage. */
export interface StoredReceipt {
  what: 'longroof-stored-1';
  unit: string;
  epoch: string;
  camera: string;
  rendition: Rendition;
  run: number;
  seq: number;
  sha256: string;
  bytes: number;
  storeEpoch: string;
  copies: number;
  storedUtcMs: UtcMs;
}
/**
 * Controller -> unit, on `down/receipt`: signed; the checkpoint and all before it were durable at the centre at that time. It frees
 * nothing. Sent for the last checkpoint of a batch, and again after each hello.
 */
export interface CheckpointReceipt {
  what: 'longroof-countersigned-1';
  unit: string;
  epoch: string;
  /** Of the checkpoint record. */
  seq: number;
  /** Hex SHA-256 of the checkpoint record, and so over every record before it. */
  hash: string;
  storeEpoch: string;
  receivedUtcMs: UtcMs;
}
export interface Signed<T> {
  statement: T;
  /** Hex SHA-256 of the signer's SPKI. */
  keyId: string;
  /** Over canonical JSON of `statement`, ECDSA P-256 SHA-256, P1363, base64url. */
  signature: string;
}

/** Controller -> unit, on `down/desired`: signed with the receipt key's sister of usage `desired`. */
export interface DesiredState {
  what: 'longroof-desired-1';
  unit: string;
  /** The life of the spool it is meant for. */
  epoch: string;
  generation: number;
  pulls: DesiredPull[];
  /** All that the unit should hold; left out where it was never asked to hold anything. */
  holds?: DesiredHold[];
  /** Cameras that somebody watches, all of them; left out where there are none. Not kept through a restart. */
  live?: DesiredLive[];
  /** Holds that the unit placed for events, to be let go before their time is over. */
  lifts?: string[];
  /** Lies over the unit's own file; left out where none was ever asked for, or the last one was refused. */
  configuration?: DesiredConfiguration;
}
export interface DesiredConfiguration {
  configurationId: string;
  /** Read by the unit with care: one that it cannot take is refused, and what it had stays. */
  settings: UnitSettings;
}
/** Detail of the journal's `event` record `configuration`: what the unit made of one. */
export interface ConfigurationAnswer {
  configurationId: string;
  state: 'applied' | 'refused';
  /** With `refused`. */
  code?: string;
  message?: string;
}
export interface DesiredPull {
  pullId: string;
  cameras: string[];
  rendition: PullRendition;
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  /** Goes before those that are not; left out where it does not. */
  urgent?: true;
  /** A copy of this rate is to be made of the rendition and sent in its place. A unit from before this member sends the rendition itself. */
  rateBps?: number;
}
/** Of a derived copy, in bits a second. */
export const RATE_BPS_MIN = 50_000;
export const RATE_BPS_MAX = 8_000_000;
/** Making copies takes CPU: spans times cameras of one pull with a rate. */
export const RATE_CAMERA_MS_MAX = 4 * 3_600_000;

export function isRateBps(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= RATE_BPS_MIN && (value as number) <= RATE_BPS_MAX;
}
export interface DesiredHold {
  holdId: string;
  cameras: string[];
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
  owner: string;
  reviewUtcMs: UtcMs;
  /** Also copies and strips, which the unit made; left out, what its cameras sent. */
  made?: true;
}
export const LIFTS_MAX = 100;
/** Holds that one desired state may name. */
export const HOLDS_MAX = 100;
/** Pulls that one desired state may name. */
export const PULLS_MAX = 64;
