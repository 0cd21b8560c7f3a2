/**
 * Counts what was refused, per unit and code, and what a unit last said: gathered in memory and written once a second, so that a
 * flood of garbage costs the database no more than a trickle.
 */
import type { Clock, Timer, UtcMs } from '@longroof/base/clock';
import { type Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Db } from '../store/open.js';

const FLUSH_MS = 1000;
const ENTRIES_MAX = 10_000;
const MESSAGE_CHARS_MAX = 400;
/** Codes are a closed set, but for those of the operating system. */
const CODES_MAX = 300;

interface Entry {
  unit: string;
  code: string;
  count: number;
  lastUtcMs: UtcMs;
  message: string;
}

export class Refusals {
  /** Since the start, by code. */
  readonly byCode = new Map<string, number>();
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #log: Log;
  #entries = new Map<string, Entry>();
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(db: Db, clock: Clock, log: Log) {
    this.#db = db;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#timer = this.#clock.every(FLUSH_MS, () => void this.flush());
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.flush();
  }

  count(unit: string, fault: Fault): void {
    const known = this.byCode.get(fault.code);
    if (known !== undefined || this.byCode.size < CODES_MAX) this.byCode.set(fault.code, (known ?? 0) + 1);
    const key = `${unit} ${fault.code}`;
    const message = fault.message.slice(0, MESSAGE_CHARS_MAX);
    const entry = this.#entries.get(key);
    if (entry) {
      entry.count += 1;
      entry.lastUtcMs = this.#clock.utc();
      entry.message = message;
    } else if (this.#entries.size < ENTRIES_MAX) {
      this.#entries.set(key, { unit, code: fault.code, count: 1, lastUtcMs: this.#clock.utc(), message });
      this.#log.warn({ unit, code: fault.code, reason: message }, 'refused');
    }
  }

  /** One flush at a time; what could not be written is counted again at the next. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    if (this.#entries.size === 0) return;
    const entries = this.#entries;
    this.#entries = new Map();
    try {
      await this.#db.transaction().execute(async (trx) => {
        for (const { unit, code, count, lastUtcMs, message } of entries.values())
          await trx
            .insertInto('refusal')
            .values({ unit, code, count, last_utc_ms: lastUtcMs, last_message: message })
            .onConflict((conflict) =>
              conflict.columns(['unit', 'code']).doUpdateSet((eb) => ({
                count: eb('refusal.count', '+', count),
                last_utc_ms: lastUtcMs,
                last_message: message,
              })),
            )
            .execute();
      });
    } catch (error) {
      this.#log.error({ error: toFault(error, 'write refusals') }, 'refusals not written; counted again');
      for (const [key, entry] of entries) {
        const newer = this.#entries.get(key);
        if (newer) newer.count += entry.count;
        else this.#entries.set(key, entry);
      }
    }
  }
}
