/**
 * Decode times from presentation times that come in decoding order. With at most N pictures reordered, the decode time of a picture
 * is the smallest of the last N + 1 presentation times (the bumping process of ISO/IEC 14496-10, C.4.5.3, turned round), which never
 * runs back. N comes from the parameter sets, or is learnt when a picture arrives behind a later one.
 */
import type { Media90k } from '@longroof/base/clock';

const DEPTH_MAX = 16;
const DEFAULT_FRAME_90K = 3600;

export class DecodeTimes {
  #depth = 0;
  /** Sorted; the last `#depth + 1` presentation times, less those already used. */
  #window: number[] = [];
  /** In order of arrival, to learn how many a picture was overtaken by. */
  #recent: number[] = [];
  #last: number | undefined;

  get depth(): number {
    return this.#depth;
  }

  /** Depth told by the stream; before the first picture of a session, or when parameter sets change. */
  setDepth(depth: number | undefined): void {
    if (depth !== undefined) this.#depth = Math.max(this.#depth, Math.min(DEPTH_MAX, depth));
  }

  /** Gives the decode time, later than the one before by a tick at least. `frame90k` is the usual distance, for the first ones. */
  next(pts90k: Media90k, frame90k = DEFAULT_FRAME_90K): Media90k {
    this.#learn(pts90k);
    if (this.#window.length === 0) for (let i = this.#depth; i > 0; i--) this.#window.push(pts90k - i * frame90k);
    this.#insert(pts90k);
    let dts = this.#window[0] as number;
    if (this.#window.length > this.#depth) this.#window.shift();
    if (this.#last !== undefined && dts <= this.#last) dts = this.#last + 1;
    this.#last = dts;
    return dts;
  }

  reset(): void {
    this.#window = [];
    this.#recent = [];
    this.#last = undefined;
  }

  #learn(pts90k: number): void {
    let overtaken = 0;
    for (const other of this.#recent) if (other > pts90k) overtaken += 1;
    if (overtaken > this.#depth) this.#depth = Math.min(DEPTH_MAX, overtaken);
    this.#recent.push(pts90k);
    if (this.#recent.length > DEPTH_MAX) this.#recent.shift();
  }

  #insert(pts90k: number): void {
    let at = this.#window.length;
    while (at > 0 && (this.#window[at - 1] as number) > pts90k) at -= 1;
    this.#window.splice(at, 0, pts90k);
  }
}
