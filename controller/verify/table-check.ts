/**
 * Holds the tables of a plain MP4 against the fragments it was made of: every sample once, at its place, in its order, with its own
 * length, time and decoding. Chunk k of a track is its k-th run. Only the last sample of a run may last longer than recorded: until the
 * next run begins.
 */
import type { Track } from './movie.js';
import type { Run } from './movie-runs.js';
import { broken } from './source.js';

const U32_MAX = 0xffffffff;
const MOVIE_TIMESCALE = 90_000;

export class TableCheck {
  readonly #file: string;
  readonly #cursors = new Map<number, Cursor>();

  constructor(movie: readonly Track[], init: readonly Track[], file: string) {
    this.#file = file;
    for (const track of movie) {
      const from = init.find((one) => one.id === track.id);
      const same =
        from !== undefined &&
        from.timescale === track.timescale &&
        from.handler.equals(track.handler) &&
        from.description.equals(track.description) &&
        from.presentation.equals(track.presentation);
      if (!same || this.#cursors.has(track.id)) throw this.#bad('a track is described otherwise than the camera did');
      this.#cursors.set(track.id, new Cursor(track, file));
    }
  }

  /** `base`: where the fragment's `moof` would begin in this file; `payload`: where its payload lies; `unitRun` names the unit's run. */
  take(runs: readonly Run[], base: number, payload: { from: number; to: number }, unitRun: string): void {
    for (const run of runs) {
      const cursor = this.#cursors.get(run.track);
      const bytes = run.samples.reduce((sum, sample) => sum + sample.size, 0);
      const at = base + run.offset;
      if (!cursor || at < payload.from || at + bytes > payload.to) throw this.#bad('samples of a fragment lie outside of it');
      cursor.take(run, at, unitRun);
    }
  }

  end(): void {
    const starts = [...this.#cursors.values()].map((cursor) => cursor.end());
    const first = Math.min(...starts.map((start) => start.recordedS));
    // Sound and picture keep the distance that they had.
    for (const { recordedS, delayS } of starts)
      if (Math.abs(recordedS - first - delayS) > 0.001) throw this.#bad('sound and picture are moved against each other');
  }

  #bad(why: string) {
    return broken('LR_PROOF_MP4', `${this.#file}: its tables do not show what was recorded: ${why}`);
  }
}

/** Walks the tables of one track sample by sample. */
class Cursor {
  readonly #track: Track;
  readonly #file: string;
  readonly #sizes: Buffer;
  readonly #offsets: Buffer;
  readonly #wide: boolean;
  readonly #chunks: Buffer;
  readonly #syncs: Buffer | undefined;
  readonly #deltas: Counted;
  readonly #compositions: Counted | undefined;
  #sample = 0;
  #chunk = 0;
  #chunkEntry = 0;
  #sync = 0;
  #time = 0;
  #last: { time: number; duration: number } | undefined;
  /** Of the unit's run that goes on: time in the file minus recorded time. */
  #shift: { unitRun: string; ticks: number } | undefined;
  #firstRecorded = 0;

  constructor(track: Track, file: string) {
    this.#track = track;
    this.#file = file;
    const { tables } = track;
    this.#sizes = this.#table('stsz');
    this.#wide = tables.has('co64');
    this.#offsets = this.#table(this.#wide ? 'co64' : 'stco');
    this.#chunks = this.#table('stsc');
    this.#syncs = tables.get('stss');
    this.#deltas = new Counted(this.#table('stts'), file);
    this.#compositions = tables.has('ctts') ? new Counted(this.#table('ctts'), file) : undefined;
    if (this.#wide && tables.has('stco')) throw this.#bad('two tables of places');
  }

  take(run: Run, at: number, unitRun: string): void {
    const width = this.#wide ? 8 : 4;
    const place = 8 + this.#chunk * width;
    if (place + width > this.#offsets.length) throw this.#bad('a run is left out');
    const told = this.#wide ? Number(this.#offsets.readBigUInt64BE(place)) : this.#offsets.readUInt32BE(place);
    if (told !== at || this.#samplesOfChunk() !== run.samples.length) throw this.#bad('a run lies elsewhere or has another length');
    this.#chunk += 1;
    for (const [index, sample] of run.samples.entries()) {
      if (this.#last) this.#step(this.#last, index > 0, run, unitRun);
      else {
        this.#firstRecorded = run.time;
        this.#shift = { unitRun, ticks: -run.time };
      }
      this.#checkSample(sample);
      this.#last = { time: this.#time, duration: sample.duration };
    }
  }

  /** From the sample before to this one: as long as recorded, or to where the next run begins. */
  #step(last: { time: number; duration: number }, inside: boolean, run: Run, unitRun: string): void {
    const delta = this.#deltas.next();
    this.#time = last.time + delta;
    if (inside) {
      if (delta !== last.duration) throw this.#bad('a sample lasts longer or shorter than recorded');
    } else if (this.#shift?.unitRun === unitRun) {
      const wanted = run.time + this.#shift.ticks;
      if (this.#time !== Math.max(last.time, wanted) && delta !== U32_MAX) throw this.#bad('a run begins at another time than recorded');
    } else this.#shift = { unitRun, ticks: this.#time - run.time };
  }

  #checkSample({ size, composition, sync }: Run['samples'][number]): void {
    const at = 12 + this.#sample * 4;
    if (at + 4 > this.#sizes.length || this.#sizes.readUInt32BE(at) !== size) throw this.#bad('a sample is left out or cut');
    const shown = this.#compositions ? this.#compositions.next() | 0 : 0;
    if (shown !== composition) throw this.#bad('a picture is shown at another time than recorded');
    const number = this.#sample + 1;
    const isSync =
      this.#syncs === undefined ||
      (8 + this.#sync * 4 + 4 <= this.#syncs.length && this.#syncs.readUInt32BE(8 + this.#sync * 4) === number);
    if (isSync !== sync) throw this.#bad('a key frame is not marked as it was');
    if (this.#syncs && isSync) this.#sync += 1;
    this.#sample = number;
  }

  /** Where recording of the track began, and by how much the file delays it, both in seconds. */
  end(): { recordedS: number; delayS: number } {
    const last = this.#last;
    if (last && this.#deltas.next() !== last.duration) throw this.#bad('the last sample lasts longer or shorter than recorded');
    const whole =
      this.#sizes.readUInt32BE(4) === 0 &&
      this.#sizes.readUInt32BE(8) === this.#sample &&
      this.#sizes.length === 12 + this.#sample * 4 &&
      this.#offsets.length === 8 + this.#chunk * (this.#wide ? 8 : 4) &&
      this.#offsets.readUInt32BE(4) === this.#chunk &&
      this.#deltas.isDone &&
      (this.#compositions?.isDone ?? true) &&
      (this.#syncs === undefined || this.#syncs.length === 8 + this.#sync * 4);
    if (!last || !whole) throw this.#bad('there is more or less in it than was recorded');
    return { recordedS: this.#firstRecorded / this.#track.timescale, delayS: this.#delayS() };
  }

  /** No edit, or an empty one and then all of the track at its own speed (8.6.6). */
  #delayS(): number {
    const { edits } = this.#track;
    if (!edits) return 0;
    const ok =
      edits.length === 48 &&
      edits[0] === 1 &&
      edits.readUInt32BE(4) === 2 &&
      edits.readBigInt64BE(16) === -1n &&
      edits.readUInt32BE(24) === 0x10000 &&
      edits.readBigInt64BE(36) === 0n &&
      edits.readUInt32BE(44) === 0x10000;
    if (!ok) throw this.#bad('an edit list that leaves something out');
    return Number(edits.readBigUInt64BE(8)) / MOVIE_TIMESCALE;
  }

  /** 8.7.4: entries of (first chunk, samples, description). */
  #samplesOfChunk(): number {
    const entry = (index: number): number => 8 + index * 12;
    const chunk = this.#chunk + 1;
    const next = entry(this.#chunkEntry + 1);
    if (next + 12 <= this.#chunks.length && this.#chunks.readUInt32BE(next) === chunk) this.#chunkEntry += 1;
    const at = entry(this.#chunkEntry);
    if (at + 12 > this.#chunks.length || this.#chunks.readUInt32BE(at) > chunk || this.#chunks.readUInt32BE(at + 8) !== 1)
      throw this.#bad('its table of chunks');
    return this.#chunks.readUInt32BE(at + 4);
  }

  #table(name: string): Buffer {
    const table = this.#track.tables.get(name);
    if (!table || table.length < (name === 'stsz' ? 12 : 8)) throw this.#bad(`${name} is missing`);
    return table;
  }

  #bad(why: string) {
    return broken('LR_PROOF_MP4', `${this.#file}: its tables do not show what was recorded: ${why}`);
  }
}

/** A run-length coded table of (count, value), value by value. */
class Counted {
  readonly #table: Buffer;
  readonly #file: string;
  #entry = 0;
  #used = 0;

  constructor(table: Buffer, file: string) {
    this.#table = table;
    this.#file = file;
  }

  get isDone(): boolean {
    const at = 8 + this.#entry * 8;
    return at === this.#table.length || (at + 8 === this.#table.length && this.#table.readUInt32BE(at) === this.#used);
  }

  next(): number {
    let at = 8 + this.#entry * 8;
    if (at + 8 <= this.#table.length && this.#table.readUInt32BE(at) === this.#used) {
      this.#entry += 1;
      this.#used = 0;
      at += 8;
    }
    if (at + 8 > this.#table.length || this.#table.readUInt32BE(at) === 0)
      throw broken('LR_PROOF_MP4', `${this.#file}: its tables do not show what was recorded: a table is too short`);
    this.#used += 1;
    return this.#table.readUInt32BE(at + 4);
  }
}
