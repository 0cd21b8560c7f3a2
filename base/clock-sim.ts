/** A clock that moves only when told. Timers fire in order of their due time, ties in order of creation. */
import type { Clock, MonoMs, Timer, UtcMs } from './clock.js';
import { Fault } from './errors.js';

interface Due {
  atMs: number;
  order: number;
  everyMs: number | undefined;
  run: () => void;
}

export class SimClock implements Clock {
  #monoMs: MonoMs;
  #utcOffsetMs: number;
  #order = 0;
  readonly #due = new Set<Due>();

  constructor(startMonoMs: MonoMs = 1000, startUtcMs: UtcMs = Date.UTC(2026, 0, 1)) {
    this.#monoMs = startMonoMs;
    this.#utcOffsetMs = startUtcMs - startMonoMs;
  }

  mono(): MonoMs {
    return this.#monoMs;
  }

  utc(): UtcMs {
    return this.#monoMs + this.#utcOffsetMs;
  }

  /** Steps the wall clock without moving monotonic time. */
  stepUtc(byMs: number): void {
    this.#utcOffsetMs += byMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        timer.cancel();
        reject(new Fault('cancelled', 'LR_CANCELLED', 'sleep cancelled'));
      };
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', cancel);
        resolve();
      });
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  after(ms: number, run: () => void): Timer {
    return this.#add(ms, undefined, run);
  }

  every(ms: number, run: () => void): Timer {
    return this.#add(ms, ms, run);
  }

  /** Moves time on, firing what falls due; lets promise reactions run between timers. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monoMs + ms;
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#due) {
        if (due.atMs <= endMs && (!next || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order))) next = due;
      }
      if (!next) break;
      this.#monoMs = Math.max(this.#monoMs, next.atMs);
      if (next.everyMs === undefined) this.#due.delete(next);
      else next.atMs += next.everyMs;
      next.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#monoMs = endMs;
    await new Promise((resolve) => setImmediate(resolve));
  }

  #add(ms: number, everyMs: number | undefined, run: () => void): Timer {
    const due: Due = { atMs: this.#monoMs + ms, order: this.#order++, everyMs, run };
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }
}
