/**
 * A clip: an MP4 file taken apart into coded units, as a camera's encoder would hand them over. Sample positions and times come
 * from ffprobe, decoder configuration from the file's own boxes.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { findBox, findBoxes } from '@longroof/base/iso-box';

const run = promisify(execFile);

export interface ClipUnit {
  /** Index into `Clip.tracks`. */
  track: number;
  key: boolean;
  dts90k: number;
  pts90k: number;
  /** Video: NAL units without start code or length; audio: one raw AAC frame. */
  nals: Buffer[];
  /** Hex, over the unit in MP4 form: each NAL unit behind its u32 length; audio: the frame. */
  sha256: string;
  /** The same over the NAL units that carry picture data only (no parameter sets, SEI, delimiters). */
  pictureSha256: string;
}

export interface ClipTrack {
  kind: 'video' | 'audio';
  codec: 'h264' | 'h265' | 'aac';
  clockRate: number;
  channels: number;
  /** VPS, SPS, PPS; empty for audio. */
  parameterSets: Buffer[];
  /** AudioSpecificConfig; empty for video. */
  audioConfig: Buffer;
}

export interface Clip {
  tracks: ClipTrack[];
  /** In order of dts90k, the first at 0. */
  units: ClipUnit[];
  /** From the first unit to where the first would stand again. */
  duration90k: number;
}

export interface ClipOptions {
  /** Parameter sets in front of each key frame. */
  inBand: boolean;
  audio: boolean;
}

interface Packet {
  codec_type: string;
  pts_time?: string;
  dts_time?: string;
  duration_time?: string;
  pos: string;
  size: string;
  flags: string;
}

/** Loads a clip from a non-fragmented MP4 file with one H.264 or H.265 track and at most one AAC track. */
export async function loadClip(file: string, options: ClipOptions): Promise<Clip> {
  const bytes = fs.readFileSync(file);
  const tracks = readTracks(bytes).filter((track) => options.audio || track.kind === 'video');
  const entries = 'packet=codec_type,pts_time,dts_time,duration_time,pos,size,flags';
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'json', file], { maxBuffer: 256 << 20 });
  const packets = (JSON.parse(stdout) as { packets: Packet[] }).packets;
  const units: ClipUnit[] = [];
  let end90k = 0;
  for (const packet of packets) {
    const track = tracks.findIndex((candidate) => candidate.kind === packet.codec_type);
    const about = tracks[track];
    if (!about) continue;
    const data = bytes.subarray(Number(packet.pos), Number(packet.pos) + Number(packet.size));
    const dts90k = Math.round(Number(packet.dts_time ?? packet.pts_time) * 90_000);
    const pts90k = Math.round(Number(packet.pts_time ?? packet.dts_time) * 90_000);
    units.push(makeUnit(track, about, data, packet.flags.startsWith('K'), dts90k, pts90k, options.inBand));
    end90k = Math.max(end90k, dts90k + Math.round(Number(packet.duration_time ?? 0) * 90_000));
  }
  units.sort((a, b) => a.dts90k - b.dts90k || a.track - b.track);
  const first90k = units[0]?.dts90k ?? 0;
  for (const unit of units) {
    unit.dts90k -= first90k;
    unit.pts90k -= first90k;
  }
  if (units.length === 0) throw new Error(`${file} holds nothing to play`);
  return { tracks, units, duration90k: end90k - first90k };
}

/** The unit as it goes out: parameter sets in front where wanted, hashes computed once. */
function makeUnit(track: number, about: ClipTrack, data: Buffer, key: boolean, dts90k: number, pts90k: number, inBand: boolean): ClipUnit {
  if (about.kind === 'audio') {
    const sha256 = createHash('sha256').update(data).digest('hex');
    return { track, key: true, dts90k, pts90k, nals: [data], sha256, pictureSha256: sha256 };
  }
  const nals = splitLengths(data);
  const all = key && inBand ? withParameterSets(nals, about) : nals;
  const picture = all.filter((nal) => isPicture(about.codec, nal));
  return { track, key, dts90k, pts90k, nals: all, sha256: hashNals(all), pictureSha256: hashNals(picture) };
}

/** A delimiter, where there is one, stays in front (ISO/IEC 14496-10, 7.4.1.2.3). */
function withParameterSets(nals: Buffer[], track: ClipTrack): Buffer[] {
  const rest = nals.filter((nal) => !track.parameterSets.some((set) => set.equals(nal)));
  const delimiter = rest[0] && isDelimiter(track.codec, rest[0]) ? rest.splice(0, 1) : [];
  return [...delimiter, ...track.parameterSets, ...rest];
}

const isDelimiter = (codec: ClipTrack['codec'], nal: Buffer): boolean =>
  codec === 'h264' ? ((nal[0] ?? 0) & 31) === 9 : (((nal[0] ?? 0) >> 1) & 63) === 35;

const isPicture = (codec: ClipTrack['codec'], nal: Buffer): boolean => {
  const type = codec === 'h264' ? (nal[0] ?? 0) & 31 : ((nal[0] ?? 0) >> 1) & 63;
  return codec === 'h264' ? type >= 1 && type <= 5 : type < 32;
};

export function hashNals(nals: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  const length = Buffer.alloc(4);
  for (const nal of nals) {
    length.writeUInt32BE(nal.length);
    hash.update(length).update(nal);
  }
  return hash.digest('hex');
}

function splitLengths(data: Buffer): Buffer[] {
  const nals: Buffer[] = [];
  for (let at = 0; at + 4 <= data.length; ) {
    const length = data.readUInt32BE(at);
    nals.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return nals;
}

function readTracks(file: Buffer): ClipTrack[] {
  const tracks: ClipTrack[] = [];
  for (const stsd of findBoxes(file, 'moov/trak/mdia/minf/stbl/stsd')) {
    // A path is read from the top level of some bytes: behind the sample description's own fields its entries are that.
    const entries = stsd.subarray(8);
    const avcC = findBox(entries, 'avc1/avcC');
    const hvcC = findBox(entries, 'hvc1/hvcC') ?? findBox(entries, 'hev1/hvcC');
    const esds = findBox(entries, 'mp4a/esds');
    const none = Buffer.alloc(0);
    if (avcC)
      tracks.push({ kind: 'video', codec: 'h264', clockRate: 90_000, channels: 0, parameterSets: readAvcC(avcC), audioConfig: none });
    if (hvcC)
      tracks.push({ kind: 'video', codec: 'h265', clockRate: 90_000, channels: 0, parameterSets: readHvcC(hvcC), audioConfig: none });
    const mp4a = findBox(entries, 'mp4a');
    if (esds && mp4a) {
      const view = Buffer.from(mp4a);
      tracks.push({
        kind: 'audio',
        codec: 'aac',
        clockRate: view.readUInt16BE(24),
        channels: view.readUInt16BE(16),
        parameterSets: [],
        audioConfig: readEsds(Buffer.from(esds)),
      });
    }
  }
  return tracks;
}

/** ISO/IEC 14496-15, 5.3.3.1.2. */
function readAvcC(avcC: Uint8Array): Buffer[] {
  const bytes = Buffer.from(avcC);
  const sets: Buffer[] = [];
  let at = 6;
  for (const group of [bytes.readUInt8(5) & 31, -1]) {
    const count = group >= 0 ? group : bytes.readUInt8(at++);
    for (let i = 0; i < count; i++) {
      const length = bytes.readUInt16BE(at);
      sets.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return sets;
}

/** ISO/IEC 14496-15, 8.3.3.1.2; other NAL units than VPS, SPS and PPS (32 to 34) are left out. */
function readHvcC(hvcC: Uint8Array): Buffer[] {
  const bytes = Buffer.from(hvcC);
  const sets: Buffer[] = [];
  let at = 23;
  for (let array = 0; array < bytes.readUInt8(22); array++) {
    const type = bytes.readUInt8(at) & 63;
    const count = bytes.readUInt16BE(at + 1);
    at += 3;
    for (let i = 0; i < count; i++) {
      const length = bytes.readUInt16BE(at);
      if (type >= 32 && type <= 34) sets.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return sets;
}

/** The DecoderSpecificInfo (tag 5) of ISO/IEC 14496-1, 7.2.6.7, found behind its fixed neighbours. */
function readEsds(esds: Buffer): Buffer {
  let at = 4;
  const descriptor = (): { tag: number; length: number } => {
    const tag = esds.readUInt8(at++);
    let length = 0;
    for (let more = true; more; ) {
      const byte = esds.readUInt8(at++);
      length = (length << 7) | (byte & 127);
      more = (byte & 128) !== 0;
    }
    return { tag, length };
  };
  descriptor();
  at += 3;
  descriptor();
  at += 13;
  const specific = descriptor();
  if (specific.tag !== 5) throw new Error('esds without a DecoderSpecificInfo');
  return esds.subarray(at, at + specific.length);
}
