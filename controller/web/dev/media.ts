/** One minute of moving picture as fMP4 segments of 2 s, made with ffmpeg once and kept in the temporary directory; for the mock only. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const SEGMENT_S = 2;
export const SEGMENTS = 30;

export function mediaFolder(): string {
  const folder = path.join(os.tmpdir(), 'longroof-web-mock');
  if (fs.existsSync(path.join(folder, 'whole.mp4'))) return folder;
  fs.mkdirSync(folder, { recursive: true });
  const input = ['-y', '-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=640x360:r=10:d=${SEGMENT_S * SEGMENTS}`];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '20', '-sc_threshold', '0', '-bf', '0'];
  const hls = ['-f', 'hls', '-hls_time', String(SEGMENT_S), '-hls_list_size', '0', '-hls_segment_type', 'fmp4'];
  execFileSync('ffmpeg', [...input, ...video, ...hls, '-hls_segment_filename', path.join(folder, '%d.m4s'), path.join(folder, 'x.m3u8')]);
  execFileSync('ffmpeg', [...input, ...video, '-movflags', '+faststart', path.join(folder, 'whole.mp4')]);
  return folder;
}

/** A playlist of the minute over and over from `fromMs`, without the segments that lie in a gap. */
export function playlist(fromMs: number, toMs: number, gaps: { from: string; to: string }[], done: boolean): string {
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', `#EXT-X-TARGETDURATION:${SEGMENT_S}`, `#EXT-X-PLAYLIST-TYPE:${done ? 'VOD' : 'EVENT'}`];
  lines.push('#EXT-X-MAP:URI="init.mp4"');
  let broken = true;
  const count = Math.min(900, Math.floor((toMs - fromMs) / (SEGMENT_S * 1000)));
  for (let index = 0; index < count; index++) {
    const atMs = fromMs + index * SEGMENT_S * 1000;
    const within = gaps.some((gap) => Date.parse(gap.from) < atMs + SEGMENT_S * 1000 && Date.parse(gap.to) > atMs);
    if (within) {
      broken = true;
      continue;
    }
    // The minute begins again: its media time goes back.
    if (index > 0 && (broken || index % SEGMENTS === 0)) lines.push('#EXT-X-DISCONTINUITY');
    broken = false;
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(atMs).toISOString()}`, `#EXTINF:${SEGMENT_S}.000,`, `${index % SEGMENTS}.m4s`);
  }
  if (done) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}
