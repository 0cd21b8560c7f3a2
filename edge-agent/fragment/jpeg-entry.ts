/** Sample entry of JPEG pictures (ISO/IEC 14496-14, 5.6: `mp4v`; object type 0x6C, ISO/IEC 10918-1) with its elementary stream descriptor. */
import type { TrackInfo } from '../capture/engine.js';
import { descriptor } from './audio-entry.js';
import { fullBox, u8, u16, u32 } from './boxes.js';
import { type SampleEntry, visualEntry } from './video-entry.js';

export function jpegEntry({ width = 0, height = 0 }: TrackInfo): SampleEntry {
  // Stream type 4 is visual, with the reserved bit set.
  const decoder = descriptor(4, u8(0x6c, 0x11, 0, 0, 0), u32(0, 0));
  const esds = fullBox('esds', 0, 0, descriptor(3, u16(0), u8(0), decoder, descriptor(6, u8(2))));
  return { bytes: visualEntry('mp4v', width, height, esds), codec: 'mp4v.6C', width, height };
}
