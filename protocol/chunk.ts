/**
 * A chunk of a fragment on the wire: 32 bytes of header, then the payload.
 *
 * offset 0 magic 'LRCK' | 4 version u8 | 5 flags u8 | 6 header length u16 | 8 handle u64 | 16 offset u64 | 24 total u64, all big endian.
 */
import { Fault } from '@longroof/base/errors';

export const CHUNK_HEADER_BYTES = 32;
export const CHUNK_PAYLOAD_BYTES_MAX = 120 * 1024;
export const CHUNK_PAYLOAD_BYTES_SLOW = 16 * 1024;
/** A larger fragment is not accepted by the controller. */
export const FRAGMENT_BYTES_MAX = 64 * 1024 * 1024;
const MAGIC = 0x4c52434b;

/** The most that a fragment grows between two `part` acknowledgements. */
const PART_BYTES = 128 * 1024;

/**
 * Whether the controller acknowledges a fragment's contiguous offset now: each slow chunk, because the sender's window may be no more
 * than that; long ones every min(128 KiB, half the credit). `unackedBytes` counts from the last `part` of this fragment.
 */
export function partIsDue(unackedBytes: number, lastPayloadBytes: number, creditBytes: number): boolean {
  return lastPayloadBytes <= CHUNK_PAYLOAD_BYTES_SLOW || unackedBytes >= Math.min(PART_BYTES, Math.floor(creditBytes / 2));
}

export interface Chunk {
  /** Names the fragment within one connection: given by its manifest. */
  handle: number;
  offset: number;
  total: number;
  payload: Uint8Array;
}

export function writeChunkHeader(target: Buffer, chunk: Omit<Chunk, 'payload'>): void {
  target.writeUInt32BE(MAGIC, 0);
  target.writeUInt8(1, 4);
  target.writeUInt8(0, 5);
  target.writeUInt16BE(CHUNK_HEADER_BYTES, 6);
  target.writeBigUInt64BE(BigInt(chunk.handle), 8);
  target.writeBigUInt64BE(BigInt(chunk.offset), 16);
  target.writeBigUInt64BE(BigInt(chunk.total), 24);
}

/** A view, not a copy. Throws `invalid` (LR_CHUNK) that names the wrong member. */
export function readChunk(message: Uint8Array): Chunk {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const bad = (why: string): never => {
    throw new Fault('invalid', 'LR_CHUNK', `chunk: ${why}`);
  };
  if (bytes.length < CHUNK_HEADER_BYTES || bytes.readUInt32BE(0) !== MAGIC) bad('not a chunk');
  if (bytes.readUInt8(4) !== 1) bad(`version ${bytes.readUInt8(4)}`);
  const headerBytes = bytes.readUInt16BE(6);
  if (headerBytes < CHUNK_HEADER_BYTES || headerBytes > bytes.length) bad('header length');
  const read = (at: number, name: string): number => {
    const value = bytes.readBigUInt64BE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) bad(name);
    return Number(value);
  };
  const chunk = { handle: read(8, 'handle'), offset: read(16, 'offset'), total: read(24, 'total'), payload: bytes.subarray(headerBytes) };
  if (chunk.total === 0 || chunk.total > FRAGMENT_BYTES_MAX) bad('total');
  if (chunk.payload.length === 0 || chunk.payload.length > CHUNK_PAYLOAD_BYTES_MAX) bad('payload length');
  if (chunk.offset + chunk.payload.length > chunk.total) bad('beyond the total');
  return chunk;
}
