/** The parts of an AudioSpecificConfig that a recorder needs (ISO/IEC 14496-3, 1.6.2.1 and 4.4.1). */
import { Fault } from '@longroof/base/errors';
import { BitReader } from './bits.js';

export interface AudioFacts {
  sampleRate: number;
  channels: number;
  /** Samples of a frame at `sampleRate`. */
  frameSamples: number;
}

const RATES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8];

function objectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === 31 ? 32 + reader.bits(6) : type;
}

function sampleRate(reader: BitReader): number {
  const index = reader.bits(4);
  return index === 15 ? reader.bits(24) : (RATES[index] ?? 0);
}

/** Undefined where it cannot be read. */
export function readAudioConfig(config: Uint8Array): AudioFacts | undefined {
  try {
    const reader = new BitReader(config);
    let type = objectType(reader);
    const rate = sampleRate(reader);
    const channels = CHANNELS[reader.bits(4)] ?? 0;
    if (type === 5 || type === 29) {
      sampleRate(reader);
      type = objectType(reader);
    }
    return rate > 0 ? { sampleRate: rate, channels, frameSamples: reader.flag() ? 960 : 1024 } : undefined;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'corrupt') return undefined;
    throw error;
  }
}
