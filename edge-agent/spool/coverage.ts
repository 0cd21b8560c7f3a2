/**
 * Accounts for the time of one stream: every instant between opening and closing is in a fragment or in a gap with a cause (S5).
 * Pure: it is told of fragments that are durable, of causes and of the time, and answers with gaps to record.
 *
 * The cause of a hole is what was noted since the last fragment began; the first such note also covers the time before it back to the
 * fragment's end, because a failure is always noticed later than it begins. Notes from before count no more: a hole of which nobody
 * said anything is `camera-stalled` from a second on, `damaged` where packets are missing or it is shorter.
 */
import type { MonoMs } from '@longroof/base/clock';
import type { GapCause } from '@longroof/protocol/gap';

export interface GapPiece {
  fromMonoMs: MonoMs;
  toMonoMs: MonoMs;
  cause: GapCause;
  detail?: string;
}

interface Note {
  at: MonoMs;
  /** When it was last said again: footage from before then may still be on its way to the disk. */
  until: MonoMs;
  cause: GapCause;
  detail: string | undefined;
  /** Footage flows; nothing was said since. A hole then gets its cause from its length. */
  silent?: true;
}

/** Shorter holes between fragments are jitter of the camera's clock. */
export const GAP_MIN_MS = 100;
/** Causes that held for less are not told apart from their neighbour. */
const PIECE_MIN_MS = 1000;
/** A gap that stays open is reported first after this, then in pieces that double up to the limit. */
const REPORT_FIRST_MS = 10_000;
const REPORT_NEXT_MS = 60_000;
const REPORT_MAX_MS = 600_000;
const NOTES_MAX = 256;
/** So long without a packet is a camera that stood still; less is a frame or a few that did not arrive. */
const STALL_MS_MIN = 1000;
/** From the last frame of a stream that records to its close: a frame's distance, a batch of reads, a busy machine. */
const CLOSING_MS_MAX = 1500;

export class Coverage {
  #open = false;
  #accounted: MonoMs;
  #notes: Note[];
  #reportAfterMs = REPORT_FIRST_MS;

  /** Accounted for until `atMonoMs`; `cause` holds from there. */
  constructor(atMonoMs: MonoMs, cause: GapCause, detail?: string) {
    this.#accounted = atMonoMs;
    this.#notes = [{ at: atMonoMs, until: atMonoMs, cause, detail }];
  }

  /** As it stood when the program ended: open, accounted for until `atMonoMs`, with the cause that was noted last. */
  static resume(atMonoMs: MonoMs, cause: GapCause, causeAtMonoMs: MonoMs, detail?: string): Coverage {
    const coverage = new Coverage(atMonoMs, cause, detail);
    coverage.#open = true;
    coverage.#notes = [{ at: causeAtMonoMs, until: causeAtMonoMs, cause, detail }];
    return coverage;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Up to here every instant is in a fragment or a gap. */
  get accountedMonoMs(): MonoMs {
    return this.#accounted;
  }

  /** What would be recorded for time that goes by now. */
  get cause(): { cause: GapCause; atMonoMs: MonoMs; detail: string | undefined } {
    const note = this.#notes.at(-1)!;
    return { cause: note.cause, atMonoMs: note.at, detail: note.detail };
  }

  /** Closed time before it is a gap of the cause given at the close. */
  open(atMonoMs: MonoMs): GapPiece[] {
    if (this.#open) return [];
    const pieces = this.#cut(atMonoMs);
    this.#open = true;
    this.#accounted = Math.max(this.#accounted, atMonoMs);
    this.#notes = [{ at: this.#accounted, until: this.#accounted, cause: 'starting', detail: undefined }];
    this.#reportAfterMs = REPORT_FIRST_MS;
    return pieces;
  }

  /** What is closed already stays so; with another cause, the time until now keeps the one it was closed for. */
  close(atMonoMs: MonoMs, cause: GapCause): GapPiece[] {
    if (!this.#open && this.cause.cause === cause) return [];
    const to = Math.max(atMonoMs, this.#accounted);
    const isOrderly = this.#open && to > this.#accounted && this.#endsInOrder(to);
    const pieces = isOrderly ? [{ fromMonoMs: this.#accounted, toMonoMs: to, cause }] : this.#cut(to);
    this.#open = false;
    this.#accounted = to;
    this.#notes = [{ at: this.#accounted, until: this.#accounted, cause, detail: undefined }];
    return pieces;
  }

  /** Footage reached to just before the close: what little is missing belongs to the closed time. */
  #endsInOrder(atMonoMs: MonoMs): boolean {
    return atMonoMs - this.#accounted < CLOSING_MS_MAX && !this.#notes.some((note) => note.at > this.#accounted);
  }

  note(cause: GapCause, atMonoMs: MonoMs, detail?: string): void {
    const last = this.#notes.at(-1)!;
    const at = Math.max(atMonoMs, last.at);
    if (last.cause === cause && last.detail === detail && last.at >= this.#accounted) last.until = at;
    else if (at === last.at || this.#notes.length >= NOTES_MAX)
      this.#notes[this.#notes.length - 1] = { at: last.at, until: at, cause, detail };
    else this.#notes.push({ at, until: at, cause, detail });
  }

  /**
   * A fragment of [from, to) is durable. One that `adjoins` the last by its media time leaves no hole, whatever the monotonic times say.
   * `lostPackets` of it are those that were missing in front of it, too.
   */
  fragment(fromMonoMs: MonoMs, toMonoMs: MonoMs, how: { adjoins?: boolean; lostPackets?: number } = {}): GapPiece[] {
    const isHole = !how.adjoins && fromMonoMs - this.#accounted > GAP_MIN_MS;
    const pieces = isHole ? this.#cut(fromMonoMs, (how.lostPackets ?? 0) > 0) : [];
    if (toMonoMs > this.#accounted) {
      this.#accounted = toMonoMs;
      // What was noted while the fragment went on is about its end: it holds the last that came before a failure.
      const since = this.#notes.filter((note) => note.until > fromMonoMs && note.cause !== 'starting' && !note.silent);
      const flowing: Note = { at: fromMonoMs, until: fromMonoMs, cause: 'camera-stalled', detail: undefined, silent: true };
      this.#notes =
        since.length > 0
          ? since.map((note) => ({ ...note, at: Math.max(note.at, toMonoMs), until: Math.max(note.until, toMonoMs) }))
          : [flowing];
      this.#reportAfterMs = REPORT_FIRST_MS;
    }
    return pieces;
  }

  /** Reports a part of a gap that has been open for long, up to `settledMonoMs`: no fragment from before it can still come. */
  tick(settledMonoMs: MonoMs): GapPiece[] {
    if (!this.#open || settledMonoMs - this.#accounted < this.#reportAfterMs) return [];
    this.#reportAfterMs = this.#reportAfterMs < REPORT_NEXT_MS ? REPORT_NEXT_MS : Math.min(this.#reportAfterMs * 2, REPORT_MAX_MS);
    return this.#cut(settledMonoMs);
  }

  /** The hole from what is accounted for up to `to`, by cause; accounted for from now on. */
  #cut(to: MonoMs, packetsLost = false): GapPiece[] {
    const from = this.#accounted;
    if (to <= from) return [];
    if (this.#notes.at(-1)?.silent && (packetsLost || to - from < STALL_MS_MIN))
      this.#notes = [{ at: from, until: from, cause: 'damaged', detail: undefined }];
    const notes = this.#notes.filter((note) => note.at < to);
    const before = notes.findLast((note) => note.at < from);
    const since = notes.filter((note) => note.at >= from);
    if (since.length === 0) since.push(before ?? this.#notes[0]!);
    const pieces: GapPiece[] = [];
    for (const [index, note] of since.entries()) {
      const start = index === 0 ? from : note.at;
      const end = since[index + 1]?.at ?? to;
      const last = pieces.at(-1);
      if (end <= start) continue;
      if (last && (end - start < PIECE_MIN_MS || (last.cause === note.cause && last.detail === note.detail))) last.toMonoMs = end;
      else if (last && last.toMonoMs - last.fromMonoMs < PIECE_MIN_MS) {
        Object.assign(last, { toMonoMs: end, cause: note.cause, detail: note.detail });
      } else
        pieces.push({ fromMonoMs: start, toMonoMs: end, cause: note.cause, ...(note.detail === undefined ? {} : { detail: note.detail }) });
    }
    const { silent: _, ...current } = since.at(-1)!;
    this.#accounted = to;
    this.#notes = [{ ...current, at: to, until: Math.max(current.until, to) }, ...this.#notes.filter((note) => note.at >= to)];
    return pieces;
  }
}
