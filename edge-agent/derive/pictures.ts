/** Key frames as raw pixels: some fragments through one ffmpeg at low priority, each picture handed on as it comes out. */
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { type RunAs, runLow } from './low-child.js';

/** RGB, 8 bits each. */
export interface Picture {
  width: number;
  height: number;
  pixels: Buffer;
}

export interface PicturesOptions {
  spool: Pick<Spool, 'read' | 'init'>;
  clock: Clock;
  runAs: RunAs | undefined;
  signal: AbortSignal;
}

/** Pixels across: larger ones are made smaller before they leave the decoder, which saves the pipe. */
const WIDTH_MAX = 640;
const TIME_MS = 120_000;
const HEADER_BYTES_MAX = 32;
const PICTURE_BYTES_MAX = WIDTH_MAX * 2160 * 3;

const ARGS = [
  ...['-hide_banner', '-loglevel', 'error', '-nostats', '-protocol_whitelist', 'pipe', '-threads', '1', '-skip_frame', 'nokey'],
  ...['-f', 'mov', '-i', 'pipe:0', '-map', '0:v:0', '-fps_mode', 'passthrough', '-vf', `scale=trunc(min(${WIDTH_MAX}\\,iw)/2)*2:-2`],
  ...['-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'],
];

/** All of one init segment, each with a key frame. Throws LR_COPY_*, LR_SPOOL_CORRUPT, LR_CANCELLED. */
export async function keyPictures(fragments: readonly StoredFragment[], options: PicturesOptions): Promise<Picture[]> {
  const pictures: Picture[] = [];
  const reader = new PpmReader((picture) => pictures.push(picture));
  await runLow({
    program: 'ffmpeg',
    args: ARGS,
    input: bytesOf(fragments, options.spool),
    output: (bytes) => reader.push(bytes),
    // A fragment may hold more key frames than its first.
    outputBytesMax: (fragments.length + 1) * 4 * PICTURE_BYTES_MAX,
    timeMs: TIME_MS,
    clock: options.clock,
    signal: options.signal,
    runAs: options.runAs,
  });
  return pictures;
}

async function* bytesOf(fragments: readonly StoredFragment[], spool: PicturesOptions['spool']): AsyncGenerator<Uint8Array> {
  const init = await spool.init(fragments[0]?.meta.initSha256 ?? '');
  if (!init) throw new Fault('corrupt', 'LR_COPY_FAILED', 'the init segment is not on the disk any more');
  yield init;
  for (const fragment of fragments) yield await spool.read(fragment);
}

/** Reads `P6 WIDTH HEIGHT 255` and its pixels (ppm(5)) out of a pipe. */
export class PpmReader {
  readonly #found: (picture: Picture) => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(found: (picture: Picture) => void) {
    this.#found = found;
  }

  push(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    for (let at = 0; ; ) {
      const picture = this.#next(at);
      if (!picture) {
        this.#held = Buffer.from(this.#held.subarray(at));
        return;
      }
      this.#found(picture.picture);
      at = picture.end;
    }
  }

  #next(at: number): { picture: Picture; end: number } | undefined {
    const head = this.#held.toString('latin1', at, at + HEADER_BYTES_MAX);
    const match = /^P6\s(\d{1,5})\s(\d{1,5})\s255\s/.exec(head);
    if (!match) {
      if (head.length >= HEADER_BYTES_MAX) throw new Fault('corrupt', 'LR_COPY_FAILED', 'ffmpeg made something else than pictures');
      return undefined;
    }
    const [width, height] = [Number(match[1]), Number(match[2])];
    const start = at + match[0].length;
    const end = start + width * height * 3;
    if (width === 0 || height === 0 || end - start > PICTURE_BYTES_MAX)
      throw new Fault('too-large', 'LR_COPY_OUTPUT', `a picture of ${width}x${height}`);
    if (end > this.#held.length) return undefined;
    return { picture: { width, height, pixels: Buffer.from(this.#held.subarray(start, end)) }, end };
  }
}
