/** What recording needs to know of H.264 NAL units (ISO/IEC 14496-10): their types, and parts of the sequence parameter set. */
import { BitReader, unescapeNal } from './bits.js';
import type { SequenceFacts, VideoCodec } from './video.js';

const NAL_IDR = 5;
const NAL_SEI = 6;
const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_DELIMITER = 9;
/** Profiles whose sequence parameter set tells chroma format and scaling (7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

function scalingList(reader: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let i = 0; i < size; i++) {
    if (next !== 0) next = (last + reader.signed() + 256) % 256;
    last = next === 0 ? last : next;
  }
}

type SampleFormat = Pick<SequenceFacts, 'chromaFormat' | 'lumaBits' | 'chromaBits'>;

function highProfileFields(reader: BitReader): SampleFormat & { separate: boolean } {
  const chroma = reader.unsigned();
  const separate = chroma === 3 ? reader.flag() : false;
  const lumaBits = 8 + reader.unsigned();
  const chromaBits = 8 + reader.unsigned();
  reader.skip(1);
  if (reader.flag()) {
    for (let i = 0; i < (chroma === 3 ? 12 : 8); i++) {
      if (reader.flag()) scalingList(reader, i < 6 ? 16 : 64);
    }
  }
  return { chromaFormat: chroma, lumaBits, chromaBits, separate };
}

/** Gives the picture order count type (7.4.2.1.1). */
function orderCountFields(reader: BitReader): number {
  reader.unsigned();
  const type = reader.unsigned();
  if (type === 0) reader.unsigned();
  if (type === 1) {
    reader.skip(1);
    reader.signed();
    reader.signed();
    const cycle = Math.min(255, reader.unsigned());
    for (let i = 0; i < cycle; i++) reader.signed();
  }
  return type;
}

function hrd(reader: BitReader): void {
  const count = Math.min(31, reader.unsigned());
  reader.skip(8);
  for (let i = 0; i <= count; i++) {
    reader.unsigned();
    reader.unsigned();
    reader.skip(1);
  }
  reader.skip(20);
}

/** Annex E.1.1, as far as the bitstream restriction. */
function usability(reader: BitReader): Pick<SequenceFacts, 'reorderFrames' | 'frame90k'> {
  if (reader.flag() && reader.bits(8) === 255) reader.skip(32);
  if (reader.flag()) reader.skip(1);
  if (reader.flag()) {
    reader.skip(4);
    if (reader.flag()) reader.skip(24);
  }
  if (reader.flag()) {
    reader.unsigned();
    reader.unsigned();
  }
  let frame90k: number | undefined;
  if (reader.flag()) {
    const tick = reader.bits(32);
    const scale = reader.bits(32);
    if (tick > 0 && scale > 0) frame90k = Math.round((tick * 2 * 90_000) / scale);
    reader.skip(1);
  }
  const nalHrd = reader.flag();
  if (nalHrd) hrd(reader);
  const vclHrd = reader.flag();
  if (vclHrd) hrd(reader);
  if (nalHrd || vclHrd) reader.skip(1);
  reader.skip(1);
  if (!reader.flag()) return { reorderFrames: undefined, frame90k };
  reader.skip(1);
  for (let i = 0; i < 4; i++) reader.unsigned();
  return { reorderFrames: Math.min(16, reader.unsigned()), frame90k };
}

function readSequence(nal: Uint8Array): SequenceFacts {
  const reader = new BitReader(unescapeNal(nal, 1));
  const profile = reader.bits(8);
  reader.skip(16);
  reader.unsigned();
  const { separate, ...format } = HIGH_PROFILES.has(profile)
    ? highProfileFields(reader)
    : { chromaFormat: 1, lumaBits: 8, chromaBits: 8, separate: false };
  // Chroma array type (7.4.2.1.1).
  const chroma = separate ? 0 : format.chromaFormat;
  const orderType = orderCountFields(reader);
  reader.unsigned();
  reader.skip(1);
  const widthMbs = reader.unsigned() + 1;
  const heightUnits = reader.unsigned() + 1;
  const framesOnly = reader.bit();
  if (framesOnly === 0) reader.skip(1);
  reader.skip(1);
  let cropX = 0;
  let cropY = 0;
  if (reader.flag()) {
    const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
    const unitY = (chroma === 1 ? 2 : 1) * (2 - framesOnly);
    cropX = (reader.unsigned() + reader.unsigned()) * unitX;
    cropY = (reader.unsigned() + reader.unsigned()) * unitY;
  }
  const size = { width: widthMbs * 16 - cropX, height: heightUnits * 16 * (2 - framesOnly) - cropY };
  const vui = reader.flag() ? usability(reader) : { reorderFrames: undefined, frame90k: undefined };
  // Baseline has no B frames, and order type 2 means output order is decoding order (8.2.1.3).
  const reorderFrames = profile === 66 || orderType === 2 ? 0 : vui.reorderFrames;
  return { ...size, ...format, reorderFrames, frame90k: vui.frame90k };
}

/** A recovery point at this very picture (Annex D.1.8): how cameras without IDR pictures mark where decoding can begin. */
function isRecoveryPoint(nal: Uint8Array): boolean {
  const bytes = unescapeNal(nal, 1, 256);
  let at = 0;
  const number = (): number => {
    let value = 0;
    while (bytes[at] === 255) {
      value += 255;
      at += 1;
    }
    value += bytes[at] ?? 0;
    at += 1;
    return value;
  };
  while (at + 2 < bytes.length) {
    const type = number();
    const size = number();
    // recovery_frame_cnt 0 is the single bit 1.
    if (type === 6) return ((bytes[at] ?? 0) & 0x80) !== 0;
    at += size;
  }
  return false;
}

export const h264: VideoCodec = {
  codec: 'h264',
  headerBytes: 1,
  typeOf: (first) => first & 31,
  isPicture: (type) => type >= 1 && type <= 5,
  isDelimiter: (type) => type === NAL_DELIMITER,
  isKey: (type) => type === NAL_IDR,
  marksKey: (type, nal) => type === NAL_SEI && isRecoveryPoint(nal),
  mayMarkKey: (type) => type === NAL_SEI,
  setKind: (type) => (type === NAL_SPS ? 'sps' : type === NAL_PPS ? 'pps' : undefined),
  setKinds: ['sps', 'pps'],
  setId(kind, nal) {
    const reader = new BitReader(unescapeNal(nal, 1, 32));
    if (kind === 'sps') reader.skip(24);
    return reader.unsigned();
  },
  readSequence,
};
