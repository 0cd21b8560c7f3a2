/**
 * The journal at the centre against what the units said last: every record of every unit, numbers without a hole, each hash that of its
 * text, each `prev` the one before, and the head that of the unit. Shares no code with whoever wrote them.
 */
import { createHash } from 'node:crypto';
import { readDatabase } from '../../peers/wagon.js';
import type { WagonEnd } from './wagons.js';

export interface Compared {
  records: number;
  /** What is wrong, in words; the first ones. */
  wrong: string[];
  /** Refusals that the centre has entered, by code. */
  refusals: Record<string, number>;
}

const WRONG_MAX = 20;

export function compare(file: string, ends: readonly WagonEnd[]): Compared {
  return readDatabase(file, (db) => {
    const rows = db.prepare('select seq, text, hash from journal where unit = ? and epoch = ? order by seq');
    const count = db.prepare('select count(*) as "all" from journal where unit = ?');
    const wrong: string[] = [];
    let records = 0;
    for (const { unit, epoch, next, head } of ends) {
      let prev = '0'.repeat(64);
      let seq = 0;
      for (const row of rows.iterate(unit, epoch) as IterableIterator<{ seq: number; text: string; hash: string }>) {
        const told = JSON.parse(row.text) as { seq: number; prev: string };
        const hash = createHash('sha256').update(row.text).digest('hex');
        if (row.seq !== seq || told.seq !== seq || told.prev !== prev || hash !== row.hash) {
          wrong.push(`${unit}: record ${row.seq} is not the one that follows ${seq - 1}`);
          break;
        }
        prev = hash;
        seq += 1;
      }
      records += seq;
      const { all } = count.get(unit) as { all: number };
      if (all !== seq) wrong.push(`${unit}: ${all - seq} records that nobody sent`);
      if (seq !== next || prev !== head) wrong.push(`${unit}: ${seq} of ${next} records, ${prev === head ? 'same' : 'another'} head`);
    }
    const refused = db.prepare('select code, sum(count) as count from refusal group by code').all() as { code: string; count: number }[];
    return { records, wrong: wrong.slice(0, WRONG_MAX), refusals: Object.fromEntries(refused.map(({ code, count: n }) => [code, n])) };
  });
}
