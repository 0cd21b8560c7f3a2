/** The runs of samples that a `moof` names (ISO/IEC 14496-12, 8.8.4 to 8.8.12), all defaults resolved. */
import { boxPayload, findBox, findBoxes, readBoxes } from '@longroof/base/iso-box';
import type { Track } from './movie.js';
import { broken } from './source.js';

export interface Run {
  track: number;
  /** Decode time of the first sample. */
  time: number;
  /** Of its first byte, from the first byte of the `moof`. */
  offset: number;
  samples: { size: number; duration: number; composition: number; sync: boolean }[];
}

const SAMPLES_MAX = 65_536;
const NON_SYNC = 0x10000;

/** `moof` is the whole box. Throws LR_PROOF_MP4, LR_BOX. */
export function readRuns(moof: Uint8Array, init: readonly Track[], file: string): Run[] {
  const runs: Run[] = [];
  let budget = SAMPLES_MAX;
  for (const traf of findBoxes(moof, 'moof/traf')) {
    const header = new Fields(findBox(traf, 'tfhd'), file);
    const id = header.u32();
    const track = init.find((one) => one.id === id);
    if (!track || header.flags & 0x1) throw broken('LR_PROOF_MP4', `${file}: a fragment of a track that is not known`);
    if (header.flags & 0x2) header.u32();
    const duration = header.flags & 0x8 ? header.u32() : track.defaults.duration;
    const size = header.flags & 0x10 ? header.u32() : track.defaults.size;
    const flags = header.flags & 0x20 ? header.u32() : track.defaults.flags;
    const times = new Fields(findBox(traf, 'tfdt'), file);
    let time = times.version === 1 ? times.u64() : times.u32();
    let offset: number | undefined;
    for (const box of readBoxes(traf)) {
      if (box.type !== 'trun') continue;
      const trun = new Fields(boxPayload(traf, box), file);
      const count = trun.u32();
      budget -= count;
      if (budget < 0) throw broken('LR_PROOF_MP4', `${file}: a fragment with too many samples`);
      if (trun.flags & 0x1) offset = trun.i32();
      if (offset === undefined || offset < 0) throw broken('LR_PROOF_MP4', `${file}: a run without its place`);
      const run: Run = { track: id, time, offset, samples: [] };
      const first = trun.flags & 0x4 ? trun.u32() : undefined;
      for (let index = 0; index < count; index++) {
        const lasts = trun.flags & 0x100 ? trun.u32() : duration;
        const bytes = trun.flags & 0x200 ? trun.u32() : size;
        const own = trun.flags & 0x400 ? trun.u32() : flags;
        const composition = trun.flags & 0x800 ? (trun.version === 0 ? trun.u32() : trun.i32()) : 0;
        const sync = (((index === 0 ? first : undefined) ?? own) & NON_SYNC) === 0;
        run.samples.push({ size: bytes, duration: lasts, composition, sync });
        time += lasts;
        offset += bytes;
      }
      if (count > 0) runs.push(run);
    }
  }
  return runs;
}

/** Fields of a full box in their order. */
class Fields {
  readonly version: number;
  readonly flags: number;
  readonly #bytes: Buffer;
  readonly #file: string;
  #at = 4;

  constructor(payload: Uint8Array | undefined, file: string) {
    this.#file = file;
    this.#bytes = payload ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) : Buffer.alloc(0);
    if (this.#bytes.length < 4) throw this.#short();
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
    return Number(this.#bytes.readBigUInt64BE(this.#take(8)));
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw this.#short();
    this.#at = at + bytes;
    return at;
  }

  #short() {
    return broken('LR_PROOF_MP4', `${this.#file}: a box of a fragment is too short`);
  }
}
