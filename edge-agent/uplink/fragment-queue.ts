/**
 * Fragments that wait to be sent: lowest priority number first, in order of arrival within one priority. A fragment asked for twice
 * waits once, at the better priority, and answers both. Bounded: the footage itself stays in the spool.
 */
import { Fault } from '@longroof/base/errors';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { StoredFragment } from '../spool/spool.js';

export const QUEUE_MAX = 8192;

export type Outcome = 'stored' | { refused: string };

export interface Entry {
  readonly key: string;
  readonly fragment: StoredFragment;
  priority: number;
  readonly order: number;
  /** The controller may have it already: ask with the manifest before anything is sent. */
  probe: boolean;
  wrongReceipts: number;
  readonly answer: { resolve: (outcome: Outcome) => void; reject: (fault: Fault) => void };
  readonly outcome: Promise<Outcome>;
}

export function fragmentKey(id: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq'>): string {
  return `${id.camera}.${id.rendition}/${id.run}/${id.seq}`;
}

export class FragmentQueue {
  readonly #known = new Map<string, Entry>();
  /** The best stands last. */
  #waiting: Entry[] = [];
  #order = 0;

  /** Known entries: waiting and under way. */
  get length(): number {
    return this.#known.size;
  }

  get(key: string): Entry | undefined {
    return this.#known.get(key);
  }

  /** Throws `full` (LR_UPLINK_QUEUE). */
  add(fragment: StoredFragment, priority: number): Entry {
    const key = fragmentKey(fragment.meta);
    const known = this.#known.get(key);
    if (known) {
      if (priority < known.priority) this.#raise(known, priority);
      return known;
    }
    if (this.#known.size >= QUEUE_MAX)
      throw new Fault('full', 'LR_UPLINK_QUEUE', `more than ${QUEUE_MAX} fragments wait for the controller`);
    let answer: Entry['answer'] | undefined;
    const outcome = new Promise<Outcome>((resolve, reject) => {
      answer = { resolve, reject };
    });
    const entry: Entry = {
      key,
      fragment,
      priority,
      order: this.#order++,
      probe: fragment.released,
      wrongReceipts: 0,
      answer: answer as Entry['answer'],
      outcome,
    };
    this.#known.set(key, entry);
    this.#insert(entry);
    return entry;
  }

  /** The best one that may go. */
  peek(mayGo: (entry: Entry) => boolean = () => true): Entry | undefined {
    return this.#waiting.findLast(mayGo);
  }

  /** The best one that may go; it stays known until `settle` or `putBack`. */
  take(mayGo?: (entry: Entry) => boolean): Entry | undefined {
    const entry = this.peek(mayGo);
    if (entry) this.#waiting.splice(this.#waiting.lastIndexOf(entry), 1);
    return entry;
  }

  /** A connection ended before its receipt came. */
  putBack(entry: Entry): void {
    if (this.#known.get(entry.key) === entry) this.#insert(entry);
  }

  settle(entry: Entry, outcome: Outcome): void {
    if (!this.#known.delete(entry.key)) return;
    const at = this.#waiting.indexOf(entry);
    if (at >= 0) this.#waiting.splice(at, 1);
    entry.answer.resolve(outcome);
  }

  clear(fault: Fault): void {
    for (const entry of this.#known.values()) {
      entry.outcome.catch(() => undefined);
      entry.answer.reject(fault);
    }
    this.#known.clear();
    this.#waiting = [];
  }

  #raise(entry: Entry, priority: number): void {
    const at = this.#waiting.indexOf(entry);
    entry.priority = priority;
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#insert(entry);
  }

  #insert(entry: Entry): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.#waiting[middle] as Entry, entry)) high = middle;
      else low = middle + 1;
    }
    this.#waiting.splice(low, 0, entry);
  }
}

function before(one: Entry, other: Entry): boolean {
  return one.priority < other.priority || (one.priority === other.priority && one.order < other.order);
}
