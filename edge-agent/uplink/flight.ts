/**
 * One fragment under way in one connection, under its handle: how far it has been sent and acknowledged, and when. Offsets in bytes.
 * Its bytes are in memory only while some of them are unacknowledged.
 */
import type { MonoMs } from '@longroof/base/clock';
import { CHUNK_HEADER_BYTES, writeChunkHeader } from '@longroof/protocol/chunk';
import type { Entry } from './fragment-queue.js';

export class Flight {
  readonly handle: number;
  readonly entry: Entry;
  readonly total: number;
  bytes: Buffer | undefined;
  /** Its manifest is out: chunks may follow. */
  announced = false;
  sent = 0;
  acked = 0;
  progressMs: MonoMs;
  /** The centre has been asked whether it has the fragment: nothing is sent before `probeUntilMs` or its answer. */
  probeUntilMs: MonoMs;
  /** End offset and time of each chunk that is not yet acknowledged, in order. */
  #chunks: { end: number; atMs: MonoMs }[] = [];
  #asked = { offset: -1, atMs: 0 };

  constructor(handle: number, entry: Entry, nowMs: MonoMs, probeMs: number) {
    this.handle = handle;
    this.entry = entry;
    this.total = entry.fragment.meta.bytes;
    this.progressMs = nowMs;
    this.probeUntilMs = entry.probe ? nowMs + probeMs : nowMs;
  }

  get underWayBytes(): number {
    return Math.max(0, this.sent - this.acked);
  }

  /** Nothing of it is on its way, and not all has been sent: it waits for its turn. */
  get waits(): boolean {
    return this.announced && this.sent < this.total && this.sent === this.acked;
  }

  /** The next chunk, header and all; undefined when everything is sent. */
  nextChunk(bytes: Buffer, payloadMax: number, nowMs: MonoMs): Buffer | undefined {
    if (this.sent >= this.total) return undefined;
    const length = Math.min(payloadMax, this.total - this.sent);
    const message = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + length);
    writeChunkHeader(message, { handle: this.handle, offset: this.sent, total: this.total });
    bytes.copy(message, CHUNK_HEADER_BYTES, this.sent, this.sent + length);
    this.sent += length;
    this.#chunks.push({ end: this.sent, atMs: nowMs });
    return message;
  }

  /**
   * Notes an acknowledged offset; gives the time at which the chunk that it covers was sent, if it is news. After a rewind the other
   * side may have more than has been sent again: that is left out.
   */
  acknowledge(offset: number, nowMs: MonoMs): MonoMs | undefined {
    this.progressMs = nowMs;
    this.probeUntilMs = Math.min(this.probeUntilMs, nowMs);
    if (offset <= this.acked || offset > this.total) return undefined;
    this.acked = offset;
    this.sent = Math.max(this.sent, offset);
    let covered = 0;
    while (covered < this.#chunks.length && (this.#chunks[covered] as { end: number }).end <= offset) covered += 1;
    const last = this.#chunks[covered - 1];
    if (covered > 0) this.#chunks.splice(0, covered);
    if (this.acked >= this.total) this.bytes = undefined;
    return last?.atMs;
  }

  /** As `rewind`, when the other side asks; the same request within `onceMs` counts as one. */
  rewindOnce(offset: number, nowMs: MonoMs, onceMs: number): boolean {
    this.progressMs = nowMs;
    this.probeUntilMs = Math.min(this.probeUntilMs, nowMs);
    if (offset >= this.sent || (offset === this.#asked.offset && nowMs - this.#asked.atMs < onceMs)) return false;
    this.#asked = { offset, atMs: nowMs };
    this.rewind(offset);
    return true;
  }

  /** Sends again from `offset`, which the other side does not have. */
  rewind(offset: number): void {
    this.sent = Math.min(offset, this.total);
    this.acked = Math.min(this.acked, this.sent);
    this.#chunks = [];
  }
}
