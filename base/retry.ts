/** Exponential back-off with full jitter. Success resets it; there is no last attempt unless the caller makes one. */

export interface BackoffOptions {
  firstMs: number;
  maxMs: number;
  /** 0 to 1, uniform. */
  random?: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and says how long to wait: between half and the whole of the current step. */
  nextMs(): number {
    const { firstMs, maxMs, random = Math.random } = this.#options;
    const stepMs = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return stepMs * (0.5 + random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
