/**
 * The journal at the centre against what the units said last: every record of every unit, numbers without a hole, each `prev` the hash of the
 * one before, and the head that of the unit. Shares no code with whoever wrote them: how segments are packed stands in controller/store/segment.ts.
 */
import { createHash } from 'node:crypto';
import { brotliDecompressSync } from 'node:zlib';
import { readDatabase } from '../../peers/wagon.js';
import type { WagonEnd } from './wagons.js';

export interface Compared {
  records: number;
  /** What is wrong, in words; the first ones. */
  wrong: string[];
  /** Refusals that the centre has entered, by code. */
  refusals: Record<string, number>;
}

interface SegmentRow {
  seq_first: number;
  seq_last: number;
  head: string;
  packed: Buffer;
}

const WRONG_MAX = 20;

/** Texts of its records; the one before the first has this hash. */
function textsOf({ packed }: SegmentRow): string[] {
  const [, ...lines] = brotliDecompressSync(packed).toString('utf8').split('\n');
  const texts: string[] = [];
  for (const line of lines) {
    const before = texts.at(-1);
    texts.push(before === undefined ? line : line.replace('\t', createHash('sha256').update(before).digest('hex')));
  }
  return texts;
}

/** Where the chain of a unit ends that is whole so far, and why it ends there if it should not. */
function walk(rows: Iterable<SegmentRow>): { next: number; head: string; wrong: string | undefined } {
  let [next, head] = [0, '0'.repeat(64)];
  for (const row of rows) {
    const first = next;
    for (const text of textsOf(row)) {
      const told = JSON.parse(text) as { seq: number; prev: string };
      if (told.seq !== next || told.prev !== head) return { next, head, wrong: `record ${next} does not follow from the one before` };
      head = createHash('sha256').update(text).digest('hex');
      next += 1;
    }
    if (row.seq_first !== first || row.seq_last !== next - 1 || row.head !== head)
      return { next, head, wrong: `the segment from ${row.seq_first} on does not hold what its row says` };
  }
  return { next, head, wrong: undefined };
}

export function compare(file: string, ends: readonly Pick<WagonEnd, 'unit' | 'epoch' | 'next' | 'head'>[]): Compared {
  return readDatabase(file, (db) => {
    const rows = db.prepare('select seq_first, seq_last, head, packed from segment where unit = ? and epoch = ? order by seq_first');
    const count = db.prepare('select coalesce(sum(seq_last - seq_first + 1), 0) as "all" from segment where unit = ?');
    const wrong: string[] = [];
    let records = 0;
    for (const end of ends) {
      const { unit } = end;
      const stored = walk(rows.iterate(unit, end.epoch) as IterableIterator<SegmentRow>);
      records += stored.next;
      if (stored.wrong !== undefined) wrong.push(`${unit}: ${stored.wrong}`);
      const { all } = count.get(unit) as { all: number };
      if (all !== stored.next) wrong.push(`${unit}: ${all - stored.next} records that nobody sent`);
      if (stored.next !== end.next || stored.head !== end.head)
        wrong.push(`${unit}: ${stored.next} of ${end.next} records, ${stored.head === end.head ? 'same' : 'another'} head`);
    }
    const refused = db.prepare('select code, sum(count) as count from refusal group by code').all() as { code: string; count: number }[];
    return { records, wrong: wrong.slice(0, WRONG_MAX), refusals: Object.fromEntries(refused.map(({ code, count: n }) => [code, n])) };
  });
}
