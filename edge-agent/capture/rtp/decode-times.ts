/**
 * Decode times from presentation times that come in decoding order. With at most N pictures reordered, the decode time of a picture
 * is the smallest of the last N + 1 presentation times (the bumping process of ISO/IEC 14496-10, C.4.5.3, turned round), which never
 * runs back. N comes from the parameter sets. Where they do not tell it, it is learnt from pictures that come behind later ones
 * again and again, and forgotten when they no longer do: a camera whose timestamps jump back now and then reorders nothing.
 */
import type { Media90k } from '@longroof/base/clock';

const DEPTH_MAX = 16;
const DEFAULT_FRAME_90K = 3600;
/** So many pictures behind later ones, among so many pictures, are reordering: B frames come once in 16 at least. */
const EVIDENCE = 3;
const LEARN_PICTURES = 64;
/** A depth that was not needed for so many pictures is given up. */
const FORGET_PICTURES = 256;

export class DecodeTimes {
  #depth = 0;
  #told = false;
  /** Sorted; the last `#depth + 1` presentation times, less those already used. */
  readonly #window: number[] = [];
  /** In order of arrival, to learn how many a picture was overtaken by. */
  readonly #recent: number[] = [];
  #last: number | undefined;
  #pictures = 0;
  /** For each depth, the numbers of the last `EVIDENCE` pictures that needed at least it, oldest first. */
  readonly #evidence: number[][] = Array.from({ length: DEPTH_MAX + 1 }, () => []);

  get depth(): number {
    return this.#depth;
  }

  /** Depth told by the stream; undefined where it does not tell, and it is to be learnt. */
  setDepth(depth: number | undefined): void {
    this.#told = depth !== undefined;
    if (depth !== undefined) this.#depth = Math.min(DEPTH_MAX, depth);
  }

  /** Gives the decode time, later than the one before by a tick at least. `frame90k` is the usual distance, for the first ones. */
  next(pts90k: Media90k, frame90k = DEFAULT_FRAME_90K): Media90k {
    if (!this.#told) this.#learn(pts90k);
    const window = this.#window;
    if (window.length === 0) for (let i = this.#depth; i > 0; i--) window.push(pts90k - i * frame90k);
    this.#insert(pts90k);
    while (window.length > this.#depth + 1) window.shift();
    let dts = window[0] as number;
    if (window.length > this.#depth) window.shift();
    if (this.#last !== undefined && dts <= this.#last) dts = this.#last + 1;
    this.#last = dts;
    return dts;
  }

  reset(): void {
    this.#window.length = 0;
    this.#recent.length = 0;
    this.#last = undefined;
  }

  #learn(pts90k: number): void {
    this.#pictures += 1;
    const recent = this.#recent;
    let overtaken = 0;
    for (let i = recent.length - 1; i >= 0; i--) if ((recent[i] as number) > pts90k) overtaken += 1;
    recent.push(pts90k);
    if (recent.length > DEPTH_MAX) recent.shift();
    for (let depth = 1; depth <= overtaken; depth++) this.#note(depth);
    if (this.#depth > 0 && this.#pictures - (this.#evidence[this.#depth]?.at(-1) ?? 0) > FORGET_PICTURES) this.#depth -= 1;
  }

  #note(depth: number): void {
    const seen = this.#evidence[depth] as number[];
    seen.push(this.#pictures);
    if (seen.length > EVIDENCE) seen.shift();
    const often = seen.length === EVIDENCE && this.#pictures - (seen[0] as number) < LEARN_PICTURES;
    if (often && depth > this.#depth) this.#depth = depth;
  }

  #insert(pts90k: number): void {
    const window = this.#window;
    let at = window.length;
    window.push(pts90k);
    for (; at > 0 && (window[at - 1] as number) > pts90k; at--) window[at] = window[at - 1] as number;
    window[at] = pts90k;
  }
}
