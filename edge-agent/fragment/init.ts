/** The init segment: `ftyp` + `moov` of a fragmented file (ISO/IEC 14496-12, 8.1 to 8.8). All times are in units of 1/90000 s. */
import { sha256Hex } from '@longroof/base/canonical';
import type { TrackInfo } from '../capture/engine.js';
import { audioEntry } from './audio-entry.js';
import { box, fullBox, MATRIX, u16, u32 } from './boxes.js';
import type { InitSegment } from './fragment.js';
import { jpegEntry } from './jpeg-entry.js';
import { videoEntry } from './video-entry.js';

export const TIMESCALE_90K = 90_000;
export const VIDEO_TRACK = 1;
export const AUDIO_TRACK = 2;
/** 'und' (8.4.2.3). */
const LANGUAGE = 0x55c4;

export function trackId(track: TrackInfo): number {
  return track.kind === 'video' ? VIDEO_TRACK : AUDIO_TRACK;
}

/** Video first, whatever the order of the camera. */
export function makeInit(tracks: readonly TrackInfo[]): InitSegment {
  const ordered = [...tracks].sort((a, b) => trackId(a) - trackId(b));
  const entries = ordered.map((track) => ({ track, ...entryOf(track) }));
  const next = Math.max(...ordered.map(trackId)) + 1;
  const mvhd = fullBox('mvhd', 0, 0, u32(0, 0, TIMESCALE_90K, 0, 0x10000), u16(0x100, 0), u32(0, 0), MATRIX, new Uint8Array(24), u32(next));
  const mvex = box('mvex', ...ordered.map((track) => fullBox('trex', 0, 0, u32(trackId(track), 1, 0, 0, 0))));
  const bytes = Buffer.concat([
    box('ftyp', Buffer.from('iso6'), u32(1), Buffer.from('iso6isomcmfcmp41')),
    box('moov', mvhd, ...entries.map(trak), mvex),
  ]);
  return { bytes, sha256: sha256Hex(bytes), codec: entries.map((entry) => entry.codec).join(',') };
}

interface Entry {
  bytes: Buffer;
  codec: string;
  width: number;
  height: number;
}

function entryOf(track: TrackInfo): Entry {
  if (track.codec === 'jpeg') return jpegEntry(track);
  return track.kind === 'video' ? videoEntry(track) : { ...audioEntry(track), width: 0, height: 0 };
}

function trak({ track, bytes, width, height }: Entry & { track: TrackInfo }): Buffer {
  const video = track.kind === 'video';
  const tkhd = fullBox(
    'tkhd',
    0,
    3,
    u32(0, 0, trackId(track), 0, 0, 0, 0),
    u16(0, 0, video ? 0 : 0x100, 0),
    MATRIX,
    u32(width * 0x10000, height * 0x10000),
  );
  const mdhd = fullBox('mdhd', 0, 0, u32(0, 0, TIMESCALE_90K, 0), u16(LANGUAGE, 0));
  const hdlr = fullBox('hdlr', 0, 0, u32(0), Buffer.from(video ? 'vide' : 'soun'), new Uint8Array(12), Buffer.from('longroof\0'));
  const media = video ? fullBox('vmhd', 0, 1, new Uint8Array(8)) : fullBox('smhd', 0, 0, new Uint8Array(4));
  const dinf = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));
  const none = u32(0);
  const stbl = box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), bytes),
    fullBox('stts', 0, 0, none),
    fullBox('stsc', 0, 0, none),
    fullBox('stsz', 0, 0, u32(0, 0)),
    fullBox('stco', 0, 0, none),
  );
  return box('trak', tkhd, box('mdia', mdhd, hdlr, box('minf', media, dinf, stbl)));
}
