/** Sample entries of video and their decoder configuration (ISO/IEC 14496-15, 5.3.3 and 8.3.3), and the codec strings of RFC 6381. */
import { Fault } from '@longroof/base/errors';
import { unescapeNal } from '../capture/codec/bits.js';
import { h264 } from '../capture/codec/h264.js';
import { h265 } from '../capture/codec/h265.js';
import type { SequenceFacts, VideoCodec } from '../capture/codec/video.js';
import type { TrackInfo } from '../capture/engine.js';
import { box, u8, u16, u32 } from './boxes.js';

export interface SampleEntry {
  bytes: Buffer;
  codec: string;
  width: number;
  height: number;
}

const UNKNOWN: SequenceFacts = {
  width: 0,
  height: 0,
  chromaFormat: 1,
  lumaBits: 8,
  chromaBits: 8,
  reorderFrames: undefined,
  frame90k: undefined,
};
/** Profiles whose configuration tells chroma format and depth (5.3.3.1.2). */
const AVC_HIGH_PROFILES = new Set([100, 110, 122, 144]);
/** Bytes of the general part of profile_tier_level (ISO/IEC 23008-2, 7.3.3), level last. */
const TIER_BYTES = 12;

export function videoEntry(track: TrackInfo): SampleEntry {
  const codec = track.codec === 'h265' ? h265 : h264;
  const sets = new Map(codec.setKinds.map((kind) => [kind, setsOf(codec, track, kind)]));
  const sps = sets.get('sps')?.[0] ?? u8(0x67, 0x42, 0, 0x1e);
  const facts = readFacts(codec, sps);
  const width = track.width ?? facts.width;
  const height = track.height ?? facts.height;
  const { type, config, name } = track.codec === 'h265' ? hevc(sps, facts, sets) : avc(sps, facts, sets);
  return { bytes: visualEntry(type, width, height, config), codec: name, width, height };
}

/** VisualSampleEntry (ISO/IEC 14496-12, 12.1.3), with what the codec needs at its end. */
export function visualEntry(type: string, width: number, height: number, config: Uint8Array): Buffer {
  const reserved = [new Uint8Array(6), u16(1), new Uint8Array(16)];
  return box(type, ...reserved, u16(width, height), u32(0x480000, 0x480000, 0), u16(1), new Uint8Array(32), u16(24, 0xffff), config);
}

function setsOf(codec: VideoCodec, track: TrackInfo, kind: 'vps' | 'sps' | 'pps'): Uint8Array[] {
  return track.parameterSets.filter((nal) => codec.setKind(codec.typeOf(nal[0] ?? 0)) === kind);
}

/** A set that cannot be read is recorded all the same: the decoder may know better. */
function readFacts(codec: VideoCodec, sps: Uint8Array): SequenceFacts {
  try {
    return codec.readSequence(sps);
  } catch (error) {
    if (error instanceof Fault && error.kind === 'corrupt') return UNKNOWN;
    throw error;
  }
}

type Sets = Map<'vps' | 'sps' | 'pps', Uint8Array[]>;

function withLengths(nals: readonly Uint8Array[]): Uint8Array[] {
  return nals.flatMap((nal) => [u16(nal.length), nal]);
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** `avcC`: lengths of 4 bytes. */
function avc(sps: Uint8Array, facts: SequenceFacts, sets: Sets): { type: string; config: Buffer; name: string } {
  const [, profile = 0x42, compatibility = 0, level = 0x1e] = sps;
  const spsAll = (sets.get('sps') ?? []).slice(0, 31);
  const ppsAll = (sets.get('pps') ?? []).slice(0, 255);
  const high = AVC_HIGH_PROFILES.has(profile)
    ? [u8(0xfc | facts.chromaFormat, 0xf8 | (facts.lumaBits - 8), 0xf8 | (facts.chromaBits - 8), 0)]
    : [];
  const config = box(
    'avcC',
    u8(1, profile, compatibility, level, 0xff, 0xe0 | spsAll.length),
    ...withLengths(spsAll),
    u8(ppsAll.length),
    ...withLengths(ppsAll),
    ...high,
  );
  return { type: 'avc1', config, name: `avc1.${hex2(profile)}${hex2(compatibility)}${hex2(level)}` };
}

/** `hvcC`. */
function hevc(sps: Uint8Array, facts: SequenceFacts, sets: Sets): { type: string; config: Buffer; name: string } {
  const bytes = unescapeNal(sps, 2, 64);
  const layers = ((bytes[0] ?? 0) >> 1) & 7;
  const nested = (bytes[0] ?? 0) & 1;
  const tier = Buffer.alloc(TIER_BYTES);
  tier.set(bytes.subarray(1, 1 + TIER_BYTES));
  const arrays = (['vps', 'sps', 'pps'] as const).flatMap((kind) => {
    const nals = sets.get(kind) ?? [];
    const type = h265.typeOf(nals[0]?.[0] ?? 0);
    return nals.length === 0 ? [] : [{ type, nals }];
  });
  const config = box(
    'hvcC',
    u8(1),
    tier,
    u16(0xf000),
    u8(0xfc, 0xfc | facts.chromaFormat, 0xf8 | (facts.lumaBits - 8), 0xf8 | (facts.chromaBits - 8)),
    u16(0),
    u8(((layers + 1) << 3) | (nested << 2) | 3, arrays.length),
    ...arrays.flatMap(({ type, nals }) => [u8(0x80 | type), u16(nals.length), ...withLengths(nals)]),
  );
  return { type: 'hvc1', config, name: hevcName(tier) };
}

/** ISO/IEC 14496-15, E.3: profile, compatibility bits reversed, tier and level, constraint bytes without trailing zeros. */
function hevcName(tier: Buffer): string {
  const first = tier[0] ?? 0;
  const space = ['', 'A', 'B', 'C'][first >> 6] ?? '';
  let compatibility = 0;
  for (let i = 0; i < 32; i++) if (((tier.readUInt32BE(1) >>> i) & 1) === 1) compatibility += 2 ** (31 - i);
  const constraints = [...tier.subarray(5, 11)];
  while (constraints.at(-1) === 0) constraints.pop();
  const tail = constraints.map((value) => `.${value.toString(16).toUpperCase()}`).join('');
  return `hvc1.${space}${first & 31}.${compatibility.toString(16).toUpperCase()}.${(first & 0x20) !== 0 ? 'H' : 'L'}${tier[11]}${tail}`;
}
