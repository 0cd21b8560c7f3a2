/**
 * JSON messages between unit and controller, beside the journal and the chunks. All are canonical JSON in UTF-8.
 * Whatever arrives is checked member by member by the reader before it is used.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { FragmentMeta, PullRendition, Rendition } from './fragment.js';

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
}
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
  /** Holds that the unit placed for events, to be let go before their time is over. */
  lifts?: string[];
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
