/** The head of a fragment: `moof` and the `mdat` header, in one buffer written once (ISO/IEC 14496-12, 8.8). */

export interface Sample {
  dts90k: number;
  pts90k: number;
  bytes: number;
  key: boolean;
}

export interface TrackRun {
  trackId: number;
  samples: readonly Sample[];
  /** Of the last sample: nothing behind it tells. */
  lastDuration90k: number;
  bytes: number;
}

const TRAF_BYTES = 8 + 16 + 20 + 20;
const SAMPLE_BYTES = 16;
/** data-offset, and for each sample duration, size, flags, composition offset (8.8.8.1). */
const TRUN_FLAGS = 0x000f01;
const DEFAULT_BASE_IS_MOOF = 0x020000;
/** 8.8.3.1: decodes alone; or depends on others and is no place to start. */
const SAMPLE_KEY = 0x02000000;
const SAMPLE_OTHER = 0x01010000;

/** `tfdt` and `trun` are of version 1: 64 bit times, signed composition offsets. Payloads follow in the order of the runs. */
export function writeFragmentHead(sequence: number, runs: readonly TrackRun[]): Buffer {
  const moofBytes = 8 + 16 + runs.reduce((sum, run) => sum + TRAF_BYTES + run.samples.length * SAMPLE_BYTES, 0);
  const payloadBytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  const out = Buffer.allocUnsafeSlow(moofBytes + 8);
  const head = (at: number, bytes: number, type: string): number => {
    out.writeUInt32BE(bytes, at);
    out.write(type, at + 4, 'latin1');
    return at + 8;
  };
  let at = head(0, moofBytes, 'moof');
  at = head(at, 16, 'mfhd');
  at = out.writeUInt32BE(0, at);
  at = out.writeUInt32BE(sequence >>> 0, at);
  let dataOffset = moofBytes + 8;
  for (const run of runs) {
    at = head(at, TRAF_BYTES + run.samples.length * SAMPLE_BYTES, 'traf');
    at = head(at, 16, 'tfhd');
    at = out.writeUInt32BE(DEFAULT_BASE_IS_MOOF, at);
    at = out.writeUInt32BE(run.trackId, at);
    at = head(at, 20, 'tfdt');
    at = out.writeUInt32BE(0x01000000, at);
    at = out.writeBigUInt64BE(BigInt(run.samples[0]?.dts90k ?? 0), at);
    at = head(at, 20 + run.samples.length * SAMPLE_BYTES, 'trun');
    at = out.writeUInt32BE(0x01000000 + TRUN_FLAGS, at);
    at = out.writeUInt32BE(run.samples.length, at);
    at = out.writeInt32BE(dataOffset, at);
    at = writeSamples(out, at, run);
    dataOffset += run.bytes;
  }
  head(at, payloadBytes + 8, 'mdat');
  return out;
}

function writeSamples(out: Buffer, start: number, run: TrackRun): number {
  let at = start;
  for (let i = 0; i < run.samples.length; i++) {
    const sample = run.samples[i] as Sample;
    const next = run.samples[i + 1];
    at = out.writeUInt32BE(next ? next.dts90k - sample.dts90k : run.lastDuration90k, at);
    at = out.writeUInt32BE(sample.bytes, at);
    at = out.writeUInt32BE(sample.key ? SAMPLE_KEY : SAMPLE_OTHER, at);
    at = out.writeInt32BE(sample.pts90k - sample.dts90k, at);
  }
  return at;
}
