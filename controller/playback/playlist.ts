/**
 * HLS media playlists (RFC 8216, protocol version 7) over stored fragments, nothing repackaged: a segment is the fragments from one
 * that decodes alone up to the next, so that it holds whole groups of pictures. Pure.
 */
import { rfc3339 } from '@longroof/base/clock';
import type { StoredFragment } from './stored-fragment.js';

export interface Segment {
  fragments: StoredFragment[];
  durationS: number;
  /** Something is missing before it, or its init segment is another one. */
  discontinuity: boolean;
}

/** Footage in order of its recording. `whole`: no more will come; otherwise the last group of pictures may still be incomplete. */
export interface Footage {
  fragments: readonly StoredFragment[];
  whole: boolean;
}

/** Media time may differ by so much from where the fragment before ended. */
const SLACK_90K = 9_000;
/** A segment that never meets a key frame is cut here. */
export const SEGMENT_FRAGMENTS_MAX = 128;
/** Reload interval of a playlist that says nothing yet of its segments. */
const TARGET_S_MIN = 1;

/** True when `next` goes on where `last` ended, decodable with what came before. */
function follows(last: StoredFragment, next: StoredFragment): boolean {
  return (
    next.epoch === last.epoch &&
    next.run === last.run &&
    next.seq === last.seq + 1 &&
    next.initSha256 === last.initSha256 &&
    Math.abs(next.start90k - last.start90k - last.duration90k) <= SLACK_90K
  );
}

/** Fragments that cannot be decoded, because the key frame before them is not here, are in no segment. */
export function groupSegments(footage: Footage): Segment[] {
  const segments: Segment[] = [];
  let open: Segment | undefined;
  let last: StoredFragment | undefined;
  for (const fragment of footage.fragments) {
    const continues: boolean = last !== undefined && follows(last, fragment);
    const starts = fragment.independent || (continues && open !== undefined && open.fragments.length >= SEGMENT_FRAGMENTS_MAX);
    if (!continues) open = undefined;
    if (starts) {
      open = { fragments: [], durationS: 0, discontinuity: segments.length > 0 && !continues };
      segments.push(open);
    }
    if (open) {
      open.fragments.push(fragment);
      open.durationS += fragment.duration90k / 90_000;
    }
    last = fragment;
  }
  if (!footage.whole && open !== undefined) segments.pop();
  return segments;
}

export function initName(sha256: string): string {
  return `init-${sha256}.mp4`;
}

export function segmentName(segment: Segment): string {
  const first = segment.fragments[0] as StoredFragment;
  const last = segment.fragments.at(-1) as StoredFragment;
  return `s-${first.epoch}-${first.run}-${first.seq}-${last.seq}.m4s`;
}

export interface SegmentRange {
  epoch: string;
  run: number;
  seqFirst: number;
  seqLast: number;
}

/** What a segment's name says, or undefined for no such name. */
export function parseSegmentName(name: string): SegmentRange | undefined {
  const match = /^s-([0-9a-f]{32})-(\d{1,15})-(\d{1,15})-(\d{1,15})\.m4s$/.exec(name);
  if (!match) return undefined;
  const range = { epoch: match[1] as string, run: Number(match[2]), seqFirst: Number(match[3]), seqLast: Number(match[4]) };
  return range.seqLast >= range.seqFirst && range.seqLast - range.seqFirst < SEGMENT_FRAGMENTS_MAX ? range : undefined;
}

/** `query` goes behind each address: `?token=...`, or nothing. */
export function encodePlaylist(segments: readonly Segment[], whole: boolean, query = ''): string {
  // Rounded, no segment may last longer than the target (RFC 8216, 4.3.3.1); rounded up it also holds for readers that do not round.
  const target = Math.max(TARGET_S_MIN, ...segments.map((segment) => Math.ceil(segment.durationS - 1e-6)));
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${target}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    `#EXT-X-PLAYLIST-TYPE:${whole ? 'VOD' : 'EVENT'}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
  ];
  let init = '';
  for (const segment of segments) {
    const first = segment.fragments[0] as StoredFragment;
    if (segment.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
    if (first.initSha256 !== init) lines.push(`#EXT-X-MAP:URI="${initName(first.initSha256)}${query}"`);
    init = first.initSha256;
    lines.push(
      `#EXT-X-PROGRAM-DATE-TIME:${rfc3339(first.startUtcMs)}`,
      `#EXTINF:${segment.durationS.toFixed(5)},`,
      `${segmentName(segment)}${query}`,
    );
  }
  if (whole) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}
