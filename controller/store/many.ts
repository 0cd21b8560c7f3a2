/**
 * One statement for many rows of parameters, in one turn of the database: its text is made and prepared once, however many rows there
 * are. The dialect runs it row by row; one of PostgreSQL may send the rows in one go.
 */
import type { CompiledQuery, InsertObject, Transaction } from 'kysely';
import type { Tables } from './tables.js';

export interface ManyQuery extends CompiledQuery {
  readonly many: readonly (readonly unknown[])[];
}

export function isMany(query: CompiledQuery): query is ManyQuery {
  return 'many' in query;
}

/** Rows that change nothing count as none. Each row has the parameters of `like`, in its order. */
export async function runMany(trx: Transaction<Tables>, like: CompiledQuery, rows: readonly (readonly unknown[])[]): Promise<number> {
  if (rows.length === 0) return 0;
  const { numAffectedRows } = await trx.executeQuery({ ...like, parameters: [], many: rows } as ManyQuery);
  return Number(numAffectedRows ?? 0);
}

/** All rows have the same columns in the same order. What is there already stays, where `kept` names the key by which it is known. */
export async function insertMany<T extends keyof Tables & string>(
  trx: Transaction<Tables>,
  table: T,
  rows: readonly InsertObject<Tables, T>[],
  kept?: readonly string[],
): Promise<number> {
  const [first] = rows;
  if (!first) return 0;
  const columns = Object.keys(first);
  const insert = trx.insertInto(table).values(first);
  const like = kept ? insert.onConflict((conflict) => conflict.columns(kept as never).doNothing()) : insert;
  return runMany(
    trx,
    like.compile(),
    rows.map((row) => columns.map((column) => (row as Record<string, unknown>)[column])),
  );
}
