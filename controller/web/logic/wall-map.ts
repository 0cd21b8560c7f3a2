/**
 * Media time and wall time of a playlist. Footage plays without pause across a gap, so media time runs on while wall time leaps;
 * this map is what puts the wall clock under the picture and the gaps into the scrubber. Pure.
 */

/** One media segment: where it lies in the player's time (seconds) and when its first frame was, UTC. */
export interface TimedSegment {
  startS: number;
  durationS: number;
  utcMs: number;
}

/** Undefined outside of all segments. */
export function wallAt(segments: readonly TimedSegment[], mediaS: number): number | undefined {
  const segment = find(segments, (item) => item.startS <= mediaS + 1e-3);
  if (!segment || mediaS > segment.startS + segment.durationS + 0.5) return undefined;
  return segment.utcMs + Math.max(0, mediaS - segment.startS) * 1000;
}

/** The player's time for a wall time; within a gap, that of the footage after it. Undefined after the last frame. */
export function mediaAt(segments: readonly TimedSegment[], utcMs: number): number | undefined {
  for (const segment of segments) {
    if (utcMs < segment.utcMs) return segment.startS;
    if (utcMs < segment.utcMs + segment.durationS * 1000) return segment.startS + (utcMs - segment.utcMs) / 1000;
  }
  return undefined;
}

/** The last segment that fits, by bisection: segments are in order. */
function find(segments: readonly TimedSegment[], fits: (segment: TimedSegment) => boolean): TimedSegment | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(segments[middle]!)) low = middle + 1;
    else high = middle;
  }
  return segments[low - 1];
}

/** Stretches of footage in wall time; segments nearer together than `slackMs` are one. */
export function stretches(segments: readonly TimedSegment[], slackMs = 300): { fromMs: number; toMs: number }[] {
  const out: { fromMs: number; toMs: number }[] = [];
  for (const segment of segments) {
    const last = out.at(-1);
    const toMs = segment.utcMs + segment.durationS * 1000;
    if (last && Math.abs(segment.utcMs - last.toMs) <= slackMs) last.toMs = toMs;
    else out.push({ fromMs: segment.utcMs, toMs });
  }
  return out;
}

/** Segments of a media playlist (RFC 8216, 4.3.2): EXTINF, EXT-X-PROGRAM-DATE-TIME. Those before the first date are left out. */
export function readPlaylist(text: string): TimedSegment[] {
  const segments: TimedSegment[] = [];
  let startS = 0;
  let durationS: number | undefined;
  let utcMs: number | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#EXTINF:')) durationS = Number.parseFloat(line.slice(8));
    else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) utcMs = Date.parse(line.slice(25));
    else if (line !== '' && !line.startsWith('#') && durationS !== undefined && Number.isFinite(durationS)) {
      if (utcMs !== undefined && Number.isFinite(utcMs)) segments.push({ startS, durationS, utcMs });
      startS += durationS;
      if (utcMs !== undefined) utcMs += durationS * 1000;
      durationS = undefined;
    }
  }
  return segments;
}
