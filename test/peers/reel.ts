/** Reads reels as a stranger would: every sample of every track, from the boxes alone (ISO/IEC 14496-12). */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { boxPayload, findBox, findBoxes, readBoxes } from '@longroof/base/iso-box';
import { decodeFragmentBox, type FragmentMeta } from '@longroof/protocol/fragment';
import { hashNals } from './rtsp/clip.js';

export interface ReelSample {
  track: number;
  dts: number;
  bytes: Buffer;
}

export interface ReelFragment {
  meta: FragmentMeta;
  samples: ReelSample[];
}

export interface Reel {
  file: string;
  init: Buffer;
  /** By track id. */
  handlers: Map<number, string>;
  fragments: ReelFragment[];
}

const FLAG_DURATION = 0x100;
const FLAG_SIZE = 0x200;
const FLAG_FLAGS = 0x400;
const FLAG_OFFSET = 0x800;

/** All reels of a stream's folder, in order of run and seq. */
export function readReels(folder: string): Reel[] {
  const order = (name: string): [number, number] => {
    const [, run, seq] = name.replace('.mp4', '').split('-');
    return [Number(run), Number(seq)];
  };
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.mp4'))
    .sort((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1])
    .map((name) => readReel(path.join(folder, name)));
}

export function readReel(file: string): Reel {
  const bytes = fs.readFileSync(file);
  const fragments: ReelFragment[] = [];
  let initEnd = 0;
  let meta: FragmentMeta | undefined;
  let moof: { offset: number; payload: Uint8Array } | undefined;
  const handlers = new Map<number, string>();
  for (const box of readBoxes(bytes)) {
    const whole = bytes.subarray(box.offset, box.offset + box.bytes);
    if (box.type === 'moov') {
      initEnd = box.offset + box.bytes;
      for (const trak of findBoxes(whole, 'moov/trak')) {
        const id = Buffer.from(findBox(trak, 'tkhd') ?? []).readUInt32BE(12);
        handlers.set(id, Buffer.from(findBox(trak, 'mdia/hdlr') ?? []).toString('latin1', 8, 12));
      }
    }
    if (box.type === 'uuid') meta = decodeFragmentBox(whole);
    if (box.type === 'moof') moof = { offset: box.offset, payload: boxPayload(bytes, box) };
    if (box.type === 'mdat') {
      if (!meta || !moof) throw new Error(`${file}: mdat at ${box.offset} without uuid and moof`);
      fragments.push({ meta, samples: readSamples(bytes, moof) });
    }
  }
  return { file, init: bytes.subarray(0, initEnd), handlers, fragments };
}

function readSamples(bytes: Buffer, moof: { offset: number; payload: Uint8Array }): ReelSample[] {
  const samples: ReelSample[] = [];
  for (const traf of findBoxes(moof.payload, 'traf')) {
    const track = Buffer.from(findBox(traf, 'tfhd') ?? []).readUInt32BE(4);
    let dts = Number(Buffer.from(findBox(traf, 'tfdt') ?? []).readBigUInt64BE(4));
    for (const payload of findBoxes(traf, 'trun')) {
      const trun = Buffer.from(payload);
      const flags = trun.readUInt32BE(0) & 0xffffff;
      let at = 8;
      let offset = moof.offset + trun.readInt32BE(at);
      at += 4;
      if ((flags & 4) !== 0) at += 4;
      for (let n = trun.readUInt32BE(4); n > 0; n--) {
        const read = (flag: number): number => {
          if ((flags & flag) === 0) return 0;
          at += 4;
          return trun.readUInt32BE(at - 4);
        };
        const duration = read(FLAG_DURATION);
        const size = read(FLAG_SIZE);
        read(FLAG_FLAGS);
        read(FLAG_OFFSET);
        samples.push({ track, dts, bytes: bytes.subarray(offset, offset + size) });
        dts += duration;
        offset += size;
      }
    }
  }
  return samples;
}

/** As the scripted server logs it: hash of the NAL units that carry picture data, each behind its length. */
export function pictureHash(codec: 'h264' | 'h265', sample: Buffer): string {
  const nals: Buffer[] = [];
  for (let at = 0; at + 4 <= sample.length; ) {
    const nal = sample.subarray(at + 4, at + 4 + sample.readUInt32BE(at));
    at += 4 + nal.length;
    const type = codec === 'h264' ? (nal[0] ?? 0) & 31 : ((nal[0] ?? 0) >> 1) & 63;
    if (codec === 'h264' ? type >= 1 && type <= 5 : type < 32) nals.push(nal);
  }
  return hashNals(nals);
}

export function sampleHash(sample: Buffer): string {
  return createHash('sha256').update(sample).digest('hex');
}
