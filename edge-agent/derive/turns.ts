/** Work that is done one piece at a time: urgent pieces before those that wait without being so. Nothing that is under way gives way. */
import { Fault } from '@longroof/base/errors';

interface Waiting {
  urgent: boolean;
  go: () => void;
}

export class Turns {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  /** Throws LR_CANCELLED while it waits, and what `work` throws. */
  async run<T>(urgent: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#turn(urgent, signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next.go();
      else this.#busy = false;
    }
  }

  #turn(urgent: boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(cancelled());
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const waiting = { urgent, go };
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(cancelled());
      };
      signal.addEventListener('abort', stop, { once: true });
      const calm = urgent ? this.#waiting.findIndex((one) => !one.urgent) : -1;
      this.#waiting.splice(calm < 0 ? this.#waiting.length : calm, 0, waiting);
    });
  }
}

function cancelled(): Fault {
  return new Fault('cancelled', 'LR_CANCELLED', 'no longer wanted');
}
