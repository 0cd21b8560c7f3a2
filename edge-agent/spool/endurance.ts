/**
 * How long the disk lasts (S8): bytes written over the life of the spool, and the years until its rated endurance (terabytes written) is
 * used up, at the rate of the last day. Bytes are the kernel's count for the spool's thread; the index keeps their sum, and where the
 * index was lost the journal's last `health` record does. What was written in the last seconds before a kill is not counted.
 */
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { IndexBase } from './index-base.js';
import { blockWriteBytes } from './metered-disk.js';
import type { WallBook } from './wall-book.js';

const FRESH_MS = 5000;
const HOUR_MS = 3_600_000;
/** The rate is that of so much time; a day holds what a day of recording is made of. */
export const WINDOW_MS = 24 * HOUR_MS;
/** Less says nothing: a start writes more, a parked hour less. */
export const MEASURED_MS_MIN = HOUR_MS;
const SAMPLES = 24;
const YEAR_MS = 365.25 * 24 * HOUR_MS;

export interface EnduranceReport {
  /** Since `writtenSinceUtcMs`; 0 where the kernel does not count. */
  writtenBytes: number;
  writtenSinceUtcMs?: UtcMs;
  /** Of recording as in the last day. Left out without a rating, or before an hour was measured. */
  enduranceLeftYears?: number;
}

export class Endurance {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #ratedBytes: number | undefined;
  readonly #startMonoMs: MonoMs;
  readonly #firstBytes: number | undefined;
  /** At most one for each part of the window, oldest first. */
  readonly #samples: { monoMs: MonoMs; runBytes: number }[];
  #readAtMonoMs: MonoMs;
  #runBytes = 0;
  #before = 0;
  /** When counting began; unknown until the first save where it began with this run. */
  #sinceUtcMs: UtcMs | undefined;
  #beganNow = true;
  #savedBytes: number | undefined;

  /** Counts from now: make it before anything is written. */
  constructor(options: { disk: Disk; clock: Clock; ratedBytes: number | undefined }) {
    const { disk, clock, ratedBytes } = options;
    this.#disk = disk;
    this.#clock = clock;
    this.#ratedBytes = ratedBytes;
    this.#startMonoMs = clock.mono();
    this.#readAtMonoMs = this.#startMonoMs;
    this.#firstBytes = blockWriteBytes(disk);
    this.#samples = [{ monoMs: this.#startMonoMs, runBytes: 0 }];
  }

  /** Goes on from what the index says was written before this run. */
  resume(index: IndexBase): void {
    const written = index.get('written');
    const since = index.get('writtenSince');
    if (typeof written !== 'number') return;
    this.#before = written;
    this.#beganNow = false;
    if (typeof since === 'number') this.#sinceUtcMs = since;
  }

  /** Part of a commit's transaction. */
  save(index: IndexBase, wall: WallBook): void {
    const writtenBytes = this.#before + this.measure();
    if (this.#firstBytes === undefined || writtenBytes === this.#savedBytes) return;
    // The clock of a start may be wrong; what the time is known to be later also says when counting began.
    if (this.#beganNow) this.#sinceUtcMs = Math.round(wall.now().utcMs - (this.#clock.mono() - this.#startMonoMs));
    index.set('written', writtenBytes);
    if (this.#sinceUtcMs !== undefined) index.set('writtenSince', this.#sinceUtcMs);
    this.#savedBytes = writtenBytes;
  }

  report(): EnduranceReport {
    const writtenBytes = this.#before + this.measure();
    const years = this.#leftYears(writtenBytes);
    return {
      writtenBytes,
      ...(this.#sinceUtcMs === undefined ? {} : { writtenSinceUtcMs: this.#sinceUtcMs }),
      ...(years === undefined ? {} : { enduranceLeftYears: years }),
    };
  }

  #leftYears(writtenBytes: number): number | undefined {
    if (this.#ratedBytes === undefined || this.#firstBytes === undefined) return undefined;
    const leftBytes = this.#ratedBytes - writtenBytes;
    if (leftBytes <= 0) return 0;
    const from = this.#samples[0]!;
    const measuredMs = this.#readAtMonoMs - from.monoMs;
    const bytes = this.#runBytes - from.runBytes;
    if (measuredMs < MEASURED_MS_MIN || bytes <= 0) return undefined;
    return Math.round(((leftBytes / bytes) * measuredMs * 100) / YEAR_MS) / 100;
  }

  #read(firstBytes: number): number {
    const asBefore = firstBytes + this.#runBytes;
    try {
      return blockWriteBytes(this.#disk) ?? asBefore;
    } catch {
      // No descriptor to spare, say: counted five seconds later, and no reason to hold up footage.
      return asBefore;
    }
  }

  /** Without `now` only when the last reading is five seconds old. */
  measure(now = false): number {
    const nowMonoMs = this.#clock.mono();
    if (this.#firstBytes !== undefined && (now || nowMonoMs - this.#readAtMonoMs >= FRESH_MS)) this.#take(nowMonoMs, this.#firstBytes);
    return this.#runBytes;
  }

  #take(nowMonoMs: MonoMs, firstBytes: number): void {
    this.#readAtMonoMs = nowMonoMs;
    this.#runBytes = this.#read(firstBytes) - firstBytes;
    if (nowMonoMs - this.#samples.at(-1)!.monoMs < WINDOW_MS / SAMPLES) return;
    this.#samples.push({ monoMs: nowMonoMs, runBytes: this.#runBytes });
    // The oldest stays as long as the next one is not a whole window ago.
    while (this.#samples.length > 2 && nowMonoMs - this.#samples[1]!.monoMs >= WINDOW_MS) this.#samples.shift();
  }
}

/** What a `health` record says was written counts where the index says less: it was lost. */
export function restoreWritten(index: IndexBase, disk: unknown): void {
  const { writtenBytes, writtenSinceUtcMs } = (disk ?? {}) as { writtenBytes?: unknown; writtenSinceUtcMs?: unknown };
  if (typeof writtenBytes !== 'number' || writtenBytes <= Number(index.get('written') ?? 0)) return;
  index.set('written', writtenBytes);
  if (typeof writtenSinceUtcMs === 'number') index.set('writtenSince', writtenSinceUtcMs);
}
