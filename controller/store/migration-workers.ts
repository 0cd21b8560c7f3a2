/** What several ingest workers share: who is there, who holds which partition, and whose certificates are no longer taken. */
import type { Kysely } from 'kysely';

export async function createWorkers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('ingest_worker')
    .addColumn('worker', 'text', (column) => column.primaryKey().notNull())
    .addColumn('beat', 'double precision', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('partition_lease')
    .addColumn('part', 'text', (column) => column.primaryKey().notNull())
    .addColumn('worker', 'text', (column) => column.notNull())
    .addColumn('term', 'double precision', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('revocation')
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('revoked_utc_ms', 'double precision', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('revocation_key', ['unit', 'serial'])
    .execute();
}
