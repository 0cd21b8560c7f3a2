/**
 * Fragments that stand whole in a reel's file: a `uuid` box with metadata, then `moof` and `mdat` whose bytes hash to what the
 * metadata say. Reading ends at the first box that is not whole: that is where a kill cut it off.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { FragmentName } from './known.js';

/** size u32, type, user type 16 bytes, SHA-256 of the JSON, then the JSON. */
const HEAD_BYTES = 8 + 16 + 32;

export interface ReelFragment extends FragmentName {
  /** Of the bytes as they stand there. */
  sha256: string;
  bytes: number;
  startMonoMs: number;
  durationMs: number;
  wallUtcMs: number;
}

interface Box {
  type: string;
  from: number;
  to: number;
}

function boxesOf(bytes: Buffer): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > bytes.length) break;
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), from: at, to: at + size });
    at += size;
  }
  return boxes;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function readReelFile(file: string): ReelFragment[] {
  const bytes = fs.readFileSync(file);
  const boxes = boxesOf(bytes);
  const found: ReelFragment[] = [];
  for (let i = 0; i + 2 < boxes.length; i += 1) {
    const [uuid, moof, mdat] = [boxes[i] as Box, boxes[i + 1] as Box, boxes[i + 2] as Box];
    if (uuid.type !== 'uuid' || moof.type !== 'moof' || mdat.type !== 'mdat') continue;
    const json = bytes.subarray(uuid.from + HEAD_BYTES, uuid.to);
    if (sha256(json) !== bytes.toString('hex', uuid.from + 24, uuid.from + HEAD_BYTES)) continue;
    const meta = JSON.parse(json.toString('utf8')) as Record<string, unknown>;
    const whole = bytes.subarray(moof.from, mdat.to);
    const actual = sha256(whole);
    if (actual !== meta['sha256'] || whole.length !== meta['bytes']) continue;
    found.push({
      epoch: meta['epoch'] as string,
      camera: meta['camera'] as string,
      rendition: meta['rendition'] as string,
      run: meta['run'] as number,
      seq: meta['seq'] as number,
      sha256: actual,
      bytes: whole.length,
      startMonoMs: meta['startMonoMs'] as number,
      durationMs: (meta['duration90k'] as number) / 90,
      wallUtcMs: (meta['wall'] as { utcMs: number }).utcMs,
    });
  }
  return found;
}

/** Paths of all reels below a spool. */
export function reelFiles(spool: string): string[] {
  const folder = path.join(spool, 'reels');
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mp4'))
    .map((name) => path.join(folder, name));
}
