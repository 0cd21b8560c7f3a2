/**
 * A plain MP4 (not fragmented, `moov` first) that is stored nowhere: its head is computed from the fragments' own tables, its payload is
 * read from them when asked for. Time in the file is time since its first frame: gaps keep their length, and a new run of the unit
 * follows at its distance on the wall clock. The same fragments always give the same bytes.
 */
import { sha256 } from '@longroof/base/canonical';
import { assert, Fault } from '@longroof/base/errors';
import type { BlobStore } from '../store/blobs.js';
import { mediaDataHeader } from './box-writer.js';
import { type InitSegment, parseInitSegment } from './init-segment.js';
import { parseMovieFragment, type SampleRun } from './movie-fragment.js';
import { encodeMovie, FILE_TYPE, type TrackPlan } from './movie-header.js';
import { SampleTable } from './sample-table.js';
import { notAFragment, readFragment, readHead, type StoredFragment } from './stored-fragment.js';

export interface PlainMp4 {
  bytes: number;
  /** Strong (RFC 9110, 8.8.3), with its quotes. */
  etag: string;
  /** About what it holds in memory. */
  weight: number;
  /** Bytes [from, toExclusive) of the file, in pieces. */
  read(from: number, toExclusive: number): AsyncGenerator<Buffer, void, undefined>;
}

/** Changes whenever the same fragments would give other bytes. */
const LAYOUT = 'longroof-mp4-1';
const HEADS_AT_ONCE = 16;
const READ_BYTES_MAX = 1024 * 1024;
const PIECE_WEIGHT = 400;

/** A fragment's payload in the file. */
interface Piece {
  fragment: StoredFragment;
  payloadAt: number;
  /** From the first byte of the file's payload. */
  at: number;
  bytes: number;
}

/** All fragments share the init segment. Throws LR_STORED_FRAGMENT, LR_MP4_SIZE and what reading finds. */
export async function buildPlainMp4(blobs: BlobStore, init: Uint8Array, fragments: readonly StoredFragment[]): Promise<PlainMp4> {
  const first = fragments[0];
  assert(first, 'an MP4 of no fragments');
  const builder = new Builder(parseInitSegment(init));
  for (let at = 0; at < fragments.length; at += HEADS_AT_ONCE) {
    const batch = fragments.slice(at, at + HEADS_AT_ONCE);
    const heads = await Promise.all(batch.map((fragment) => readHead(blobs, fragment)));
    for (const [index, head] of heads.entries()) builder.add(batch[index] as StoredFragment, head.moof, head.payloadAt);
  }
  const head = builder.encodeHead();
  const etag = `"${sha256(LAYOUT, init, ...fragments.map((fragment) => fragment.sha256)).toString('base64url')}"`;
  return new VirtualFile(blobs, head, builder.pieces, builder.payloadBytes, etag);
}

class Builder {
  readonly pieces: Piece[] = [];
  payloadBytes = 0;
  readonly #init: InitSegment;
  readonly #plans: TrackPlan[];
  readonly #timeline = new Timeline();

  constructor(init: InitSegment) {
    this.#init = init;
    this.#plans = init.tracks.map((track) => ({ init: track, table: new SampleTable() }));
  }

  add(fragment: StoredFragment, moof: Uint8Array, payloadAt: number): void {
    const runs = parseMovieFragment(moof, this.#init.tracks);
    const startS = Math.min(...runs.map((run) => run.baseTime / this.#planOf(run).init.timescale));
    const shiftS = runs.length > 0 ? this.#timeline.shiftS(fragment, startS) : 0;
    for (const run of runs) {
      if (run.offset < payloadAt || run.offset + run.bytes > fragment.bytes) throw notAFragment(fragment, 'samples outside of its mdat');
      const { init, table } = this.#planOf(run);
      const time = Math.max(0, run.baseTime + Math.round(shiftS * init.timescale));
      table.add(run, time, this.payloadBytes + run.offset - payloadAt);
    }
    const bytes = fragment.bytes - payloadAt;
    this.pieces.push({ fragment, payloadAt, at: this.payloadBytes, bytes });
    this.payloadBytes += bytes;
  }

  /** `ftyp`, `moov` and the header of `mdat`. */
  encodeHead(): Buffer {
    const plans = this.#plans.filter((plan) => plan.table.samples > 0);
    if (plans.length === 0) throw new Fault('corrupt', 'LR_STORED_FRAGMENT', 'fragments without a sample');
    const mdat = mediaDataHeader(this.payloadBytes);
    const madeUtcMs = (this.pieces[0] as Piece).fragment.startUtcMs;
    // The size of the moov follows from the width of its offsets, and that from an upper bound: 64 bits a little early do no harm.
    const spare = plans.reduce((sum, plan) => sum + plan.table.samples * 24, 1024 * 1024);
    const fileBytes = this.payloadBytes + spare;
    const moovBytes = encodeMovie(plans, 0, fileBytes, madeUtcMs).length;
    const base = FILE_TYPE.length + moovBytes + mdat.length;
    return Buffer.concat([FILE_TYPE, encodeMovie(plans, base, fileBytes, madeUtcMs), mdat]);
  }

  #planOf(run: SampleRun): TrackPlan {
    const plan = this.#plans.find((one) => one.init.trackId === run.trackId);
    assert(plan, 'a run of a track of the init segment');
    return plan;
  }
}

/** From the fragments' media time, which starts anew with each run of the unit, to time in the file. */
class Timeline {
  #run = '';
  #shiftS = 0;
  #endS = 0;
  #endUtcMs = 0;

  /** Seconds to add to the media times of a fragment that starts at `startS`. */
  shiftS(fragment: StoredFragment, startS: number): number {
    const run = `${fragment.epoch}/${fragment.run}`;
    if (run !== this.#run) {
      const awayS = this.#run === '' ? 0 : Math.max(0, (fragment.startUtcMs - this.#endUtcMs) / 1000);
      this.#shiftS = this.#endS + awayS - startS;
      this.#run = run;
    }
    const durationS = fragment.duration90k / 90_000;
    this.#endS = Math.max(this.#endS, startS + this.#shiftS + durationS);
    this.#endUtcMs = fragment.startUtcMs + durationS * 1000;
    return this.#shiftS;
  }
}

class VirtualFile implements PlainMp4 {
  readonly bytes: number;
  readonly etag: string;
  readonly weight: number;
  readonly #blobs: BlobStore;
  readonly #head: Buffer;
  readonly #pieces: readonly Piece[];

  constructor(blobs: BlobStore, head: Buffer, pieces: readonly Piece[], payloadBytes: number, etag: string) {
    this.#blobs = blobs;
    this.#head = head;
    this.#pieces = pieces;
    this.bytes = head.length + payloadBytes;
    this.etag = etag;
    this.weight = head.length + pieces.length * PIECE_WEIGHT;
  }

  async *read(from: number, toExclusive: number): AsyncGenerator<Buffer, void, undefined> {
    assert(from >= 0 && from <= toExclusive && toExclusive <= this.bytes, 'a range of the file');
    const headBytes = this.#head.length;
    if (from < headBytes) yield this.#head.subarray(from, Math.min(toExclusive, headBytes));
    let at = Math.max(0, from - headBytes);
    const end = toExclusive - headBytes;
    for (let index = this.#pieceAt(at); at < end; index++) {
      const piece = this.#pieces[index] as Piece;
      while (at < Math.min(end, piece.at + piece.bytes)) {
        const stop = Math.min(end, piece.at + piece.bytes, at + READ_BYTES_MAX);
        const offset = piece.payloadAt - piece.at;
        yield await readFragment(this.#blobs, piece.fragment, at + offset, stop + offset);
        at = stop;
      }
    }
  }

  /** The last piece that begins at or before `at`. */
  #pieceAt(at: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#pieces[middle] as Piece).at <= at) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}
