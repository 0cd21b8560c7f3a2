/** For tests: real access units, encoded by ffmpeg and found in its MP4 file through ffprobe, and a reader of what the builder made. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findBox, findBoxes } from '@longroof/base/iso-box';
import type { AccessUnit, TrackInfo } from '../capture/engine.js';
import type { FragmentBuilder } from './builder.js';
import type { BuiltFragment } from './fragment.js';

export interface TestUnit {
  kind: 'video' | 'audio';
  bytes: Buffer;
  pts90k: number;
  dts90k: number;
  key: boolean;
}

export interface TestMedia {
  tracks: TrackInfo[];
  units: TestUnit[];
}

export interface Packet {
  stream_index: number;
  pts: number;
  dts: number;
  size: string;
  pos: string;
  flags: string;
}

/** Encodes with the given ffmpeg arguments (inputs and codecs) at 90 kHz. */
export function encode(directory: string, name: string, args: readonly string[]): string {
  const file = path.join(directory, `${name}.mp4`);
  const timescale = ['-video_track_timescale', '90000', '-movflags', '+faststart'];
  execFileSync('ffmpeg', ['-hide_banner', '-v', 'error', '-nostdin', '-y', ...args, ...timescale, file], { stdio: 'pipe' });
  return file;
}

export function packets(file: string): Packet[] {
  const entries = ['-show_entries', 'packet=stream_index,pts,dts,size,pos,flags', '-of', 'json'];
  const text = execFileSync('ffprobe', ['-v', 'error', ...entries, file], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return (JSON.parse(text) as { packets: Packet[] }).packets;
}

export function readMedia(file: string): TestMedia {
  const bytes = fs.readFileSync(file);
  const tracks: TrackInfo[] = [];
  const timescales: number[] = [];
  for (const trak of findBoxes(bytes, 'moov/trak')) {
    timescales.push(Buffer.from(findBox(trak, 'mdia/mdhd') ?? []).readUInt32BE(12));
    tracks.push(readTrack(trak));
  }
  const first = new Map<number, number>();
  const units = packets(file).map((packet): TestUnit => {
    const start = first.get(packet.stream_index) ?? packet.dts;
    first.set(packet.stream_index, start);
    const scale = 90_000 / (timescales[packet.stream_index] ?? 90_000);
    const at = Number(packet.pos);
    return {
      kind: tracks[packet.stream_index]?.kind ?? 'video',
      bytes: bytes.subarray(at, at + Number(packet.size)),
      pts90k: Math.round((packet.pts - start) * scale),
      dts90k: Math.round((packet.dts - start) * scale),
      key: packet.flags.startsWith('K'),
    };
  });
  return { tracks, units: units.sort((a, b) => a.dts90k - b.dts90k) };
}

function readTrack(trak: Uint8Array): TrackInfo {
  const entry = (name: string): Buffer | undefined => {
    const found = findBox(trak, `mdia/minf/stbl/stsd/${name}`);
    return found ? Buffer.from(found) : undefined;
  };
  const avcC = entry('avc1/avcC');
  if (avcC) return { kind: 'video', codec: 'h264', clockRate: 90_000, parameterSets: avcSets(avcC) };
  const hvcC = entry('hvc1/hvcC');
  if (hvcC) return { kind: 'video', codec: 'h265', clockRate: 90_000, parameterSets: hevcSets(hvcC) };
  const mp4a = entry('mp4a') as Buffer;
  const esds = entry('mp4a/esds') as Buffer;
  // DecoderSpecificInfo: tag 5 with its length in the four-byte form.
  const at = esds.indexOf(Buffer.from([5, 0x80, 0x80, 0x80]));
  const audioConfig = esds.subarray(at + 5, at + 5 + (esds[at + 4] ?? 0));
  const sampleRate = mp4a.readUInt16BE(24);
  return {
    kind: 'audio',
    codec: 'aac',
    clockRate: sampleRate,
    parameterSets: [],
    audioConfig,
    sampleRate,
    channels: mp4a.readUInt16BE(16),
  };
}

function avcSets(avcC: Buffer): Buffer[] {
  const sets: Buffer[] = [];
  let at = 5;
  for (const mask of [31, 255]) {
    const count = (avcC[at] ?? 0) & mask;
    at += 1;
    for (let i = 0; i < count; i++) {
      const length = avcC.readUInt16BE(at);
      sets.push(avcC.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return sets;
}

function hevcSets(hvcC: Buffer): Buffer[] {
  const sets: Buffer[] = [];
  let at = 23;
  for (let arrays = hvcC[22] ?? 0; arrays > 0; arrays--) {
    const type = (hvcC[at] ?? 0) & 63;
    const count = hvcC.readUInt16BE(at + 1);
    at += 3;
    for (let i = 0; i < count; i++) {
      const length = hvcC.readUInt16BE(at);
      if (type >= 32 && type <= 34) sets.push(hvcC.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return sets;
}

/** Puts a unit into the builder's arena and tells of it, as an engine does. */
export function feed(builder: FragmentBuilder, track: TrackInfo, unit: TestUnit, more: Partial<AccessUnit> = {}): void {
  const arena = builder.arena(unit.kind);
  arena.append(unit.bytes);
  const { pts90k, dts90k, key } = unit;
  const offset = arena.length - unit.bytes.length;
  const monoMs = 1000 + pts90k / 90;
  const told = { monoMs, arrivalMonoMs: monoMs + 30, cameraUtcMs: null, key, damaged: false, lostPackets: 0 };
  builder.accessUnit({ track, offset, length: unit.bytes.length, pts90k, dts90k, ...told, ...more });
}

export interface ReadSample {
  dts90k: number;
  duration90k: number;
  composition90k: number;
  key: boolean;
  bytes: Buffer;
}

/** The samples of a fragment by track, from its bytes alone (ISO/IEC 14496-12, 8.8). */
export function readFragment(fragment: BuiltFragment): Map<number, ReadSample[]> {
  const bytes = Buffer.concat(fragment.parts);
  const tracks = new Map<number, ReadSample[]>();
  for (const traf of findBoxes(bytes, 'moof/traf')) {
    const box = (type: string): Buffer => Buffer.from(findBox(traf, type) ?? []);
    const samples: ReadSample[] = [];
    let dts90k = Number(box('tfdt').readBigUInt64BE(4));
    const trun = box('trun');
    let offset = trun.readInt32BE(8);
    for (let i = 0; i < trun.readUInt32BE(4); i++) {
      const at = 12 + i * 16;
      const [duration90k, size, flags] = [trun.readUInt32BE(at), trun.readUInt32BE(at + 4), trun.readUInt32BE(at + 8)];
      const composition90k = trun.readInt32BE(at + 12);
      samples.push({ dts90k, duration90k, composition90k, key: flags === 0x02000000, bytes: bytes.subarray(offset, offset + size) });
      dts90k += duration90k;
      offset += size;
    }
    tracks.set(box('tfhd').readUInt32BE(4), samples);
  }
  return tracks;
}

export const AAC: TrackInfo = {
  kind: 'audio',
  codec: 'aac',
  clockRate: 48_000,
  parameterSets: [],
  audioConfig: Buffer.from([0x11, 0x90]),
  sampleRate: 48_000,
  channels: 2,
};

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
/** Parameter sets of real encoders: H.264 High 320x180, H.264 Baseline 640x360, H.265 Main 640x360. */
export const AVC_SETS = [hex('6764000cacd941419f9f011000000300100000030320f1429960'), hex('68ebe3cb22c0')];
export const OTHER_SETS = [hex('6742c01ed900a02ff97011000003000100000300320f162e48'), hex('68cb83cb20')];
export const HEVC_SPS = hex('42010101600000030090000003000003003fa00502016965959a4932bc05a02000000300200000030321');
export const trackOf = (parameterSets: Buffer[]): TrackInfo => ({ kind: 'video', codec: 'h264', clockRate: 90_000, parameterSets });
