/**
 * Reads an init segment (`ftyp` + `moov` with `mvex`, ISO/IEC 14496-12, 8.8): what a plain MP4 needs to know of each track. All of it
 * are views into the given bytes. Throws `corrupt` (LR_INIT_SEGMENT) for anything that is not one.
 */
import { Fault } from '@longroof/base/errors';
import { boxPayload, findBox, findBoxes, readBoxes } from '@longroof/base/iso-box';

export interface TrackInit {
  trackId: number;
  /** Units of a second in this track. */
  timescale: number;
  /** Four characters: `vide`, `soun`. */
  handler: string;
  /** Payload of `tkhd` and of `mdhd`. */
  trackHeader: Uint8Array;
  mediaHeader: Uint8Array;
  /** Whole boxes: `hdlr`; those of `minf` but `stbl`; `stsd`. */
  handlerBox: Uint8Array;
  informationBoxes: Uint8Array[];
  descriptionBox: Uint8Array;
  defaults: SampleDefaults;
}

export interface SampleDefaults {
  duration: number;
  size: number;
  flags: number;
}

export interface InitSegment {
  tracks: TrackInit[];
}

const TRACKS_MAX = 8;

function bad(why: string): Fault {
  return new Fault('corrupt', 'LR_INIT_SEGMENT', `not an init segment: ${why}`);
}

function need(payload: Uint8Array | undefined, bytesMin: number, what: string): Buffer {
  if (!payload || payload.length < bytesMin) throw bad(`${what} is missing or short`);
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

export function parseInitSegment(bytes: Uint8Array): InitSegment {
  const moov = need(findBox(bytes, 'moov'), 8, 'moov');
  const defaults = new Map<number, SampleDefaults>();
  for (const found of findBoxes(bytes, 'moov/mvex/trex')) {
    const trex = need(found, 24, 'trex');
    defaults.set(trex.readUInt32BE(4), { duration: trex.readUInt32BE(12), size: trex.readUInt32BE(16), flags: trex.readUInt32BE(20) });
  }
  const tracks: TrackInit[] = [];
  for (const entry of readBoxes(moov)) {
    if (entry.type !== 'trak') continue;
    if (tracks.length === TRACKS_MAX) throw bad(`more than ${TRACKS_MAX} tracks`);
    tracks.push(parseTrack(boxPayload(moov, entry), defaults));
  }
  if (tracks.length === 0) throw bad('no track');
  return { tracks };
}

function parseTrack(trak: Uint8Array, defaults: ReadonlyMap<number, SampleDefaults>): TrackInit {
  const trackHeader = need(findBox(trak, 'tkhd'), 84, 'tkhd');
  const mediaHeader = need(findBox(trak, 'mdia/mdhd'), 24, 'mdhd');
  const trackId = trackHeader.readUInt32BE(trackHeader[0] === 1 ? 20 : 12);
  const timescale = mediaHeader.readUInt32BE(mediaHeader[0] === 1 ? 20 : 12);
  const trackDefaults = defaults.get(trackId);
  if (timescale === 0 || !trackDefaults) throw bad(`track ${trackId} has no timescale or no trex`);
  const handlerBox = wholeBox(findBox(trak, 'mdia'), 'hdlr');
  const minf = findBox(trak, 'mdia/minf');
  const informationBoxes: Uint8Array[] = [];
  for (const entry of readBoxes(need(minf, 8, 'minf')))
    if (entry.type !== 'stbl') informationBoxes.push((minf as Uint8Array).subarray(entry.offset, entry.offset + entry.bytes));
  return {
    trackId,
    timescale,
    handler: need(handlerBox, 20, 'hdlr').toString('latin1', 16, 20),
    trackHeader,
    mediaHeader,
    handlerBox,
    informationBoxes,
    descriptionBox: wholeBox(findBox(trak, 'mdia/minf/stbl'), 'stsd'),
    defaults: trackDefaults,
  };
}

function wholeBox(container: Uint8Array | undefined, type: string): Uint8Array {
  for (const entry of readBoxes(need(container, 8, `what holds ${type}`)))
    if (entry.type === type) return (container as Uint8Array).subarray(entry.offset, entry.offset + entry.bytes);
  throw bad(`no ${type}`);
}
