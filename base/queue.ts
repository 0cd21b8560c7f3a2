/** A FIFO bounded by count and by weight (bytes, usually). A full queue refuses; it never grows. */

export interface QueueBounds {
  countMax: number;
  weightMax: number;
}

export class BoundedQueue<T> {
  readonly #bounds: QueueBounds;
  readonly #weigh: (item: T) => number;
  #items: T[] = [];
  #head = 0;
  #weight = 0;

  constructor(bounds: QueueBounds, weigh: (item: T) => number = () => 1) {
    this.#bounds = bounds;
    this.#weigh = weigh;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get weight(): number {
    return this.#weight;
  }

  /** False when the item does not fit. An item heavier than the bound fits an empty queue. */
  push(item: T): boolean {
    const weight = this.#weigh(item);
    if (this.length >= this.#bounds.countMax || (this.length > 0 && this.#weight + weight > this.#bounds.weightMax)) return false;
    this.#items.push(item);
    this.#weight += weight;
    return true;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#head += 1;
    this.#weight -= this.#weigh(item);
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }
}
