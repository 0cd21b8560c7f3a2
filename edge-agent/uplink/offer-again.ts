/**
 * After a change of store: what the store before had released and is still on the disk is offered again, behind everything that is
 * asked for. The manifest goes first, so what a backup holds costs no footage on the wire. What has been answered stands in the journal, by which
 * the controller knows that nothing more comes from this unit. It outlives connections, and begins anew after a restart.
 */
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Spool, StoredFragment } from '../spool/spool.js';
import type { Outcome } from './fragment-queue.js';
import { priorityOf } from './priority.js';

const PRIORITY = priorityOf('offer', 0);
const WAITING_MAX = 64;

export interface OfferAgainOptions {
  spool: Pick<Spool, 'voided' | 'record'>;
  enqueue: (fragment: StoredFragment, priority: number) => Promise<Outcome>;
  log: Log;
}

interface Count {
  fragments: number;
  bytes: number;
  refused: number;
}

export class OfferAgain {
  readonly #options: OfferAgainOptions;
  /** The store that everything is to be offered to. */
  #wanted: string | undefined;
  #running = false;
  #ended = false;

  constructor(options: OfferAgainOptions) {
    this.#options = options;
  }

  /** At a welcome, where something may wait to be offered. */
  begin(storeEpoch: string): void {
    this.#wanted = storeEpoch;
    if (this.#running || this.#ended) return;
    this.#running = true;
    this.#run()
      .catch((error: unknown) => {
        if (!this.#ended)
          this.#options.log.warn({ error: toFault(error, 'offer again') }, 'what waits is offered with the next connection');
      })
      .finally(() => {
        this.#running = false;
      });
  }

  end(): void {
    this.#ended = true;
  }

  async #run(): Promise<void> {
    while (this.#wanted !== undefined && !this.#ended) {
      const storeEpoch = this.#wanted;
      this.#wanted = undefined;
      const count = await this.#offerAll();
      if (this.#ended) return;
      // A refusal is an answer too: it stands in the journal by itself, and the next connection tries once more.
      await this.#options.spool.record('event', { event: 'store-offered', detail: { storeEpoch, ...count } }, { urgent: true });
      this.#options.log.info({ storeEpoch, ...count }, 'offered again');
      if (count.refused === 0) await this.#lookOnce();
    }
  }

  /** Finds nothing from the first reel to the last, and so the spool notes that nothing is left. */
  async #lookOnce(): Promise<void> {
    let after: number | undefined = 0;
    while (after !== undefined) after = (await this.#options.spool.voided(after)).next;
  }

  async #offerAll(): Promise<Count> {
    const count: Count = { fragments: 0, bytes: 0, refused: 0 };
    const waiting = new Set<Promise<void>>();
    let failed: unknown;
    let after: number | undefined = 0;
    while (after !== undefined) {
      const { fragments, next } = await this.#options.spool.voided(after);
      for (const fragment of fragments) {
        const answered = this.#options
          .enqueue(fragment, PRIORITY)
          .then(
            (outcome) => {
              if (outcome !== 'stored') count.refused += 1;
              else {
                count.fragments += 1;
                count.bytes += fragment.meta.bytes;
              }
            },
            (error: unknown) => {
              failed ??= error;
            },
          )
          .finally(() => waiting.delete(answered));
        waiting.add(answered);
        while (waiting.size >= WAITING_MAX) await Promise.race(waiting);
        if (failed !== undefined) throw failed;
      }
      after = next;
    }
    await Promise.all(waiting);
    if (failed !== undefined) throw failed;
    return count;
  }
}
