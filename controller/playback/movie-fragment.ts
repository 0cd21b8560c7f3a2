/**
 * Reads a `moof` (ISO/IEC 14496-12, 8.8.4 to 8.8.12): the runs of samples of each track, with all defaults resolved. Whatever the bytes,
 * it ends, and throws `corrupt` (LR_MOVIE_FRAGMENT) where they do not hold together.
 */
import { Fault } from '@longroof/base/errors';
import { boxPayload, findBox, readBoxes } from '@longroof/base/iso-box';
import type { SampleDefaults, TrackInit } from './init-segment.js';

/** Consecutive samples of one track whose bytes lie together. */
export interface SampleRun {
  trackId: number;
  /** Decode time of the first sample in the track's timescale. */
  baseTime: number;
  /** Of the first byte, from the first byte of the `moof`. */
  offset: number;
  bytes: number;
  durations: Uint32Array;
  sizes: Uint32Array;
  /** Composition minus decode time. */
  compositions: Int32Array;
  /** 1 where decoding can start. */
  syncs: Uint8Array;
}

const SAMPLES_MAX = 65_536;
/** sample_is_non_sync_sample (8.8.3.1). */
const NON_SYNC = 0x10000;

function bad(why: string): Fault {
  return new Fault('corrupt', 'LR_MOVIE_FRAGMENT', `movie fragment: ${why}`);
}

/** Fields of a full box, read in order; a read past the end throws. */
class Fields {
  readonly #bytes: Buffer;
  readonly version: number;
  readonly flags: number;
  #at = 4;

  constructor(payload: Uint8Array | undefined, name: string) {
    if (!payload || payload.length < 4) throw bad(`${name} is missing or short`);
    this.#bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.version = this.#bytes.readUInt8(0);
    this.flags = this.#bytes.readUIntBE(1, 3);
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  u64(): number {
    const value = Number(this.#bytes.readBigUInt64BE(this.#take(8)));
    if (!Number.isSafeInteger(value)) throw bad('a time or offset that is too large');
    return value;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw bad('a box is too short for its fields');
    this.#at = at + bytes;
    return at;
  }
}

/** `moof` is the whole box. */
export function parseMovieFragment(moof: Uint8Array, tracks: readonly TrackInit[]): SampleRun[] {
  const runs: SampleRun[] = [];
  const top = [...readBoxes(moof)];
  const moofBox = top[0];
  if (top.length !== 1 || moofBox?.type !== 'moof') throw bad('no moof');
  const payload = boxPayload(moof, moofBox);
  const budget = { samples: SAMPLES_MAX };
  for (const entry of readBoxes(payload)) if (entry.type === 'traf') readTrackFragment(boxPayload(payload, entry), tracks, budget, runs);
  return runs;
}

function readTrackFragment(traf: Uint8Array, tracks: readonly TrackInit[], budget: { samples: number }, runs: SampleRun[]): void {
  const header = new Fields(findBox(traf, 'tfhd'), 'tfhd');
  const trackId = header.u32();
  const track = tracks.find((one) => one.trackId === trackId);
  if (!track) throw bad(`track ${trackId} is not in the init segment`);
  // An absolute base makes no sense in a fragment that stands alone: offsets count from the moof (8.8.7.1, default-base-is-moof).
  if (header.flags & 0x1) throw bad('an absolute data offset');
  if (header.flags & 0x2) header.u32();
  const defaults: SampleDefaults = {
    duration: header.flags & 0x8 ? header.u32() : track.defaults.duration,
    size: header.flags & 0x10 ? header.u32() : track.defaults.size,
    flags: header.flags & 0x20 ? header.u32() : track.defaults.flags,
  };
  const timeBox = new Fields(findBox(traf, 'tfdt'), 'tfdt');
  let baseTime = timeBox.version === 1 ? timeBox.u64() : timeBox.u32();
  let nextOffset: number | undefined;
  for (const entry of readBoxes(traf)) {
    if (entry.type !== 'trun') continue;
    const fields = new Fields(boxPayload(traf, entry), 'trun');
    const count = fields.u32();
    budget.samples -= count;
    if (budget.samples < 0) throw bad(`more than ${SAMPLES_MAX} samples`);
    const run = readRun(fields, count, { trackId, defaults, baseTime, nextOffset });
    for (const duration of run.durations) baseTime += duration;
    nextOffset = run.offset + run.bytes;
    if (run.sizes.length > 0) runs.push(run);
  }
}

interface RunContext {
  trackId: number;
  defaults: SampleDefaults;
  baseTime: number;
  /** Where the run before it ended. */
  nextOffset: number | undefined;
}

function readRun(trun: Fields, count: number, { trackId, defaults, baseTime, nextOffset }: RunContext): SampleRun {
  const { flags, version } = trun;
  const offset = flags & 0x1 ? trun.i32() : nextOffset;
  if (offset === undefined || offset < 0) throw bad('a run without a data offset');
  const firstFlags = flags & 0x4 ? trun.u32() : undefined;
  const run: SampleRun = {
    trackId,
    baseTime,
    offset,
    bytes: 0,
    durations: new Uint32Array(count),
    sizes: new Uint32Array(count),
    compositions: new Int32Array(count),
    syncs: new Uint8Array(count),
  };
  for (let index = 0; index < count; index++) {
    run.durations[index] = flags & 0x100 ? trun.u32() : defaults.duration;
    const size = flags & 0x200 ? trun.u32() : defaults.size;
    run.sizes[index] = size;
    run.bytes += size;
    const own = flags & 0x400 ? trun.u32() : undefined;
    const sampleFlags = index === 0 && firstFlags !== undefined ? firstFlags : (own ?? defaults.flags);
    run.syncs[index] = sampleFlags & NON_SYNC ? 0 : 1;
    if (flags & 0x800) run.compositions[index] = version === 0 ? trun.u32() : trun.i32();
  }
  return run;
}
