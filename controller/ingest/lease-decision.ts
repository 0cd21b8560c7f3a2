/**
 * Which partitions a worker should take, keep and give back, as a pure decision over what it sees. Workers that live share all
 * partitions evenly; what belongs to none of them is free.
 */
export const PARTITIONS: readonly string[] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));

export interface LeaseRow {
  part: string;
  /** Empty where nobody holds it. */
  worker: string;
  /** Rises with each new holder. */
  term: number;
}

export interface LeaseView {
  self: string;
  /** All partitions. */
  rows: readonly LeaseRow[];
  /** Workers whose beat moves. */
  alive: ReadonlySet<string>;
  /** Terms under which we act now. */
  held: ReadonlyMap<string, number>;
}

export interface LeaseSteps {
  /** Another has it: stop acting at once. */
  drop: string[];
  /** More than our share: stop acting, then set it free. */
  give: LeaseRow[];
  /** Free, held by one that is gone, or ours and let go since: ours to act on if the row has not changed. */
  take: LeaseRow[];
}

export function decideLeases({ self, rows, alive, held }: LeaseView): LeaseSteps {
  const workers = new Set(alive).add(self).size;
  const share = Math.ceil(rows.length / workers);
  const mine = rows.filter((row) => row.worker === self);
  const terms = new Map(mine.map((row) => [row.part, row.term]));
  // What is not held yet is given first: nothing has to be ended for it.
  const surplus = mine.length > share ? [...mine].sort((a, b) => Number(held.has(a.part)) - Number(held.has(b.part))) : [];
  const give = surplus.slice(0, Math.max(0, mine.length - share));
  const given = new Set(give.map((row) => row.part));
  const free = rows.filter((row) => row.worker !== self && !alive.has(row.worker));
  return {
    drop: [...held].filter(([part, term]) => terms.get(part) !== term).map(([part]) => part),
    give,
    take: [
      ...mine.filter((row) => held.get(row.part) !== row.term && !given.has(row.part)),
      ...free.slice(0, Math.max(0, share - mine.length)),
    ],
  };
}
