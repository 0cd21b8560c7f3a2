/** The tracks of a `moov` (ISO/IEC 14496-12, 8.2 to 8.7): what a player goes by. All of it are views. */
import { findBox, findBoxes } from '@longroof/base/iso-box';
import { broken } from './source.js';

export interface Track {
  id: number;
  timescale: number;
  /** Payload of `hdlr`, and of `stsd`: what the samples are and how they are decoded. */
  handler: Buffer;
  description: Buffer;
  /** Layer, volume, matrix, width and height: how the picture is laid on the screen (8.3.2). */
  presentation: Buffer;
  /** Payload of `elst`, if there is one. */
  edits: Buffer | undefined;
  /** Payloads by name: `stts`, `ctts`, `stss`, `stsz`, `stsc`, `stco`, `co64`. */
  tables: Map<string, Buffer>;
  defaults: { duration: number; size: number; flags: number };
}

const TABLES = ['stts', 'ctts', 'stss', 'stsz', 'stsc', 'stco', 'co64'];
const TRACKS_MAX = 8;
/** Bytes of `tkhd` before layer, and of `mdhd` before the timescale, by version. */
const PRESENTATION_AT = [32, 44];
const TIMESCALE_AT = [12, 20];

/** `bytes` holds a `moov` among other boxes, or is one. Throws LR_PROOF_MP4, LR_BOX. */
export function readMovie(bytes: Uint8Array, file: string): Track[] {
  const bad = (why: string) => broken('LR_PROOF_MP4', `${file}: ${why}`);
  const need = (payload: Uint8Array | undefined, bytesMin: number, what: string): Buffer => {
    if (!payload || payload.length < bytesMin) throw bad(`no ${what}`);
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  };
  const defaults = new Map<number, Track['defaults']>();
  for (const found of findBoxes(bytes, 'moov/mvex/trex')) {
    const trex = need(found, 24, 'trex');
    defaults.set(trex.readUInt32BE(4), { duration: trex.readUInt32BE(12), size: trex.readUInt32BE(16), flags: trex.readUInt32BE(20) });
  }
  const tracks = findBoxes(bytes, 'moov/trak').map((trak): Track => {
    const header = need(findBox(trak, 'tkhd'), 84, 'tkhd');
    const version = header[0] === 1 ? 1 : 0;
    const media = need(findBox(trak, 'mdia/mdhd'), 24, 'mdhd');
    const id = header.readUInt32BE(version === 1 ? 20 : 12);
    const edits = findBoxes(trak, 'edts/elst');
    const tables = new Map<string, Buffer>();
    for (const name of TABLES) {
      const found = findBoxes(trak, `mdia/minf/stbl/${name}`);
      if (found.length > 1) throw bad(`${name} twice`);
      if (found[0]) tables.set(name, need(found[0], 8, name));
    }
    if (edits.length > 1) throw bad('several edit lists');
    return {
      id,
      timescale: media.readUInt32BE(TIMESCALE_AT[media[0] === 1 ? 1 : 0] ?? 12),
      handler: need(findBox(trak, 'mdia/hdlr'), 12, 'hdlr'),
      description: need(findBox(trak, 'mdia/minf/stbl/stsd'), 8, 'stsd'),
      presentation: header.subarray(PRESENTATION_AT[version]),
      edits: edits[0] && need(edits[0], 8, 'elst'),
      tables,
      defaults: defaults.get(id) ?? { duration: 0, size: 0, flags: 0 },
    };
  });
  if (tracks.length === 0 || tracks.length > TRACKS_MAX) throw bad('no track, or too many');
  return tracks;
}
