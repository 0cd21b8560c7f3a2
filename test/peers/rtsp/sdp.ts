/** The session description of a mount (RFC 4566), with the parameters of RFC 6184, RFC 7798 and RFC 3640. */
import type { Clip, ClipTrack } from './clip.js';
import type { MountSpec } from './spec.js';

/** The payload type of a track: the first dynamic ones, in order. */
export const payloadType = (track: number): number => 96 + track;

/** The control value of a track; the base URL ends in `/`. */
export function trackControl(spec: MountSpec, baseUrl: string, track: number): string {
  return spec.control === 'absolute' ? `${baseUrl}trackID=${track}` : `trackID=${track}`;
}

export function describe(clip: Clip, spec: MountSpec, baseUrl: string): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=peer', 't=0 0'];
  if (spec.control !== 'star' || clip.tracks.length > 1) lines.push('a=control:*');
  if (spec.metadataTrack) lines.push('m=application 0 RTP/AVP 110', 'a=rtpmap:110 vnd.onvif.metadata/90000', 'a=control:metadata');
  for (const [index, track] of clip.tracks.entries()) {
    const single = spec.control === 'star' && clip.tracks.length === 1;
    lines.push(`m=${track.kind} 0 RTP/AVP ${payloadType(index)}`, 'c=IN IP4 0.0.0.0');
    lines.push(...formatLines(track, payloadType(index), spec.parameterSets !== 'band'));
    lines.push(`a=control:${single ? '*' : trackControl(spec, baseUrl, index)}`);
  }
  return `${lines.join('\r\n')}\r\n`;
}

function formatLines(track: ClipTrack, type: number, withSets: boolean): string[] {
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  if (track.codec === 'aac') {
    const parameters = 'streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3';
    return [
      `a=rtpmap:${type} MPEG4-GENERIC/${track.clockRate}/${track.channels}`,
      `a=fmtp:${type} ${parameters};config=${track.audioConfig.toString('hex')}`,
    ];
  }
  if (track.codec === 'h265') {
    const names: Record<number, string> = { 32: 'sprop-vps', 33: 'sprop-sps', 34: 'sprop-pps' };
    const groups = Object.entries(names).map(([nalType, name]) => {
      const sets = track.parameterSets.filter((set) => (((set[0] ?? 0) >> 1) & 63) === Number(nalType));
      return `${name}=${sets.map(base64).join(',')}`;
    });
    return [`a=rtpmap:${type} H265/90000`, ...(withSets ? [`a=fmtp:${type} ${groups.join('; ')}`] : [])];
  }
  const profile = track.parameterSets[0]?.subarray(1, 4).toString('hex') ?? '42e01f';
  const sets = withSets ? `; sprop-parameter-sets=${track.parameterSets.map(base64).join(',')}` : '';
  return [`a=rtpmap:${type} H264/90000`, `a=fmtp:${type} packetization-mode=1; profile-level-id=${profile}${sets}`];
}
