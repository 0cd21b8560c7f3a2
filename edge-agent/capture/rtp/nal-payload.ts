/**
 * RTP payloads of H.264 (RFC 6184, 5.6 to 5.8: single NAL unit, STAP-A, FU-A) and H.265 (RFC 7798, 4.4: single, AP, FU) taken
 * apart in place. Says what lies where; copies nothing.
 */
import type { VideoCodec } from '../codec/video.js';

export interface NalSink {
  /** A whole NAL unit. */
  nal(bytes: Buffer, start: number, end: number): void;
  /** A fragment; `first` and `second` are the bytes of the NAL unit's own header (`second` for H.265 only). */
  fragment(flags: number, first: number, second: number, bytes: Buffer, start: number, end: number): void;
  /** Something in it cannot be read; what could was handed out. */
  malformed(): void;
}

export const FRAGMENT_START = 1;
export const FRAGMENT_END = 2;

export function readNalPayload(codec: VideoCodec, bytes: Buffer, start: number, end: number, sink: NalSink): void {
  if (end - start <= codec.headerBytes) {
    if (end > start) sink.malformed();
    return;
  }
  if (codec.codec === 'h264') readH264(bytes, start, end, sink);
  else readH265(bytes, start, end, sink);
}

/** Where the bytes begin in a payload that is a fragment from the middle of its NAL unit; -1 where it is anything else. */
export function middleAt(codec: VideoCodec, bytes: Buffer, start: number): number {
  const first = bytes[start] as number;
  const fragment = codec.codec === 'h264' ? (first & 31) === 28 : ((first >> 1) & 63) === 49;
  const flags = bytes[start + codec.headerBytes] as number;
  return fragment && flags < 0x40 ? start + codec.headerBytes + 1 : -1;
}

function readH264(bytes: Buffer, start: number, end: number, sink: NalSink): void {
  const first = bytes[start] as number;
  const type = first & 31;
  if (type >= 1 && type <= 23) sink.nal(bytes, start, end);
  else if (type === 24) readAggregate(bytes, start + 1, end, sink);
  else if (type === 28 && end - start > 2) {
    const flags = bytes[start + 1] as number;
    sink.fragment(fragmentFlags(flags), (first & 0xe0) | (flags & 31), 0, bytes, start + 2, end);
  } else sink.malformed();
}

function readH265(bytes: Buffer, start: number, end: number, sink: NalSink): void {
  const first = bytes[start] as number;
  const type = (first >> 1) & 63;
  if (type < 48) sink.nal(bytes, start, end);
  else if (type === 48) readAggregate(bytes, start + 2, end, sink);
  else if (type === 49 && end - start > 3) {
    const flags = bytes[start + 2] as number;
    sink.fragment(fragmentFlags(flags), (first & 0x81) | ((flags & 63) << 1), bytes[start + 1] as number, bytes, start + 3, end);
  } else sink.malformed();
}

/** S is bit 7 and E bit 6 (RFC 6184, 5.8; RFC 7798, 4.4.3). */
const fragmentFlags = (byte: number): number => (byte >> 7) | ((byte >> 5) & 2);

function readAggregate(bytes: Buffer, start: number, end: number, sink: NalSink): void {
  let at = start;
  while (at + 2 <= end) {
    const next = at + 2 + bytes.readUInt16BE(at);
    if (next > end) break;
    if (next > at + 2) sink.nal(bytes, at + 2, next);
    at = next;
  }
  if (at !== end) sink.malformed();
}
