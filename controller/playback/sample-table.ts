/**
 * The tables of one track of a plain MP4 (`stbl`, ISO/IEC 14496-12, 8.5 to 8.7), gathered run by run in order of the file. Decode times
 * follow the runs' base times: where one run does not end at the beginning of the next, the sample before it lasts until then.
 */
import { Fault } from '@longroof/base/errors';
import { box, fullBox, LARGE_BYTES, u32 } from './box-writer.js';
import { Growing } from './growing.js';
import type { SampleRun } from './movie-fragment.js';

/** 24 hours of 50 pictures and 50 sound frames a second. */
const SAMPLES_MAX = 8_640_000;
const U32_MAX = 0xffffffff;

export class SampleTable {
  /** (count, delta) pairs, run-length coded; the last sample's delta is still open. */
  readonly #deltas = new Growing();
  /** (count, offset) pairs. */
  readonly #compositions = new Growing();
  readonly #sizes = new Growing();
  readonly #syncs = new Growing();
  /** One chunk for each run: payload offset and number of samples. */
  readonly #chunkOffsets = new Growing();
  readonly #chunkSamples = new Growing();
  #open: number | undefined;
  #timeOfOpen = 0;
  #firstTime = 0;
  #composed = false;

  get samples(): number {
    return this.#sizes.length;
  }

  /** Decode time of the first sample. */
  get firstTime(): number {
    return this.#firstTime;
  }

  /** From the first sample's decode time to the end of the last. */
  get duration(): number {
    return this.#open === undefined ? 0 : this.#timeOfOpen + this.#open - this.#firstTime;
  }

  /** `time`: decode time of the first sample; `offset`: of its first byte in the file's payload. */
  add(run: SampleRun, time: number, offset: number): void {
    if (this.samples + run.sizes.length > SAMPLES_MAX)
      throw new Fault('too-large', 'LR_MP4_SIZE', 'too long for one MP4 file', { hint: 'Request a shorter time.' });
    this.#chunkOffsets.push(offset);
    this.#chunkSamples.push(run.sizes.length);
    if (this.#open === undefined) this.#firstTime = time;
    else this.#close(Math.min(U32_MAX, Math.max(0, time - this.#timeOfOpen)));
    for (let index = 0; index < run.sizes.length; index++) {
      if (index > 0) this.#close(this.#open as number);
      else if (this.samples === 0) this.#timeOfOpen = time;
      this.#open = run.durations[index] as number;
      this.#sizes.push(run.sizes[index] as number);
      const composition = run.compositions[index] as number;
      if (composition !== 0) this.#composed = true;
      count(this.#compositions, composition);
      if (run.syncs[index]) this.#syncs.push(this.samples);
    }
  }

  /** The sample that is open lasts `delta`; the next one begins then. */
  #close(delta: number): void {
    count(this.#deltas, delta);
    this.#timeOfOpen += delta;
  }

  /** Whole `stbl`. `base`: file offset of the payload; 64-bit offsets where `fileBytes` needs them. */
  encode(descriptionBox: Uint8Array, base: number, fileBytes: number): Buffer {
    const deltas = this.#deltas.copy();
    if (this.#open !== undefined) count(deltas, this.#open);
    const parts: Uint8Array[] = [descriptionBox, pairs('stts', 0, deltas, false)];
    if (this.#composed) parts.push(pairs('ctts', 1, this.#compositions, true));
    if (this.#syncs.length < this.samples) parts.push(fullBox('stss', 0, 0, u32(this.#syncs.length), this.#syncs.encode()));
    parts.push(this.#sampleToChunk());
    parts.push(fullBox('stsz', 0, 0, u32(0, this.samples), this.#sizes.encode()));
    const large = fileBytes >= LARGE_BYTES;
    parts.push(fullBox(large ? 'co64' : 'stco', 0, 0, u32(this.#chunkOffsets.length), encodeOffsets(this.#chunkOffsets, base, large)));
    return box('stbl', ...parts);
  }

  /** 8.7.4: an entry where the number of samples in a chunk changes. */
  #sampleToChunk(): Buffer {
    const entries = new Growing();
    let before = -1;
    for (let chunk = 0; chunk < this.#chunkSamples.length; chunk++) {
      const samples = this.#chunkSamples.at(chunk);
      if (samples === before) continue;
      entries.push(chunk + 1);
      entries.push(samples);
      entries.push(1);
      before = samples;
    }
    return fullBox('stsc', 0, 0, u32(entries.length / 3), entries.encode());
  }
}

function encodeOffsets(offsets: Growing, base: number, large: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(offsets.length * (large ? 8 : 4));
  for (let index = 0; index < offsets.length; index++) {
    const offset = base + offsets.at(index);
    if (large) bytes.writeBigUInt64BE(BigInt(offset), index * 8);
    else bytes.writeUInt32BE(offset, index * 4);
  }
  return bytes;
}

/** Counts `value` in a run-length coded list of (count, value). */
function count(list: Growing, value: number): void {
  if (list.length > 0 && list.at(list.length - 1) === value) list.set(list.length - 2, list.at(list.length - 2) + 1);
  else {
    list.push(1);
    list.push(value);
  }
}

function pairs(type: string, version: number, list: Growing, signed: boolean): Buffer {
  return fullBox(type, version, 0, u32(list.length / 2), list.encode(signed));
}
