/**
 * Reads a fragmented MP4 stream (ISO/IEC 14496-12, 8.8) as it comes out of a pipe: tracks once, then samples. Made for ffmpeg's
 * output, but safe against any bytes: every size is bounded, and what does not fit is a Fault `corrupt` (LR_BOX, LR_FFMPEG_OUTPUT).
 */
import { boxPayload, findBox, readBoxes, readBoxHeader } from '@longroof/base/iso-box';
import { captureFault } from '../faults.js';
import { type Mp4Track, readTracks } from './mp4-tracks.js';

const BOX_BYTES_MAX = 32 * 1024 * 1024;
const SAMPLES_MAX = 4096;

/** Read during the call only. */
export interface Mp4Sample {
  track: Mp4Track;
  /** In the track's own time scale. */
  pts: number;
  bytes: Buffer;
  start: number;
  end: number;
}

export interface Mp4Events {
  tracks(tracks: readonly Mp4Track[]): void;
  sample(sample: Mp4Sample): void;
}

interface Planned {
  track: Mp4Track;
  pts: number;
  /** From the first byte of the moof. */
  offset: number;
  size: number;
}

export class Mp4Reader {
  readonly #events: Mp4Events;
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  #tracks: Mp4Track[] = [];
  #planned: Planned[] = [];
  /** Bytes from the beginning of the last moof to the beginning of what comes next. */
  #sinceMoof = 0;

  constructor(events: Mp4Events) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#heldBytes > 0) {
      this.#keep(chunk);
      bytes = this.#held.subarray(0, this.#heldBytes);
    }
    let at = 0;
    for (;;) {
      const box = readBoxHeader(bytes, at);
      if (!box) break;
      if (box.bytes === 0 || box.bytes > BOX_BYTES_MAX) throw captureFault('LR_FFMPEG_OUTPUT', `a box ${box.type} of ${box.bytes} bytes`);
      if (at + box.bytes > bytes.length) break;
      this.#box(box.type, bytes.subarray(at, at + box.bytes), box.headerBytes);
      at += box.bytes;
    }
    if (this.#heldBytes > 0) {
      this.#held.copyWithin(0, at, this.#heldBytes);
      this.#heldBytes -= at;
    } else if (at < bytes.length) this.#keep(bytes.subarray(at));
  }

  #keep(bytes: Buffer): void {
    const need = this.#heldBytes + bytes.length;
    if (need > this.#held.length) {
      const bigger = Buffer.allocUnsafe(Math.max(need, this.#held.length * 2, 64 * 1024));
      this.#held.copy(bigger, 0, 0, this.#heldBytes);
      this.#held = bigger;
    }
    bytes.copy(this.#held, this.#heldBytes);
    this.#heldBytes = need;
  }

  #box(type: string, box: Buffer, headerBytes: number): void {
    if (type === 'moov') {
      this.#tracks = readTracks(box);
      this.#events.tracks(this.#tracks);
    } else if (type === 'moof') {
      this.#planned = planSamples(box.subarray(headerBytes), this.#tracks);
      this.#sinceMoof = 0;
    } else if (type === 'mdat') this.#samples(box);
    this.#sinceMoof += box.length;
  }

  #samples(mdat: Buffer): void {
    for (const { track, pts, offset, size } of this.#planned) {
      const start = offset - this.#sinceMoof;
      if (start < 8 || start + size > mdat.length) throw captureFault('LR_FFMPEG_OUTPUT', 'a sample that lies outside its box');
      this.#events.sample({ track, pts, bytes: mdat, start, end: start + size });
    }
    this.#planned = [];
  }
}

/** 8.8.6 to 8.8.8. Offsets are from the beginning of the moof (default-base-is-moof). */
function planSamples(moof: Buffer, tracks: readonly Mp4Track[]): Planned[] {
  const planned: Planned[] = [];
  for (const box of readBoxes(moof)) {
    if (box.type === 'traf') planTrack(Buffer.from(boxPayload(moof, box)), tracks, planned);
  }
  return planned;
}

function planTrack(traf: Buffer, tracks: readonly Mp4Track[], planned: Planned[]): void {
  const tfhd = view(findBox(traf, 'tfhd'));
  const tfdt = view(findBox(traf, 'tfdt'));
  if (!tfhd || !tfdt || tfhd.length < 8 || tfdt.length < 8) return;
  const track = tracks.find((one) => one.id === tfhd.readUInt32BE(4));
  if (!track) return;
  const flags = tfhd.readUInt32BE(0) & 0xffffff;
  const fields = new Fields(tfhd, 8);
  if (flags & 0x01) fields.skip(8);
  if (flags & 0x02) fields.skip(4);
  const duration = flags & 0x08 ? fields.u32() : 0;
  const size = flags & 0x10 ? fields.u32() : 0;
  let dts = tfdt[0] === 1 ? new Fields(tfdt, 4).u64() : tfdt.readUInt32BE(4);
  for (const box of readBoxes(traf)) {
    if (box.type === 'trun') dts = planRun(Buffer.from(boxPayload(traf, box)), { track, dts, duration, size }, planned);
  }
}

function planRun(trun: Buffer, from: { track: Mp4Track; dts: number; duration: number; size: number }, planned: Planned[]): number {
  const fields = new Fields(trun, 0);
  const flags = fields.u32() & 0xffffff;
  const count = fields.u32();
  if (count + planned.length > SAMPLES_MAX) throw captureFault('LR_FFMPEG_OUTPUT', `a fragment of ${count} samples`);
  let offset = flags & 0x01 ? fields.u32() : 0;
  if (flags & 0x04) fields.skip(4);
  let { dts } = from;
  for (let i = 0; i < count; i++) {
    const duration = flags & 0x100 ? fields.u32() : from.duration;
    const size = flags & 0x200 ? fields.u32() : from.size;
    if (flags & 0x400) fields.skip(4);
    const composition = flags & 0x800 ? fields.u32() | 0 : 0;
    planned.push({ track: from.track, pts: dts + composition, offset, size });
    offset += size;
    dts += duration;
  }
  return dts;
}

const view = (bytes: Uint8Array | undefined): Buffer | undefined => bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Big endian fields one after the other. Throws LR_FFMPEG_OUTPUT past the end. */
class Fields {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  u32(): number {
    if (this.#at + 4 > this.#bytes.length) throw captureFault('LR_FFMPEG_OUTPUT', 'a box that ends too early');
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  u64(): number {
    return this.u32() * 2 ** 32 + this.u32();
  }
}
