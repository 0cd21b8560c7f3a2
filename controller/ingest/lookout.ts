/** Looks at something now and then, one look at a time; a look that fails is logged, and the next one tries again. */
import type { Clock, Timer } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';

export interface LookoutOptions {
  clock: Pick<Clock, 'every'>;
  log: Log;
  everyMs: number;
  look: () => Promise<void>;
  /** What is looked for, and what a look that fails may cost: for the log. */
  what: string;
  cost: string;
}

export class Lookout {
  readonly #options: LookoutOptions;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LookoutOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, log, everyMs, look, what, cost } = this.#options;
    this.#timer = clock.every(everyMs, () => {
      this.#running ??= look()
        .catch((error: unknown) => log.error({ error: toFault(error, what) }, cost))
        .finally(() => {
          this.#running = undefined;
        });
    });
  }

  /** Resolves when the look that is under way has ended. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running;
  }
}
