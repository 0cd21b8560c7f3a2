/**
 * Session descriptions (RFC 4566) as cameras write them: the media we may record, with their RTP formats (RFC 6184, 8.1; RFC 7798,
 * 7.1; RFC 3640, 4.1). Lenient with line ends and order; anything unknown is passed over.
 */
import type { Codec } from '../engine.js';
import { captureFault } from '../faults.js';

export interface SdpMedia {
  kind: 'video' | 'audio';
  /** Undefined where the format is none that we can take apart. */
  codec: Codec | undefined;
  /** As the description names it, e.g. `H264` or `PCMU`. */
  encoding: string;
  payloadType: number;
  clockRate: number;
  channels: number;
  control: string | undefined;
  /** Format parameters, names in lower case. */
  parameters: Map<string, string>;
  /** Parameter sets of video (VPS, SPS, PPS in the order told), without start codes. */
  parameterSets: Buffer[];
  /** AudioSpecificConfig. */
  audioConfig: Buffer | undefined;
}

export interface SessionDescription {
  control: string | undefined;
  media: SdpMedia[];
}

const MEDIA_MAX = 32;
const LINES_MAX = 4096;
const SETS_MAX = 64;
const SET_BYTES_MAX = 4096;

interface Section {
  kind: string;
  payloadTypes: number[];
  control: string | undefined;
  maps: Map<number, string>;
  formats: Map<number, string>;
}

/** RFC 3551, 6: static payload types that cameras use without an rtpmap. */
const STATIC_MAPS: Readonly<Record<number, string>> = { 0: 'PCMU/8000', 8: 'PCMA/8000', 9: 'G722/8000', 14: 'MPA/90000', 26: 'JPEG/90000' };

/** Throws LR_RTSP_SDP when it is no session description at all. */
export function parseSdp(text: string): SessionDescription {
  const lines = text.split(/\r?\n|\r/, LINES_MAX + 1);
  if (lines.length > LINES_MAX) throw captureFault('LR_RTSP_SDP', `a session description of more than ${LINES_MAX} lines`);
  const { control, sections } = readSections(lines);
  if (sections.length === 0) throw captureFault('LR_RTSP_SDP', 'a session description that describes no media');
  const media: SdpMedia[] = [];
  for (const section of sections) {
    if (section.kind === 'video' || section.kind === 'audio') media.push(readMedia(section, section.kind));
  }
  return { control, media };
}

function readSections(lines: readonly string[]): { control: string | undefined; sections: Section[] } {
  const sections: Section[] = [];
  let control: string | undefined;
  let section: Section | undefined;
  for (const line of lines) {
    const value = line.slice(2).trim();
    if (line.startsWith('m=')) {
      if (sections.length === MEDIA_MAX) throw captureFault('LR_RTSP_SDP', `a session description of more than ${MEDIA_MAX} media`);
      const [kind = '', , , ...types] = value.split(/\s+/);
      section = {
        kind: kind.toLowerCase(),
        payloadTypes: types.map(Number).filter(isPayloadType),
        control: undefined,
        maps: new Map(),
        formats: new Map(),
      };
      sections.push(section);
    } else if (line.startsWith('a=control:')) {
      const told = value.slice('control:'.length).trim();
      if (section) section.control = told;
      else control = told;
    } else if (section) {
      const map = /^a=(rtpmap|fmtp):\s*(\d{1,3})\s+(.*)$/i.exec(line.trim());
      if (map) (map[1]?.toLowerCase() === 'rtpmap' ? section.maps : section.formats).set(Number(map[2]), (map[3] ?? '').trim());
    }
  }
  return { control, sections };
}

const isPayloadType = (type: number): boolean => Number.isInteger(type) && type >= 0 && type <= 127;

function readMedia(section: Section, kind: 'video' | 'audio'): SdpMedia {
  const payloadType = section.payloadTypes[0] ?? [...section.maps.keys()][0] ?? -1;
  const [encoding = '', rate = '', channels = ''] = (section.maps.get(payloadType) ?? STATIC_MAPS[payloadType] ?? '').split('/');
  const parameters = readParameters(section.formats.get(payloadType) ?? '');
  const clockRate = /^\d{1,7}$/.test(rate) && Number(rate) > 0 ? Number(rate) : kind === 'video' ? 90_000 : 8000;
  const audioConfig = kind === 'audio' ? readHex(parameters.get('config')) : undefined;
  return {
    kind,
    codec: codecOf(kind, encoding, parameters, audioConfig),
    encoding,
    payloadType,
    clockRate,
    channels: /^\d{1,2}$/.test(channels) ? Number(channels) : 1,
    control: section.control,
    parameters,
    parameterSets: kind === 'video' ? readParameterSets(encoding, parameters) : [],
    audioConfig,
  };
}

function codecOf(kind: string, encoding: string, parameters: Map<string, string>, audioConfig: Buffer | undefined): Codec | undefined {
  const name = encoding.toUpperCase();
  // Interleaved decoding order (RFC 6184, 6.4; RFC 7798, 4.4) needs buffers that cameras never ask for.
  if (kind === 'video' && name === 'H264' && parameters.get('packetization-mode') !== '2') return 'h264';
  if (kind === 'video' && (name === 'H265' || name === 'HEVC') && Number(parameters.get('sprop-max-don-diff') ?? 0) === 0) return 'h265';
  if (kind === 'audio' && name === 'MPEG4-GENERIC' && audioConfig && /^aac-(hbr|lbr)$/i.test(parameters.get('mode') ?? '')) return 'aac';
  return undefined;
}

/** `a=1; b=2`; a value may hold `=` itself (base64). */
function readParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0) parameters.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  return parameters;
}

function readHex(text: string | undefined): Buffer | undefined {
  return text !== undefined && /^([0-9a-f]{2}){2,64}$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

function readParameterSets(encoding: string, parameters: Map<string, string>): Buffer[] {
  const names = encoding.toUpperCase() === 'H264' ? ['sprop-parameter-sets'] : ['sprop-vps', 'sprop-sps', 'sprop-pps'];
  const sets: Buffer[] = [];
  for (const name of names) {
    for (const text of (parameters.get(name) ?? '').split(',')) {
      const set = withoutStartCode(Buffer.from(text.trim(), 'base64'));
      if (set.length > 2 && set.length <= SET_BYTES_MAX && sets.length < SETS_MAX) sets.push(set);
    }
  }
  return sets;
}

/** Some cameras put an Annex B start code in front, or zero bytes behind. */
function withoutStartCode(set: Buffer): Buffer {
  let start = 0;
  while (start < set.length && set[start] === 0) start += 1;
  if (start >= 2 && set[start] === 1) start += 1;
  else start = 0;
  let end = set.length;
  while (end > start && set[end - 1] === 0) end -= 1;
  return set.subarray(start, end);
}
