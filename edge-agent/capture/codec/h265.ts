/** What recording needs to know of H.265 NAL units (ISO/IEC 23008-2): their types, and parts of the sequence parameter set. */
import { BitReader, unescapeNal } from './bits.js';
import type { SequenceFacts, VideoCodec } from './video.js';

const NAL_VPS = 32;
const NAL_SPS = 33;
const NAL_PPS = 34;
const NAL_DELIMITER = 35;

/** 7.3.3: general part, then what is present of each sub-layer. */
function profileTierLevel(reader: BitReader, subLayersMinus1: number): void {
  reader.skip(88 + 8);
  const present: [boolean, boolean][] = [];
  for (let i = 0; i < subLayersMinus1; i++) present.push([reader.flag(), reader.flag()]);
  if (subLayersMinus1 > 0) reader.skip(2 * (8 - subLayersMinus1));
  for (const [profile, level] of present) reader.skip((profile ? 88 : 0) + (level ? 8 : 0));
}

/** 7.3.2.2 up to its id: what stands in front of it. */
function sequenceHead(nal: Uint8Array): { reader: BitReader; subLayersMinus1: number; id: number } {
  const reader = new BitReader(unescapeNal(nal, 2));
  reader.skip(4);
  const subLayersMinus1 = reader.bits(3);
  reader.skip(1);
  profileTierLevel(reader, subLayersMinus1);
  return { reader, subLayersMinus1, id: reader.unsigned() };
}

function readSequence(nal: Uint8Array): SequenceFacts {
  const { reader, subLayersMinus1 } = sequenceHead(nal);
  const chroma = reader.unsigned();
  const separate = chroma === 3 ? reader.flag() : false;
  let width = reader.unsigned();
  let height = reader.unsigned();
  if (reader.flag()) {
    const unitX = !separate && (chroma === 1 || chroma === 2) ? 2 : 1;
    const unitY = !separate && chroma === 1 ? 2 : 1;
    width -= (reader.unsigned() + reader.unsigned()) * unitX;
    height -= (reader.unsigned() + reader.unsigned()) * unitY;
  }
  const lumaBits = 8 + reader.unsigned();
  const chromaBits = 8 + reader.unsigned();
  reader.unsigned();
  const all = reader.flag();
  let reorderFrames = 0;
  for (let i = all ? 0 : subLayersMinus1; i <= subLayersMinus1; i++) {
    reader.unsigned();
    reorderFrames = Math.min(16, reader.unsigned());
    reader.unsigned();
  }
  return { width, height, chromaFormat: chroma, lumaBits, chromaBits, reorderFrames, frame90k: undefined };
}

export const h265: VideoCodec = {
  codec: 'h265',
  headerBytes: 2,
  typeOf: (first) => (first >> 1) & 63,
  isPicture: (type) => type < 32,
  isDelimiter: (type) => type === NAL_DELIMITER,
  // IRAP pictures: BLA, IDR and CRA (7.4.2.2).
  isKey: (type) => type >= 16 && type <= 21,
  marksKey: () => false,
  mayMarkKey: () => false,
  setKind: (type) => (type === NAL_VPS ? 'vps' : type === NAL_SPS ? 'sps' : type === NAL_PPS ? 'pps' : undefined),
  setKinds: ['vps', 'sps', 'pps'],
  setId(kind, nal) {
    if (kind === 'sps') return sequenceHead(nal).id;
    const reader = new BitReader(unescapeNal(nal, 2, 32));
    return kind === 'vps' ? reader.bits(4) : reader.unsigned();
  },
  readSequence,
};
