/** What is watched live now. */
import type { Kysely } from 'kysely';

export async function createLive(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('live')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('camera', 'text', (column) => column.notNull())
    .addColumn('person', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('begun_utc_ms', 'double precision', (column) => column.notNull())
    .addColumn('until_utc_ms', 'double precision', (column) => column.notNull())
    .execute();
}
