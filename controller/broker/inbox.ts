/**
 * A session's messages that wait for their turn: handled one at a time, in order, and bounded, since reading stops at the limit. When
 * the connection ends, what still waits is dropped (the unit sends it again) but for its will.
 */
interface Waiting {
  weight: number;
  last: boolean;
  run: () => Promise<void>;
}

/** What a message costs beside its payload, so that many small ones are bounded too. */
export const MESSAGE_WEIGHT = 512;

export interface InboxOptions {
  /** Outstanding bytes at which reading stops; it goes on at half of them. */
  pauseBytes: number;
  hold: () => void;
  release: () => void;
  ended: () => Promise<void>;
}

export class Inbox {
  readonly #options: InboxOptions;
  #waiting: Waiting[] = [];
  #head = 0;
  #bytes = 0;
  #held = false;
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  push(bytes: number, run: () => Promise<void>, last = false): void {
    if (this.#ended && !last) return;
    const weight = bytes + MESSAGE_WEIGHT;
    this.#waiting.push({ weight, last, run });
    this.#bytes += weight;
    if (!this.#held && !this.#ended && this.#bytes >= this.#options.pauseBytes) {
      this.#held = true;
      this.#options.hold();
    }
    this.#running ??= this.#run();
  }

  /** Resolves after the last message and `ended`. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = this.#waiting.slice(this.#head).filter((waiting) => waiting.last);
    this.#head = 0;
    await this.#running;
    await this.#options.ended();
  }

  async #run(): Promise<void> {
    for (;;) {
      const next = this.#waiting[this.#head];
      if (!next) break;
      this.#head += 1;
      await next.run();
      this.#done(next);
    }
    this.#waiting = [];
    this.#head = 0;
    this.#running = undefined;
  }

  #done(waiting: Waiting): void {
    this.#bytes -= waiting.weight;
    if (this.#head > 64 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    if (this.#held && this.#bytes <= this.#options.pauseBytes / 2) {
      this.#held = false;
      this.#options.release();
    }
  }
}
