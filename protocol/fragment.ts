/**
 * What a fragment says of itself. The metadata stands in a `uuid` box (ISO/IEC 14496-12, 4.2) in front of its `moof`, so that
 * a reel proves itself without the index.
 *
 * Box: size u32 | 'uuid' | user type 16 bytes | SHA-256 of the JSON, 32 bytes | canonical JSON, UTF-8.
 */
import { canonicalJson, type Json, sha256 } from '@longroof/base/canonical';
import type { Media90k, MonoMs, UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';

/**
 * `original` is the main stream, `proxy` the camera's sub-stream of the same time: both as the camera sent them. `derived` was made on
 * the unit from one of these because a pull asked for a rate; the journal says from which fragments and how. `strip`: one JPEG with some
 * key frames of a minute, made on the unit.
 */
export const RENDITIONS = ['original', 'proxy', 'derived', 'strip'] as const;
export type Rendition = (typeof RENDITIONS)[number];

export function isRendition(value: unknown): value is Rendition {
  return (RENDITIONS as readonly unknown[]).includes(value);
}

/** What a camera records. */
export type CameraRendition = Exclude<Rendition, 'derived' | 'strip'>;
/** What a pull asks for; with a rate, for a derived copy of what the camera recorded. */
export type PullRendition = Exclude<Rendition, 'derived'>;

export function isCameraRendition(value: unknown): value is CameraRendition {
  return value === 'original' || value === 'proxy';
}

export function isPullRendition(value: unknown): value is PullRendition {
  return isCameraRendition(value) || value === 'strip';
}

/** One recorded stream of a unit: a camera in one rendition. As text `front` or `front.proxy`; also its folder in the spool. */
export interface StreamName {
  camera: string;
  rendition: Rendition;
}

export function streamText(stream: StreamName): string {
  return stream.rendition === 'original' ? stream.camera : `${stream.camera}.${stream.rendition}`;
}

export function parseStreamText(text: string): StreamName | undefined {
  const [camera, rendition, ...rest] = text.split('.');
  if (!isId(camera) || rest.length > 0 || rendition === 'original' || !isRendition(rendition ?? 'original')) return undefined;
  return { camera, rendition: (rendition as Rendition | undefined) ?? 'original' };
}

export type WallSource = 'gnss' | 'ntp' | 'camera' | 'rtc' | 'none';

/** What the unit believed the wall time to be, how it knew, and by how much it may be wrong. */
export interface WallClaim {
  utcMs: UtcMs;
  source: WallSource;
  errorMs: number;
}

export interface FragmentMeta extends StreamName {
  v: 1;
  unit: string;
  /** 32 hex digits: the life of the spool. */
  epoch: string;
  run: number;
  seq: number;
  /** The kernel's boot id: monotonic times compare only within one. */
  boot: string;
  /** Monotonic time of the first frame, jitter of arrival removed. */
  startMonoMs: MonoMs;
  /** Monotonic time at which its first packet was read. */
  arrivalMonoMs: MonoMs;
  start90k: Media90k;
  duration90k: Media90k;
  /** Claim for the first frame. */
  wall: WallClaim;
  /** The camera's own clock at the first frame, from its RTCP sender reports; null where it sent none. */
  cameraUtcMs: UtcMs | null;
  /** `moof` + `mdat`. */
  bytes: number;
  /** Hex SHA-256 over `moof` + `mdat`. */
  sha256: string;
  /** Hex SHA-256 of the init segment (`ftyp` + `moov`). */
  initSha256: string;
  /** RFC 6381 codecs, video first: `avc1.64001f` or `hvc1.1.6.L93.B0,mp4a.40.2`. */
  codec: string;
  frames: number;
  keyFrames: number;
  /** RTP packets that never arrived, exact by sequence number. */
  lostPackets: number;
  /** Starts with a key frame, so that it decodes without what is before it. */
  independent: boolean;
  /** Holds at least one access unit that is not whole. */
  damaged: boolean;
}

/** Names one fragment of the world. */
export interface FragmentId extends StreamName {
  unit: string;
  epoch: string;
  run: number;
  seq: number;
}

/** 4c524647-0001-4c6f-8e67-726f6f660001 */
export const FRAGMENT_USER_TYPE = Buffer.from('4c52464700014c6f8e67726f6f660001', 'hex');
const HEAD_BYTES = 8 + 16 + 32;
/** A larger metadata box is not one of ours. */
export const FRAGMENT_BOX_BYTES_MAX = 4096;

export function encodeFragmentBox(meta: FragmentMeta): Buffer {
  const json = Buffer.from(canonicalJson(meta as unknown as Json), 'utf8');
  const box = Buffer.allocUnsafe(HEAD_BYTES + json.length);
  box.writeUInt32BE(box.length, 0);
  box.write('uuid', 4, 'latin1');
  FRAGMENT_USER_TYPE.copy(box, 8);
  sha256(json).copy(box, 24);
  json.copy(box, HEAD_BYTES);
  return box;
}

/** Reads a whole metadata box; throws `corrupt` (LR_FRAGMENT_BOX) for anything else. */
export function decodeFragmentBox(box: Uint8Array): FragmentMeta {
  const bytes = Buffer.from(box.buffer, box.byteOffset, box.byteLength);
  const bad = (why: string): never => {
    throw new Fault('corrupt', 'LR_FRAGMENT_BOX', `not a fragment's metadata box: ${why}`);
  };
  if (bytes.length < HEAD_BYTES + 2 || bytes.length > FRAGMENT_BOX_BYTES_MAX) bad(`${bytes.length} bytes`);
  if (bytes.readUInt32BE(0) !== bytes.length || bytes.toString('latin1', 4, 8) !== 'uuid') bad('wrong box header');
  if (!bytes.subarray(8, 24).equals(FRAGMENT_USER_TYPE)) bad('another user type');
  const json = bytes.subarray(HEAD_BYTES);
  if (!sha256(json).equals(bytes.subarray(24, HEAD_BYTES))) bad('its hash differs');
  let value: unknown;
  try {
    value = JSON.parse(json.toString('utf8'));
  } catch {
    bad('not JSON');
  }
  return checkFragmentMeta(value);
}

const HEX32 = /^[0-9a-f]{32}$/;
const HEX64 = /^[0-9a-f]{64}$/;
const SOURCES: ReadonlySet<unknown> = new Set(['gnss', 'ntp', 'camera', 'rtc', 'none']);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isReal = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

export function isWallClaim(value: unknown): value is WallClaim {
  const claim = value as Partial<WallClaim> | null;
  return (
    typeof claim === 'object' &&
    claim !== null &&
    isReal(claim.utcMs) &&
    SOURCES.has(claim.source) &&
    isReal(claim.errorMs) &&
    claim.errorMs >= 0
  );
}

/** Checks every member; throws `corrupt` (LR_FRAGMENT_META) that names the first wrong one. */
export function checkFragmentMeta(value: unknown): FragmentMeta {
  const meta = (typeof value === 'object' && value !== null ? value : {}) as Record<keyof FragmentMeta, unknown>;
  const rules: [keyof FragmentMeta, boolean][] = [
    ['v', meta.v === 1],
    ['unit', isId(meta.unit)],
    ['camera', isId(meta.camera)],
    ['rendition', isRendition(meta.rendition)],
    ['epoch', typeof meta.epoch === 'string' && HEX32.test(meta.epoch)],
    ['boot', typeof meta.boot === 'string' && meta.boot.length > 0 && meta.boot.length <= 64],
    ['run', isCount(meta.run)],
    ['seq', isCount(meta.seq)],
    ['startMonoMs', isReal(meta.startMonoMs)],
    ['arrivalMonoMs', isReal(meta.arrivalMonoMs)],
    ['start90k', isCount(meta.start90k)],
    ['duration90k', isCount(meta.duration90k)],
    ['wall', isWallClaim(meta.wall)],
    ['cameraUtcMs', meta.cameraUtcMs === null || isReal(meta.cameraUtcMs)],
    ['bytes', isCount(meta.bytes)],
    ['sha256', typeof meta.sha256 === 'string' && HEX64.test(meta.sha256)],
    ['initSha256', typeof meta.initSha256 === 'string' && HEX64.test(meta.initSha256)],
    ['codec', typeof meta.codec === 'string' && /^[A-Za-z0-9.,-]{1,128}$/.test(meta.codec)],
    ['frames', isCount(meta.frames)],
    ['keyFrames', isCount(meta.keyFrames)],
    ['lostPackets', isCount(meta.lostPackets)],
    ['independent', typeof meta.independent === 'boolean'],
    ['damaged', typeof meta.damaged === 'boolean'],
  ];
  for (const [key, ok] of rules) if (!ok) throw new Fault('corrupt', 'LR_FRAGMENT_META', `fragment metadata: ${key} is wrong`);
  return value as FragmentMeta;
}
