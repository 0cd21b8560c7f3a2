/**
 * Where the power may go in a recording, and what the disk may hold then: all writes up to a place (every place), or all up to the last
 * flush and any part of those after it.
 */
import { seededRandom } from '@longroof/base/random';
import type { Recording } from './recording.js';
import { survivors, type Write } from './volatile-disk.js';

export interface CrashPoint {
  /** So many entries had been taken by the disk. */
  at: number;
  /** Chooses which of the unflushed writes survive; 0: all of them. */
  seed: number;
}

/** In order of place: after each entry a whole prefix, and `reordered` times a part of what was not flushed. */
export function crashPoints(entries: readonly (Write | 'flush')[], reordered: number, seed: number): CrashPoint[] {
  const points: CrashPoint[] = [];
  for (let at = 0; at <= entries.length; at++) {
    // A flush changes nothing of a disk that took everything; but after the last entry come the last promises.
    if (entries[at - 1] !== 'flush' || at === entries.length) points.push({ at, seed: 0 });
    const unflushed = entries.slice(entries.lastIndexOf('flush', at - 1) + 1, at);
    if (at === 0 || unflushed.length < 2) continue;
    for (let turn = 1; turn <= reordered; turn++) points.push({ at, seed: seed + at * reordered + turn });
  }
  return points;
}

/** Plays a recording forward; gives the disk at one crash point after the other, in order of place. */
export class Replay {
  readonly #recording: Recording;
  readonly #prefix: Buffer;
  readonly #durable: Buffer;
  #unflushed: Write[] = [];
  #at = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
    this.#prefix = Buffer.from(recording.image);
    this.#durable = Buffer.from(recording.image);
  }

  imageAt(point: CrashPoint): Buffer {
    if (point.at < this.#at) throw new RangeError('a recording is only played forward');
    for (; this.#at < point.at; this.#at++) this.#take(this.#recording.entries[this.#at] as Write | 'flush');
    if (point.seed === 0) return this.#prefix;
    const image = Buffer.from(this.#durable);
    for (const { offset, data } of survivors(this.#unflushed, seededRandom(point.seed))) image.set(data, offset);
    return image;
  }

  #take(entry: Write | 'flush'): void {
    if (entry === 'flush') {
      for (const { offset, data } of this.#unflushed) this.#durable.set(data, offset);
      this.#unflushed = [];
    } else {
      this.#prefix.set(entry.data, entry.offset);
      this.#unflushed.push(entry);
    }
  }
}

export interface Promised {
  /** Fragments that must be there, with their hashes. */
  fragments: Map<string, string>;
  records: Map<number, string>;
  utcMs: number;
  /** Anything was promised at all: then there is a spool. */
  any: boolean;
}

/** What the recorder had been told is durable when the disk had taken `at` entries, less what it may have let go since. */
export function promisedAt(marks: Recording['marks'], at: number): Promised {
  const promised: Promised = { fragments: new Map(), records: new Map(), utcMs: 0, any: false };
  for (const said of marks) {
    // Between this mark and the one before, its commit was let go of these.
    for (const key of said.mark.gone) promised.fragments.delete(key);
    if (said.at > at) break;
    for (const [key, sha256] of said.mark.added) promised.fragments.set(key, sha256);
    for (const [seq, note] of said.mark.records) promised.records.set(seq, note);
    promised.utcMs = said.mark.utcMs;
    promised.any = true;
  }
  return promised;
}
