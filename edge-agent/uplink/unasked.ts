/**
 * Sends what goes home without being asked for, as far as the link of now lets it: what holds keep, then strips, then proxies, then
 * originals, each from the newest on, so that the centre soon has the day that it is asked about, and not the week that ends. It looks
 * from the newest again each minute, so a strip of now does not wait for the originals of a month. No more than a
 * reel of each kind waits at the uplink, behind everything that was asked for; nothing of it is ever in a pull's way.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { fragmentKey, type Outcome } from './fragment-queue.js';
import { priorityOf } from './priority.js';
import type { Unasked } from './traffic.js';

const ORDER: readonly Unasked[] = ['held', 'strip', 'proxy', 'original'];
/** Another reel of a kind is asked for when fewer wait. */
const WAITING_MAX = 16;
const AGAIN_MS = 60_000;
/** A hold is placed while somebody waits for it. */
const HELD_AGAIN_MS = 5_000;
/** Refused ones are left alone until the next start. */
const REFUSED_MAX = 4096;

export interface UnaskedOptions {
  spool: Pick<Spool, 'unsent'>;
  enqueue: (fragment: StoredFragment, priority: number) => Promise<Outcome>;
  /** Whether it may go now. */
  sends: (what: Unasked) => boolean;
  clock: Clock;
  log: Log;
}

interface Place {
  /** Where the look has come to: from the newest on where undefined. */
  before: number | undefined;
  /** Nothing is left below. */
  atEnd: boolean;
  fromMs: MonoMs;
}

export class UnaskedSender {
  readonly #options: UnaskedOptions;
  readonly #places = new Map<Unasked, Place>();
  readonly #waiting = new Map<Unasked, number>();
  readonly #refused = new Set<string>();
  readonly #stop = new AbortController();
  #wake: (() => void) | undefined;
  #woken = false;
  #running: Promise<void> | undefined;

  constructor(options: UnaskedOptions) {
    this.#options = options;
  }

  /** The link is another, or lets something else go. */
  changed(): void {
    if (this.#stop.signal.aborted) return;
    this.#woken = true;
    this.#running ??= this.#run();
    this.#wake?.();
  }

  /** What waits at the uplink is ended there. */
  async end(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      try {
        const next = await this.#next();
        if (next) for (const fragment of next.fragments) this.#send(next.what, fragment);
        else await this.#pause();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#options.log.warn({ error: toFault(error, 'send without being asked') }, 'what goes without being asked for waits');
        this.#woken = false;
        await this.#pause();
      }
    }
  }

  /** Until something has changed, or for a while. */
  #pause(): Promise<void> {
    if (this.#woken || this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const over = (): void => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
      const timer = this.#options.clock.after(this.#options.sends('held') ? HELD_AGAIN_MS : AGAIN_MS, over);
      this.#wake = over;
    });
  }

  /** Of the first kind that may go and has something, a reel; nothing while enough of that kind waits. */
  async #next(): Promise<{ what: Unasked; fragments: StoredFragment[] } | undefined> {
    const { spool, sends, clock } = this.#options;
    for (const what of ORDER) {
      if (!sends(what)) continue;
      if (this.#count(what) >= WAITING_MAX) return undefined;
      let place = this.#places.get(what);
      if (!place || clock.mono() - place.fromMs >= (what === 'held' ? HELD_AGAIN_MS : AGAIN_MS)) {
        place = { before: undefined, atEnd: false, fromMs: clock.mono() };
        this.#places.set(what, place);
      }
      while (!place.atEnd && sends(what) && !this.#stop.signal.aborted) {
        const { fragments, next } = await spool.unsent(what, place.before);
        place.before = next;
        place.atEnd = next === undefined;
        const fresh = fragments.filter(({ meta }) => !this.#refused.has(fragmentKey(meta)));
        if (fresh.length > 0) return { what, fragments: fresh };
      }
    }
    return undefined;
  }

  /** Throws LR_UPLINK_QUEUE. */
  #send(what: Unasked, fragment: StoredFragment): void {
    const { enqueue, log } = this.#options;
    const key = fragmentKey(fragment.meta);
    const outcome = enqueue(fragment, what === 'held' ? priorityOf('held', 0) : priorityOf('policy', ORDER.indexOf(what)));
    this.#waiting.set(what, this.#count(what) + 1);
    outcome
      .then(
        (answer) => {
          if (answer !== 'stored') this.#refuse(key);
        },
        (error: unknown) => {
          if (!this.#stop.signal.aborted) log.warn({ fragment: key, error: toFault(error, 'send without being asked') }, 'not sent');
        },
      )
      .finally(() => {
        this.#waiting.set(what, this.#count(what) - 1);
        if (this.#count(what) < WAITING_MAX) this.changed();
      });
  }

  #count(what: Unasked): number {
    return this.#waiting.get(what) ?? 0;
  }

  #refuse(key: string): void {
    if (this.#refused.size >= REFUSED_MAX) this.#refused.clear();
    this.#refused.add(key);
  }
}
