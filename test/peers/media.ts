/**
 * Test media, made with ffmpeg the first time they are asked for and kept in the system's temporary directory. The picture is
 * synthetic; noise gives it a real bit rate. A file is named after the arguments that made it, so a changed recipe is a new file.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface MediaRecipe {
  codec?: 'h264' | 'h265';
  width?: number;
  height?: number;
  fps?: number;
  seconds?: number;
  /** Distance of key frames. */
  gopS?: number;
  /** Bits per second; the picture gets noise until it needs them. */
  bitRate?: number;
  bFrames?: number;
  slices?: number;
  /** Access unit delimiters in front of each frame. */
  aud?: boolean;
  audio?: boolean;
  /** A number burnt into the recipe's picture, so that two files differ. */
  variant?: number;
}

/** Small and quick: 320x180 at 25 frames a second, 4 s, a key frame a second. */
export const SMALL: MediaRecipe = { width: 320, height: 180, fps: 25, seconds: 4, gopS: 1, bitRate: 300_000 };
/** What a camera of a wagon sends: 1080p25, 4 Mbit/s, a key frame each 2 s. */
export const CAMERA: MediaRecipe = { width: 1920, height: 1080, fps: 25, seconds: 8, gopS: 2, bitRate: 4_000_000 };
/** A key frame each 12 s only. */
export const RARE_KEY_FRAMES: MediaRecipe = { ...SMALL, seconds: 24, gopS: 12 };

function encoderArguments(recipe: Required<MediaRecipe>): string[] {
  const gop = Math.round(recipe.gopS * recipe.fps);
  const kbit = Math.round(recipe.bitRate / 1000);
  const common = ['-b:v', `${kbit}k`, '-maxrate', `${kbit}k`, '-bufsize', `${kbit}k`, '-g', String(gop), '-bf', String(recipe.bFrames)];
  if (recipe.codec === 'h265') {
    const params = [`keyint=${gop}`, `min-keyint=${gop}`, 'scenecut=0', 'open-gop=0', `bframes=${recipe.bFrames}`, 'log-level=error'];
    if (recipe.aud) params.push('aud=1');
    if (recipe.slices > 1) params.push(`slices=${recipe.slices}`);
    return ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', ...common, '-x265-params', params.join(':')];
  }
  const params = [`keyint=${gop}`, `min-keyint=${gop}`, 'scenecut=0', 'nal-hrd=none'];
  if (recipe.aud) params.push('aud=1');
  if (recipe.slices > 1) params.push(`slices=${recipe.slices}`);
  const profile = recipe.bFrames > 0 ? 'high' : 'main';
  return ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', profile, ...common, '-x264-params', params.join(':')];
}

/**
 * Puts a finished file in its place, once: no two runs of an encoder with threads give the same bytes, and whoever has begun to read a
 * file (its bytes first, then where its samples lie) must not find another one there.
 */
function keepFirst(partial: string, file: string): void {
  try {
    fs.linkSync(partial, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  fs.rmSync(partial);
}

/** Path of an MP4 file (not fragmented) made after the recipe. Concurrent callers may both make it; all see the same one, whole. */
export async function makeMedia(recipe: MediaRecipe = {}): Promise<string> {
  const whole: Required<MediaRecipe> = {
    ...(SMALL as Required<Pick<MediaRecipe, 'width' | 'height' | 'fps' | 'seconds' | 'gopS' | 'bitRate'>>),
    codec: 'h264',
    bFrames: 0,
    slices: 1,
    aud: false,
    audio: false,
    variant: 0,
    ...recipe,
  };
  const size = `${whole.width}x${whole.height}`;
  const noise = 4 + (whole.variant % 8);
  const input = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${whole.fps}:d=${whole.seconds},noise=alls=${noise}:allf=t,format=yuv420p`];
  if (whole.audio) input.push('-f', 'lavfi', '-i', `sine=f=${440 + whole.variant}:r=48000:d=${whole.seconds}`);
  const output = [...encoderArguments(whole), ...(whole.audio ? ['-c:a', 'aac', '-b:a', '64k', '-ac', '2'] : [])];
  const args = [...input, ...output, '-movflags', '+faststart'];
  const name = createHash('sha256').update(args.join('\0')).digest('hex').slice(0, 24);
  const directory = path.join(os.tmpdir(), 'longroof-media');
  const file = path.join(directory, `${name}.mp4`);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(directory, { recursive: true });
  const partial = path.join(directory, `${name}.${randomBytes(6).toString('hex')}.part.mp4`);
  await run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args, partial], { maxBuffer: 1 << 20 });
  keepFirst(partial, file);
  return file;
}
