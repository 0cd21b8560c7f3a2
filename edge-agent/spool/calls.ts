/** Questions to the spool's thread that wait for their answers, within a bound. */
import { Fault } from '@longroof/base/errors';
import { type Outcome, revive } from './messages.js';

const CALLS_MAX = 10_000;

interface Waiting {
  resolve: (value: never) => void;
  reject: (fault: Fault) => void;
}

export class Calls {
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  /** Rejects with `full` (LR_SPOOL_CALLS) where too many wait. */
  ask<T>(post: (id: number) => void): Promise<T> {
    if (this.#waiting.size >= CALLS_MAX)
      return Promise.reject(new Fault('full', 'LR_SPOOL_CALLS', `${CALLS_MAX} questions to the spool wait already`));
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      post(id);
    });
  }

  settle(outcome: Outcome): void {
    const waiting = this.#waiting.get(outcome.id);
    this.#waiting.delete(outcome.id);
    if (outcome.kind === 'result') waiting?.resolve(outcome.value as never);
    else waiting?.reject(revive(outcome.fault));
  }

  /** No answer will come any more. */
  end(fault: Fault): void {
    for (const waiting of this.#waiting.values()) waiting.reject(fault);
    this.#waiting.clear();
  }
}
