/**
 * Puts live pieces on a video element by way of Media Source Extensions and keeps it at the newest picture. Time in the element goes on
 * without a hole: what was left out on the way, or another run of the unit, follows at once, and the wall time of each piece is kept.
 */
import { Fault, toFault } from '@longroof/base/errors';
import { follow, type LivePiece } from '../logic/live-pieces.js';
import { type TimedSegment, wallAt } from '../logic/wall-map.js';

/** Kept behind the picture. */
const BACK_S = 8;
/** Pieces that do not adjoin by more than this follow each other all the same. */
const SEAM_S = 0.3;
const FIRST_S = 0.1;
const SEGMENTS_MAX = 60;

export class LiveScreen {
  readonly #video: HTMLVideoElement;
  readonly #failed: (fault: Fault) => void;
  readonly #source = new MediaSource();
  readonly #url: string;
  readonly #open: Promise<void>;
  #buffer: SourceBuffer | undefined;
  #codec = '';
  #init = '';
  /** Where the next piece belongs in the element's time, and what the unit's time is there. */
  #endS = 0;
  #unitEndS = Number.NaN;
  #segments: TimedSegment[] = [];
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(video: HTMLVideoElement, failed: (fault: Fault) => void) {
    this.#video = video;
    this.#failed = failed;
    this.#open = new Promise((resolve) => this.#source.addEventListener('sourceopen', () => resolve(), { once: true }));
    this.#url = URL.createObjectURL(this.#source);
    video.src = this.#url;
  }

  push(pieces: readonly LivePiece[]): void {
    for (const piece of pieces)
      this.#work = this.#work
        .then(() => (this.#closed ? undefined : this.#add(piece)))
        .catch((error: unknown) => {
          if (!this.#closed) this.#failed(toFault(error, 'live'));
          this.close();
        });
  }

  /** Of the picture at this time of the element. */
  wallAt(mediaS: number): number | undefined {
    return wallAt(this.#segments, mediaS);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    URL.revokeObjectURL(this.#url);
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  async #add({ head, init, media }: LivePiece): Promise<void> {
    await this.#open;
    const buffer = this.#bufferFor(head.codec);
    const startS = head.start90k / 90_000;
    const durationS = head.duration90k / 90_000;
    const adjoins = Math.abs(startS - this.#unitEndS) <= SEAM_S && head.initSha256 === this.#init;
    if (!adjoins) {
      buffer.abort();
      buffer.timestampOffset = this.#endS - startS;
    }
    if (head.initSha256 !== this.#init) await append(buffer, init);
    this.#init = head.initSha256;
    await append(buffer, media);
    const atS = startS + buffer.timestampOffset;
    this.#segments = [...this.#segments, { startS: atS, durationS, utcMs: head.wall.utcMs }].slice(-SEGMENTS_MAX);
    this.#unitEndS = startS + durationS;
    this.#endS = atS + durationS;
    this.#keepUp(durationS);
    await this.#trim(buffer);
  }

  #bufferFor(codec: string): SourceBuffer {
    const type = `video/mp4; codecs="${codec}"`;
    if (codec === this.#codec && this.#buffer) return this.#buffer;
    if (!MediaSource.isTypeSupported(type)) throw new Fault('invalid', 'LR_LIVE_CODEC', `this browser cannot play ${codec}`);
    if (this.#buffer) this.#buffer.changeType(type);
    else this.#buffer = this.#source.addSourceBuffer(type);
    this.#codec = codec;
    return this.#buffer;
  }

  #keepUp(durationS: number): void {
    const video = this.#video;
    const { buffered } = video;
    if (buffered.length === 0) return;
    const endS = buffered.end(buffered.length - 1);
    const startS = buffered.start(buffered.length - 1);
    const isFirst = this.#segments.length === 1 || video.currentTime < startS;
    const { rate, jumpToS } = follow(video.currentTime, endS, durationS);
    video.playbackRate = rate;
    if (isFirst) video.currentTime = Math.max(startS, endS - FIRST_S);
    else if (jumpToS !== undefined) video.currentTime = Math.max(startS, jumpToS);
    if (video.paused) video.play().catch(() => undefined);
  }

  async #trim(buffer: SourceBuffer): Promise<void> {
    const toS = this.#video.currentTime - BACK_S;
    if (buffer.buffered.length === 0 || buffer.buffered.start(0) > toS - BACK_S) return;
    await settled(buffer, () => buffer.remove(0, toS));
  }
}

function append(buffer: SourceBuffer, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  return settled(buffer, () => buffer.appendBuffer(bytes));
}

/** Resolves when the buffer has done it. */
function settled(buffer: SourceBuffer, act: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: Fault): void => {
      buffer.removeEventListener('updateend', done);
      buffer.removeEventListener('error', failed);
      if (error) reject(error);
      else resolve();
    };
    const done = (): void => end();
    const failed = (): void => end(new Fault('invalid', 'LR_PLAYBACK', 'a piece could not be decoded'));
    buffer.addEventListener('updateend', done);
    buffer.addEventListener('error', failed);
    act();
  });
}
