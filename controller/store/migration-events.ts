/** Events that protect footage, and what a unit last said of its power. */
import { type Kysely, sql } from 'kysely';

const NUMBER = sql.raw('double precision');

export async function createEvents(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('event')
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
    .addColumn('seq', NUMBER, (column) => column.notNull())
    .addColumn('run', NUMBER, (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('at_mono_ms', NUMBER, (column) => column.notNull())
    .addColumn('at_utc_ms', NUMBER, (column) => column.notNull())
    .addColumn('wall_error_ms', NUMBER, (column) => column.notNull())
    .addColumn('turned_on', 'integer', (column) => column.notNull())
    .addColumn('value', NUMBER)
    .addColumn('hold', 'text')
    .addPrimaryKeyConstraint('event_key', ['unit', 'epoch', 'seq'])
    .execute();
  await db.schema.createIndex('event_by_time').on('event').columns(['unit', 'at_utc_ms']).execute();
  await db.schema.alterTable('unit').addColumn('power_json', 'text').execute();
  await db.schema.alterTable('unit').addColumn('power_utc_ms', NUMBER).execute();
}
