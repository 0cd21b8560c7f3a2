/** A pause that somebody ends. */
export class Rest {
  readonly over: Promise<void>;
  #wake: () => void = () => undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  end(): void {
    this.#wake();
  }
}
