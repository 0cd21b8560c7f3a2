/**
 * How much footage may be under way, in bytes: at most min(credit, cwnd). It starts at 32 KiB and grows by one chunk with each
 * acknowledgement until the way there and back takes notably longer than at its best. From then on it is steered to a short queue, as
 * LEDBAT does (RFC 6817, 2.4.2): in each trip it grows or shrinks by up to a chunk, by how far the queue is from 40 ms; where it is far too long,
 * the window is halved, once for what was under way together. So a full link is kept full, and the journal gets through beside the footage.
 */
import type { MonoMs } from '@longroof/base/clock';
import { CHUNK_PAYLOAD_BYTES_MAX, CHUNK_PAYLOAD_BYTES_SLOW } from '@longroof/protocol/chunk';

const START_BYTES = 32 * 1024;
/** Of a link so thin that even one chunk is long: the journal waits for the one that is going out. */
const CHUNK_BYTES_THIN = 8 * 1024;
const THIN_BYTES = 64 * 1024;
/** Beyond this the link is fast enough for long chunks. */
const FAST_BYTES = 512 * 1024;
/** Bound of our own on what the controller grants. */
export const CREDIT_BYTES_MAX = 8 * 1024 * 1024;
const QUEUE_MS = 40;
/** The link has become slower. */
const QUEUE_MS_MAX = 300;
/** The best time is forgotten after one to two of these, so that a new way with a longer one is learnt. */
const BEST_KEPT_MS = 30_000;

export class Window {
  readonly #creditBytes: number;
  #cwndBytes = START_BYTES;
  #starting = true;
  #halvedAtMs: MonoMs = Number.NEGATIVE_INFINITY;
  #best = { sinceMs: Number.NEGATIVE_INFINITY, nowMs: Number.POSITIVE_INFINITY, beforeMs: Number.POSITIVE_INFINITY };

  constructor(creditBytes: number) {
    this.#creditBytes = Math.min(creditBytes, CREDIT_BYTES_MAX);
  }

  /** Never less than one chunk. */
  get bytes(): number {
    return Math.max(CHUNK_BYTES_THIN, Math.min(this.#creditBytes, this.#cwndBytes));
  }

  get chunkBytes(): number {
    if (this.bytes <= THIN_BYTES) return CHUNK_BYTES_THIN;
    return this.bytes > FAST_BYTES ? CHUNK_PAYLOAD_BYTES_MAX : CHUNK_PAYLOAD_BYTES_SLOW;
  }

  /**
   * Notes that what was sent at `sentAtMs` has been acknowledged. A receipt takes as long as the centre's disk does, so it lets the
   * window grow but says nothing of the link.
   */
  acknowledged(sentAtMs: MonoMs, nowMs: MonoMs, by: 'part' | 'receipt'): void {
    const tripMs = nowMs - sentAtMs;
    const queueMs = tripMs - this.#bestMs(tripMs, nowMs);
    if (by === 'part' && queueMs > QUEUE_MS / 2) this.#starting = false;
    if (queueMs > QUEUE_MS_MAX) {
      if (by === 'part' && sentAtMs > this.#halvedAtMs) this.#halve(nowMs);
      return;
    }
    const offTarget = Math.max(-1, 1 - queueMs / QUEUE_MS);
    if (this.#starting) this.#resize(this.chunkBytes);
    else if (by === 'part' || offTarget > 0)
      this.#resize((offTarget * this.chunkBytes * this.chunkBytes) / this.bytes, 2 * this.chunkBytes);
  }

  #halve(nowMs: MonoMs): void {
    this.#resize(-this.bytes / 2);
    this.#halvedAtMs = nowMs;
  }

  #resize(byBytes: number, leastBytes = CHUNK_BYTES_THIN): void {
    this.#cwndBytes = Math.max(leastBytes, Math.min(this.#creditBytes, Math.round(this.bytes + byBytes)));
  }

  #bestMs(tripMs: number, nowMs: MonoMs): number {
    const best = this.#best;
    if (nowMs - best.sinceMs > BEST_KEPT_MS) {
      best.beforeMs = nowMs - best.sinceMs > 2 * BEST_KEPT_MS ? Number.POSITIVE_INFINITY : best.nowMs;
      best.nowMs = Number.POSITIVE_INFINITY;
      best.sinceMs = nowMs;
      // Without its queue for a moment, or the queue would be learnt as the way.
      if (!this.#starting) this.#halve(nowMs);
    }
    best.nowMs = Math.min(best.nowMs, tripMs);
    return Math.min(best.nowMs, best.beforeMs);
  }
}
