/** The tracks of a `moov` as ffmpeg writes it (ISO/IEC 14496-12, 8.3; ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1; ISO/IEC 14496-1, 7.2.6). */
import { findBox, findBoxes } from '@longroof/base/iso-box';
import type { Codec } from '../engine.js';

export interface Mp4Track {
  id: number;
  codec: Exclude<Codec, 'jpeg'>;
  timescale: number;
  parameterSets: Buffer[];
  audioConfig: Buffer | undefined;
}

const SETS_MAX = 64;

/** Tracks of other codecs are left out. */
export function readTracks(moov: Uint8Array): Mp4Track[] {
  const tracks: Mp4Track[] = [];
  for (const trak of findBoxes(moov, 'moov/trak')) {
    const tkhd = view(findBox(trak, 'tkhd'));
    const mdhd = view(findBox(trak, 'mdia/mdhd'));
    const stsd = findBox(trak, 'mdia/minf/stbl/stsd');
    if (!tkhd || !mdhd || !stsd || tkhd.length < 24 || mdhd.length < 24) continue;
    const about = readEntry(stsd.subarray(8));
    const timescale = mdhd.readUInt32BE(mdhd[0] === 1 ? 20 : 12);
    if (about && timescale > 0) tracks.push({ id: tkhd.readUInt32BE(tkhd[0] === 1 ? 20 : 12), timescale, ...about });
  }
  return tracks;
}

function readEntry(entries: Uint8Array): Pick<Mp4Track, 'codec' | 'parameterSets' | 'audioConfig'> | undefined {
  const avcC = view(findBox(entries, 'avc1/avcC'));
  if (avcC) return { codec: 'h264', parameterSets: readAvc(avcC), audioConfig: undefined };
  const hvcC = view(findBox(entries, 'hev1/hvcC') ?? findBox(entries, 'hvc1/hvcC'));
  if (hvcC) return { codec: 'h265', parameterSets: readHevc(hvcC), audioConfig: undefined };
  const esds = view(findBox(entries, 'mp4a/esds'));
  const audioConfig = esds ? readDecoderInfo(esds) : undefined;
  return audioConfig ? { codec: 'aac', parameterSets: [], audioConfig } : undefined;
}

function readSets(bytes: Buffer, from: number, count: number, sets: Buffer[]): number {
  let at = from;
  for (let i = 0; i < count && at + 2 <= bytes.length && sets.length < SETS_MAX; i++) {
    const next = at + 2 + bytes.readUInt16BE(at);
    if (next > bytes.length) break;
    sets.push(Buffer.from(bytes.subarray(at + 2, next)));
    at = next;
  }
  return at;
}

function readAvc(avcC: Buffer): Buffer[] {
  const sets: Buffer[] = [];
  const at = readSets(avcC, 6, (avcC[5] ?? 0) & 31, sets);
  readSets(avcC, at + 1, avcC[at] ?? 0, sets);
  return sets;
}

function readHevc(hvcC: Buffer): Buffer[] {
  const sets: Buffer[] = [];
  let at = 23;
  for (let array = 0; array < (hvcC[22] ?? 0) && at + 3 <= hvcC.length; array++)
    at = readSets(hvcC, at + 3, hvcC.readUInt16BE(at + 1), sets);
  return sets;
}

/** The DecoderSpecificInfo (tag 5) inside ES and decoder descriptors (tags 3 and 4). */
function readDecoderInfo(esds: Buffer): Buffer | undefined {
  let at = 4;
  for (let depth = 0; depth < 8 && at < esds.length; depth++) {
    const tag = esds[at++];
    let length = 0;
    for (let i = 0; i < 4; i++) {
      const byte = esds[at++] ?? 0;
      length = (length << 7) | (byte & 127);
      if ((byte & 128) === 0) break;
    }
    if (tag === 5) return at + length <= esds.length && length >= 2 ? Buffer.from(esds.subarray(at, at + length)) : undefined;
    if (tag === 3) at += 3;
    else if (tag === 4) at += 13;
    else at += length;
  }
  return undefined;
}

const view = (bytes: Uint8Array | undefined): Buffer | undefined => bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
