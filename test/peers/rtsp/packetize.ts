/**
 * A coded unit as RTP packets, each behind its interleaved header (RFC 2326, 10.12), in one buffer. Made once; sequence number,
 * timestamp and SSRC are patched in at each sending.
 */
import type { ClipTrack, ClipUnit } from './clip.js';
import type { MountSpec } from './spec.js';

export interface PacketizedUnit {
  buffer: Buffer;
  /** Offsets of each packet's `$`; one more at the end. */
  starts: number[];
}

export interface PacketShape {
  channel: number;
  payloadType: number;
  options: MountSpec;
}

const INTERLEAVED_BYTES = 4;
const RTP_HEADER_BYTES = 12;

export function packetize(unit: ClipUnit, track: ClipTrack, shape: PacketShape): PacketizedUnit {
  const bytesMax = shape.options.payloadBytesMax ?? 1400;
  const payloads =
    track.kind === 'audio' ? audioPayloads(unit, bytesMax) : videoPayloads(unit, track, bytesMax, shape.options.aggregate === true);
  const packets = payloads.map((parts, index) => frame(parts, index === payloads.length - 1, track.kind, shape));
  const starts = [0];
  for (const packet of packets) starts.push((starts.at(-1) ?? 0) + packet.length);
  return { buffer: Buffer.concat(packets), starts };
}

/** RFC 3550, 5.1. */
function frame(payload: Buffer[], last: boolean, kind: ClipTrack['kind'], shape: PacketShape): Buffer {
  const { options } = shape;
  const csrcs = options.csrcs ?? 0;
  const extension = options.headerExtension ? Buffer.from([0xbe, 0xde, 0x00, 0x01, 0x10, 0xff, 0x00, 0x00]) : Buffer.alloc(0);
  const padding = Buffer.alloc(options.paddingBytes ?? 0);
  if (padding.length > 0) padding[padding.length - 1] = padding.length;
  const header = Buffer.alloc(INTERLEAVED_BYTES + RTP_HEADER_BYTES + 4 * csrcs);
  const body = Buffer.concat([header, extension, ...payload, padding]);
  body[0] = 0x24;
  body[1] = shape.channel;
  body.writeUInt16BE(body.length - INTERLEAVED_BYTES, 2);
  body[4] = 0x80 | (padding.length > 0 ? 0x20 : 0) | (extension.length > 0 ? 0x10 : 0) | csrcs;
  const marker = options.marker === 'always' || (options.marker !== 'never' && last) || (kind === 'audio' && last);
  body[5] = (marker ? 0x80 : 0) | shape.payloadType;
  return body;
}

/** Fills in what differs from sending to sending, of the packet at `start`. */
export function patchPacket(buffer: Buffer, start: number, sequence: number, timestamp: number, ssrc: number): void {
  buffer.writeUInt16BE(sequence & 0xffff, start + 6);
  buffer.writeUInt32BE(timestamp >>> 0, start + 8);
  buffer.writeUInt32BE(ssrc >>> 0, start + 12);
}

function videoPayloads(unit: ClipUnit, track: ClipTrack, bytesMax: number, aggregate: boolean): Buffer[][] {
  const headerBytes = track.codec === 'h264' ? 1 : 2;
  const payloads: Buffer[][] = [];
  let group: Buffer[] = [];
  const flush = (): void => {
    if (group.length === 1) payloads.push(group);
    if (group.length > 1) payloads.push(aggregation(group, track.codec));
    group = [];
  };
  const groupBytes = (): number => group.reduce((sum, nal) => sum + 2 + nal.length, headerBytes);
  for (const nal of unit.nals) {
    if (nal.length > bytesMax) {
      flush();
      payloads.push(...fragments(nal, track.codec, bytesMax));
    } else {
      if (!aggregate || groupBytes() + 2 + nal.length > bytesMax) flush();
      group.push(nal);
    }
  }
  flush();
  return payloads;
}

/** STAP-A: RFC 6184, 5.7.1; AP: RFC 7798, 4.4.2. */
function aggregation(nals: readonly Buffer[], codec: ClipTrack['codec']): Buffer[] {
  const importance = Math.max(...nals.map((nal) => (nal[0] ?? 0) & 0x60));
  const parts: Buffer[] = [codec === 'h264' ? Buffer.from([importance | 24]) : Buffer.from([48 << 1, 1])];
  for (const nal of nals) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(nal.length);
    parts.push(length, nal);
  }
  return parts;
}

/** FU-A: RFC 6184, 5.8; FU: RFC 7798, 4.4.3. */
function fragments(nal: Buffer, codec: ClipTrack['codec'], bytesMax: number): Buffer[][] {
  const nalHeaderBytes = codec === 'h264' ? 1 : 2;
  const first = nal[0] ?? 0;
  const indicator = codec === 'h264' ? Buffer.from([(first & 0xe0) | 28]) : Buffer.from([(first & 0x81) | (49 << 1), nal[1] ?? 0]);
  const type = codec === 'h264' ? first & 31 : (first >> 1) & 63;
  const room = bytesMax - indicator.length - 1;
  const payloads: Buffer[][] = [];
  for (let at = nalHeaderBytes; at < nal.length; at += room) {
    const flags = (at === nalHeaderBytes ? 0x80 : 0) | (at + room >= nal.length ? 0x40 : 0);
    payloads.push([indicator, Buffer.from([flags | type]), nal.subarray(at, at + room)]);
  }
  return payloads;
}

/** AAC-hbr: RFC 3640, 3.3.6; a frame over the limit is sent in fragments that all tell the whole size. */
function audioPayloads(unit: ClipUnit, bytesMax: number): Buffer[][] {
  const [frameBytes = Buffer.alloc(0)] = unit.nals;
  const head = Buffer.alloc(4);
  head.writeUInt16BE(16, 0);
  head.writeUInt16BE((frameBytes.length & 0x1fff) << 3, 2);
  const payloads: Buffer[][] = [];
  for (let at = 0; at < frameBytes.length; at += bytesMax - 4) payloads.push([head, frameBytes.subarray(at, at + bytesMax - 4)]);
  return payloads;
}
