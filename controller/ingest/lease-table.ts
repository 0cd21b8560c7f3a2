/** Partition leases in the database, in the portable subset. Each change names the row as it was seen, so that one of two wins. */
import type { Transaction } from 'kysely';
import type { Db } from '../store/open.js';
import type { IngestWorkerTable, Tables } from '../store/tables.js';
import { type LeaseRow, PARTITIONS } from './lease-decision.js';

export class LeaseTable {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Every partition has a row. */
  async prepare(): Promise<void> {
    await this.#db
      .insertInto('partition_lease')
      .values(PARTITIONS.map((part) => ({ part, worker: '', term: 0 })))
      .onConflict((conflict) => conflict.column('part').doNothing())
      .execute();
  }

  /** Says that a worker lives, and reads what all of them hold. The beat must never repeat: others know a living worker by it. */
  beat(worker: string, beat: number): Promise<{ rows: LeaseRow[]; workers: IngestWorkerTable[] }> {
    return this.#db.transaction().execute(async (trx) => {
      await trx
        .insertInto('ingest_worker')
        .values({ worker, beat })
        .onConflict((conflict) => conflict.column('worker').doUpdateSet({ beat }))
        .execute();
      const rows = await trx.selectFrom('partition_lease').selectAll().orderBy('part').execute();
      return { rows, workers: await trx.selectFrom('ingest_worker').selectAll().execute() };
    });
  }

  /** Those that were still as seen are the worker's, under a new term. */
  take(worker: string, wanted: readonly LeaseRow[]): Promise<LeaseRow[]> {
    return this.#db.transaction().execute(async (trx) => {
      const taken: LeaseRow[] = [];
      for (const seen of wanted)
        if (await change(trx, seen, { worker, term: seen.term + 1 })) taken.push({ ...seen, worker, term: seen.term + 1 });
      return taken;
    });
  }

  async give(given: readonly LeaseRow[]): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      for (const row of given) await change(trx, row, { worker: '', term: row.term });
    });
  }

  /** Locks the row until the transaction ends where the database has such locks; an update of nothing is what all of them understand. */
  holds(trx: Transaction<Tables>, row: LeaseRow): Promise<boolean> {
    return change(trx, row, { worker: row.worker, term: row.term });
  }

  /** Of a worker that ends in good order, or of one whose beat stood still at `beat`. */
  async remove(worker: string, beat?: number): Promise<void> {
    let gone = this.#db.deleteFrom('ingest_worker').where('worker', '=', worker);
    if (beat !== undefined) gone = gone.where('beat', '=', beat);
    await gone.execute();
  }
}

async function change(trx: Transaction<Tables>, seen: LeaseRow, to: Omit<LeaseRow, 'part'>): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('partition_lease')
    .set(to)
    .where('part', '=', seen.part)
    .where('worker', '=', seen.worker)
    .where('term', '=', seen.term)
    .executeTakeFirst();
  return Number(numUpdatedRows) === 1;
}
