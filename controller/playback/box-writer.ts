/** Writes boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2). Sizes follow from what is given. */
const HEADER_BYTES = 8;
/** From this size on the 64-bit form of a box header or a chunk table is used. */
export const LARGE_BYTES = 2 ** 32;

export function box(type: string, ...parts: readonly Uint8Array[]): Buffer {
  const bytes = parts.reduce((sum, part) => sum + part.length, HEADER_BYTES);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(bytes, 0);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, ...parts], bytes);
}

export function fullBox(type: string, version: number, flags: number, ...parts: readonly Uint8Array[]): Buffer {
  return box(type, u32(((version << 24) | flags) >>> 0), ...parts);
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

export function u64(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigUInt64BE(BigInt(value), index * 8);
  return bytes;
}

/** Header of an `mdat` with so many bytes of payload: 8 bytes, or 16 where the size needs 64 bits. */
export function mediaDataHeader(payloadBytes: number): Buffer {
  if (payloadBytes + HEADER_BYTES < LARGE_BYTES) return Buffer.concat([u32(payloadBytes + HEADER_BYTES), Buffer.from('mdat', 'latin1')]);
  return Buffer.concat([u32(1), Buffer.from('mdat', 'latin1'), u64(payloadBytes + 16)]);
}
