/**
 * Live view: while somebody watches a camera, the unit sends each of its fragments as soon as it is durable, as a piece:
 * header length u32 big endian | header, canonical JSON | init segment, `initBytes` of it | `moof` + `mdat`.
 * A piece travels in chunks (chunk.ts) on `live/CAMERA`, one handle each. It is only shown: what is seen live counts as stored nowhere.
 */
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { checkFragmentMeta, type FragmentMeta, isWallClaim, type WallClaim } from './fragment.js';

/** Cameras of one unit that are shown at once. */
export const LIVE_CAMERAS_MAX = 4;
/** The most that one desired state may ask for; it is asked for again while somebody watches. */
export const LIVE_FOR_MS_MAX = 60_000;
/** A longer piece is not shown. */
export const LIVE_PIECE_BYTES_MAX = 8 * 1024 * 1024;
const HEAD_BYTES_MAX = 8 * 1024;
const LENGTH_BYTES = 4;

/** Why a unit sends nothing of a camera. */
export const LIVE_REFUSALS = ['LR_LIVE_CAMERA', 'LR_LIVE_NOT_RECORDING', 'LR_LIVE_BUDGET'] as const;
export type LiveRefusal = (typeof LIVE_REFUSALS)[number];

/** As it stands in a desired state. */
export interface DesiredLive {
  camera: string;
  /** From when the unit takes the desired state, by its monotonic clock. */
  forMs: number;
}

export function isDesiredLive(value: unknown): value is DesiredLive {
  const live = value as Partial<DesiredLive> | null;
  if (typeof live !== 'object' || live === null || !isId(live.camera)) return false;
  return Number.isSafeInteger(live.forMs) && (live.forMs as number) > 0 && (live.forMs as number) <= LIVE_FOR_MS_MAX;
}

export interface LivePiece {
  meta: FragmentMeta;
  /** Best known wall time of its start. */
  wall: WallClaim;
  /** With the first piece and with each change. */
  init: Uint8Array | undefined;
  media: Uint8Array;
}

export type LiveMessage = LivePiece | { camera: string; refused: LiveRefusal };

function frame(head: object, ...bodies: readonly Uint8Array[]): Buffer {
  const json = Buffer.from(canonicalJson(head as Json), 'utf8');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, ...bodies]);
}

export function encodeLivePiece({ meta, wall, init, media }: LivePiece): Buffer {
  return frame({ meta, wall, initBytes: init?.length ?? 0 }, ...(init ? [init] : []), media);
}

export function encodeLiveRefusal(camera: string, refused: LiveRefusal): Buffer {
  return frame({ camera, refused });
}

/** Views, not copies. Throws `invalid` (LR_LIVE_PIECE), also where the bytes are not those of the fragment's hash. */
export function readLiveMessage(message: Uint8Array): LiveMessage {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const bad = (why: string): never => {
    throw new Fault('invalid', 'LR_LIVE_PIECE', `live: ${why}`);
  };
  const headBytes = bytes.length >= LENGTH_BYTES ? bytes.readUInt32BE(0) : 0;
  const bodyAt = LENGTH_BYTES + headBytes;
  if (headBytes === 0 || headBytes > HEAD_BYTES_MAX || bodyAt > bytes.length) bad('header length');
  let head: Record<string, unknown> = {};
  try {
    head = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, bodyAt)) as typeof head;
  } catch {
    bad('not JSON');
  }
  if (typeof head !== 'object' || head === null) bad('not an object');
  const { refused, camera, initBytes, wall } = head;
  if (refused !== undefined) {
    if (!(LIVE_REFUSALS as readonly unknown[]).includes(refused) || !isId(camera)) bad('not a refusal');
    return { camera: camera as string, refused: refused as LiveRefusal };
  }
  const initEnd = bodyAt + (Number.isSafeInteger(initBytes) && (initBytes as number) >= 0 ? (initBytes as number) : Number.NaN);
  if (!(initEnd <= bytes.length) || !isWallClaim(wall)) bad('init or wall time');
  const meta = checkFragmentMeta(head['meta']);
  const media = bytes.subarray(initEnd);
  const init = initEnd > bodyAt ? bytes.subarray(bodyAt, initEnd) : undefined;
  if (media.length !== meta.bytes || sha256Hex(media) !== meta.sha256) bad('not the bytes of its hash');
  if (init && sha256Hex(init) !== meta.initSha256) bad('not the init segment of its hash');
  return { meta, wall: wall as WallClaim, init, media };
}
