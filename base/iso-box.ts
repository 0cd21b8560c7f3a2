/**
 * Reads boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2) in place: no copies, no recursion on untrusted input, a
 * bound on their number. Whatever the bytes, a reader here ends and either yields boxes that lie inside the bytes or throws a
 * Fault `corrupt` (LR_BOX) that names the offset.
 */
import { Fault } from './errors.js';

export interface Box {
  /** Four characters; for `uuid` boxes the user type stands in the first 16 bytes of the payload. */
  type: string;
  /** Of the box's first byte, in the bytes read. */
  offset: number;
  /** 8, or 16 where the size is 64 bits wide. */
  headerBytes: number;
  /** Header and payload. */
  bytes: number;
}

export interface BoxHeader {
  type: string;
  headerBytes: number;
  /** Header and payload; 0 where the box reaches to the end of the file. */
  bytes: number;
}

/** More boxes in one container are refused. */
export const BOXES_MAX = 65_536;
const HEADER_BYTES = 8;
const LARGE_HEADER_BYTES = 16;

/** Where the boxes inside a container begin, from its payload's first byte (ISO/IEC 14496-12; sample entries: 8.5.2, 12.1.3, 12.2.3). */
const CHILDREN_AT: Readonly<Record<string, number>> = {
  moov: 0,
  trak: 0,
  mdia: 0,
  minf: 0,
  dinf: 0,
  stbl: 0,
  mvex: 0,
  moof: 0,
  traf: 0,
  edts: 0,
  stsd: 8,
  dref: 8,
  avc1: 78,
  avc3: 78,
  hvc1: 78,
  hev1: 78,
  mp4a: 28,
};

/** The header at `offset`, or undefined while it is not whole yet. Throws LR_BOX for a size smaller than the header. */
export function readBoxHeader(bytes: Uint8Array, offset: number): BoxHeader | undefined {
  if (offset + HEADER_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(offset);
  const type = String.fromCharCode(
    view.getUint8(offset + 4),
    view.getUint8(offset + 5),
    view.getUint8(offset + 6),
    view.getUint8(offset + 7),
  );
  if (size === 0) return { type, headerBytes: HEADER_BYTES, bytes: 0 };
  if (size !== 1) {
    if (size < HEADER_BYTES) throw corrupt(offset, `a size of ${size}`);
    return { type, headerBytes: HEADER_BYTES, bytes: size };
  }
  if (offset + LARGE_HEADER_BYTES > bytes.length) return undefined;
  const large = view.getBigUint64(offset + 8);
  if (large < BigInt(LARGE_HEADER_BYTES) || large > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(offset, `a size of ${large}`);
  return { type, headerBytes: LARGE_HEADER_BYTES, bytes: Number(large) };
}

/** The boxes that fill `bytes[from..to)`, in order. Throws LR_BOX where they do not fill it exactly. */
export function* readBoxes(bytes: Uint8Array, from = 0, to = bytes.length): Generator<Box, void, undefined> {
  let offset = from;
  for (let count = 0; offset < to; count++) {
    if (count === BOXES_MAX) throw corrupt(offset, `more than ${BOXES_MAX} boxes`);
    const header = readBoxHeader(bytes, offset);
    if (!header) throw corrupt(offset, 'an incomplete header');
    const size = header.bytes === 0 ? to - offset : header.bytes;
    if (size < header.headerBytes || offset + size > to) throw corrupt(offset, `${size} bytes where ${to - offset} are left`);
    yield { type: header.type, offset, headerBytes: header.headerBytes, bytes: size };
    offset += size;
  }
}

/** The payload of a box, a view. */
export function boxPayload(bytes: Uint8Array, box: Box): Uint8Array {
  return bytes.subarray(box.offset + box.headerBytes, box.offset + box.bytes);
}

/**
 * Payloads of all boxes at a path such as `moov/trak/mdia/mdhd`, in order of the file. Every part but the last must be a
 * container this module knows; a container too short for its own fields holds nothing.
 */
export function findBoxes(bytes: Uint8Array, path: string): Uint8Array[] {
  let level: Uint8Array[] = [bytes];
  const parts = path.split('/');
  for (const [depth, part] of parts.entries()) {
    const next: Uint8Array[] = [];
    for (const payload of level) {
      const childrenAt = depth === 0 ? 0 : (CHILDREN_AT[parts[depth - 1] ?? ''] ?? payload.length);
      for (const box of readBoxes(payload, Math.min(childrenAt, payload.length))) {
        if (box.type === part) next.push(boxPayload(payload, box));
      }
      if (next.length > BOXES_MAX) throw corrupt(0, `more than ${BOXES_MAX} boxes at ${path}`);
    }
    level = next;
  }
  return level;
}

/** The first box at a path, or undefined. */
export function findBox(bytes: Uint8Array, path: string): Uint8Array | undefined {
  return findBoxes(bytes, path)[0];
}

function corrupt(offset: number, why: string): Fault {
  return new Fault('corrupt', 'LR_BOX', `box at byte ${offset}: ${why}`, { detail: { offset } });
}
