/** Sample entry of AAC (ISO/IEC 14496-12, 12.2.3; ISO/IEC 14496-14, 5.6) with its elementary stream descriptor (ISO/IEC 14496-1, 7.2.6). */
import type { TrackInfo } from '../capture/engine.js';
import { box, fullBox, u8, u16, u32 } from './boxes.js';

export function descriptor(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u8(tag, 0x80, 0x80 | ((body.length >> 14) & 0x7f), 0x80 | ((body.length >> 7) & 0x7f), body.length & 0x7f), body]);
}

export function audioEntry(track: TrackInfo): { bytes: Buffer; codec: string } {
  const config = track.audioConfig ?? u8(0x11, 0x90);
  const first = (config[0] ?? 0) >> 3;
  const objectType = first === 31 ? 32 + ((((config[0] ?? 0) & 7) << 3) | ((config[1] ?? 0) >> 5)) : first;
  // Object type 0x40 is AAC; stream type 5 is audio, with the reserved bit set.
  const decoder = descriptor(4, u8(0x40, 0x15, 0, 0, 0), u32(0, 0), descriptor(5, config));
  const esds = fullBox('esds', 0, 0, descriptor(3, u16(0), u8(0), decoder, descriptor(6, u8(2))));
  const rate = Math.min(track.sampleRate ?? track.clockRate, 0xffff);
  const entry = [new Uint8Array(6), u16(1), new Uint8Array(8), u16(track.channels ?? 1, 16, 0, 0), u32(rate * 0x10000)];
  return { bytes: box('mp4a', ...entry, esds), codec: `mp4a.40.${objectType}` };
}
