/** Brings something in line with what is wanted: the newest wins, what is under way comes to its end first, what fails is tried again. */
import type { Clock } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';

const RETRY = { firstMs: 1_000, maxMs: 60_000 };

export interface NewestWinsOptions<T> {
  clock: Clock;
  log: Log;
  settle: (wanted: T) => Promise<void>;
  /** What it is, and what is logged of a failure. */
  what: string;
  failed: string;
}

export class NewestWins<T extends object> {
  readonly #options: NewestWinsOptions<T>;
  readonly #stop = new AbortController();
  #wanted: T | undefined;
  #running: Promise<void> | undefined;

  constructor(options: NewestWinsOptions<T>) {
    this.#options = options;
  }

  want(wanted: T): void {
    if (this.#stop.signal.aborted) return;
    this.#wanted = wanted;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log, settle, what, failed } = this.#options;
    const backoff = new Backoff(RETRY);
    while (this.#wanted !== undefined && !this.#stop.signal.aborted) {
      const wanted = this.#wanted;
      try {
        await settle(wanted);
        if (this.#wanted === wanted) this.#wanted = undefined;
      } catch (error) {
        log.warn({ error: toFault(error, what) }, failed);
        await clock.sleep(backoff.nextMs(), this.#stop.signal).catch(() => undefined);
      }
    }
  }
}
