/**
 * What the metered links may take in a month, and what they have taken: bytes of the connection both ways, whatever is sent again
 * counted again. The count survives power cuts and is too low by no more than one window: room for the next bytes is written down before
 * they go, and after a power cut that room counts as used. What the disk does not let be written down is not sent, but for the journal.
 */
import path from 'node:path';
import type { AsyncDisk } from '@longroof/base/async-disk';
import { writeDurablyAsync } from '@longroof/base/async-disk';
import { canonicalJson } from '@longroof/base/canonical';
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';

export const USAGE_FILE = 'usage.json';
/** Room that is written down at once, and a power cut can cost: about what goes in this time. */
const STEP_MS = 5_000;
const STEP_BYTES_MIN = 512 * 1024;
/** Left before the next chunk: it and what else goes with it. */
const MARGIN_BYTES = 160 * 1024;
const STEP_BYTES_MAX = 16 * 1024 * 1024;
const RETRY_MS = 5_000;
const DAY_MS = 86_400_000;
/** Kept for the journal until the end of the month: what its design allows it in a day, but no more than a tenth of all. */
const JOURNAL_DAY_BYTES = 5_000_000;
const JOURNAL_SHARE = 0.1;
/** A clock that was wrong for a while counts elsewhere and comes back. */
const PERIODS_MAX = 4;

export interface Period {
  fromUtcMs: UtcMs;
  untilUtcMs: UtcMs;
}

/** The month, in UTC, that begins on this day of the month (1 to 28). */
export function periodAt(utcMs: UtcMs, day: number): Period {
  const at = new Date(utcMs);
  const month = at.getUTCMonth() - (at.getUTCDate() < day ? 1 : 0);
  return { fromUtcMs: Date.UTC(at.getUTCFullYear(), month, day), untilUtcMs: Date.UTC(at.getUTCFullYear(), month + 1, day) };
}

export interface BudgetOptions {
  bytes: number;
  day: number;
  /** The spool's folder: the count shares its life. */
  dir: string;
  disk: Disk;
  writes: AsyncDisk;
  clock: Clock;
  log: Log;
  /** What it lets go may have changed. */
  changed: () => void;
  /** It has been spent, or is new again. */
  onSpent: (spent: boolean) => void;
}

export class Budget {
  readonly #options: BudgetOptions;
  readonly #file: string;
  /** By the beginning of the period, oldest use first: used, and written down as used. */
  readonly #periods = new Map<number, { used: number; written: number }>();
  #stepBytes = STEP_BYTES_MIN;
  #wroteAtMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | undefined;
  #ended = false;
  #failed = false;
  #wasSpent: boolean;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#file = path.join(options.dir, USAGE_FILE);
    for (const [fromUtcMs, used] of readUsage(options.disk, this.#file, options.log)) this.#periods.set(fromUtcMs, { used, written: used });
    this.#wasSpent = this.spent;
    this.add(0);
  }

  get bytes(): number {
    return this.#options.bytes;
  }

  get period(): Period {
    return periodAt(this.#options.clock.utc(), this.#options.day);
  }

  get usedBytes(): number {
    return this.#periods.get(this.period.fromUtcMs)?.used ?? 0;
  }

  /** Nothing but the journal, and what may go beyond, is left room for. */
  get spent(): boolean {
    const { bytes, clock } = this.#options;
    const daysLeft = (this.period.untilUtcMs - clock.utc()) / DAY_MS;
    return this.usedBytes >= bytes - Math.min(bytes * JOURNAL_SHARE, daysLeft * JOURNAL_DAY_BYTES);
  }

  /** The disk did not take the count the last time. */
  get refused(): boolean {
    return this.#failed;
  }

  /** False while room is being written down, or cannot be: nothing that can wait goes then. */
  get counts(): boolean {
    const count = this.#periods.get(this.period.fromUtcMs);
    return count !== undefined && count.written - count.used >= MARGIN_BYTES;
  }

  /** Bytes that have gone over a metered link; none of them asks for room alone. */
  add(bytes: number): void {
    const { fromUtcMs } = this.period;
    const count = this.#periods.get(fromUtcMs) ?? { used: 0, written: 0 };
    this.#periods.delete(fromUtcMs);
    this.#periods.set(fromUtcMs, count);
    for (const old of this.#periods.keys()) if (this.#periods.size > PERIODS_MAX) this.#periods.delete(old);
    count.used += bytes;
    if (count.written - count.used < this.#stepBytes / 2 + MARGIN_BYTES) this.#write();
    const { spent } = this;
    if (spent === this.#wasSpent) return;
    this.#wasSpent = spent;
    this.#options.onSpent(spent);
    this.#options.changed();
  }

  /** Writes down what was used, without room. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#writing;
    if (this.#periods.size > 0) await this.#save(0).catch(() => undefined);
  }

  #write(): void {
    if (this.#writing || this.#ended) return;
    const { clock, log, changed } = this.#options;
    const isQuick = clock.mono() - this.#wroteAtMonoMs < STEP_MS;
    this.#stepBytes = isQuick ? Math.min(STEP_BYTES_MAX, this.#stepBytes * 2) : Math.max(STEP_BYTES_MIN, this.#stepBytes / 2);
    this.#wroteAtMonoMs = clock.mono();
    this.#writing = this.#save(this.#stepBytes)
      .then(
        () => {
          this.#failed = false;
        },
        async (error: unknown) => {
          if (!this.#failed)
            log.error({ error: toFault(error, `write ${this.#file}`) }, 'what the metered link takes cannot be written down');
          this.#failed = true;
          if (!this.#ended) await clock.sleep(RETRY_MS);
        },
      )
      .finally(() => {
        this.#writing = undefined;
        this.add(0);
        changed();
      });
  }

  async #save(stepBytes: number): Promise<void> {
    const { fromUtcMs } = this.period;
    const room = [...this.#periods].map(([from, count]) => {
      return [from, from === fromUtcMs ? count.used + stepBytes : count.used] as const;
    });
    await writeDurablyAsync(this.#options.writes, this.#file, canonicalJson({ metered: room.map((one) => [...one]) }));
    for (const [from, written] of room) {
      const count = this.#periods.get(from);
      if (count) count.written = written;
    }
  }
}

/** What cannot be read counts as nothing, and is said. */
function readUsage(disk: Disk, file: string, log: Log): (readonly [number, number])[] {
  if (!disk.stat(file)?.isFile) return [];
  try {
    const value = JSON.parse(disk.readFile(file).toString('utf8')) as { metered?: unknown };
    const isCount = (one: unknown): one is number => Number.isSafeInteger(one) && (one as number) >= 0;
    const entries = (Array.isArray(value.metered) ? value.metered : []) as unknown[];
    return entries.flatMap((one) => (Array.isArray(one) && isCount(one[0]) && isCount(one[1]) ? [[one[0], one[1]] as const] : []));
  } catch (error) {
    log.error(
      { file, error: toFault(error, `read ${file}`) },
      'what the metered link has taken this month is not known: counted from nothing',
    );
    return [];
  }
}
