/** Alarms that stay until somebody has seen to them, both sides of a fork, countersigned checkpoints, configurations asked for. */
import { type Kysely, sql } from 'kysely';

const NUMBER = sql.raw('double precision');

async function createAlarms(db: Kysely<unknown>): Promise<void> {
  let alarm = db.schema.createTable('alarm').addColumn('id', 'text', (column) => column.primaryKey().notNull());
  for (const name of ['unit', 'code', 'epoch', 'message', 'detail_json'])
    alarm = alarm.addColumn(name, 'text', (column) => column.notNull());
  for (const name of ['first_utc_ms', 'last_utc_ms', 'count']) alarm = alarm.addColumn(name, NUMBER, (column) => column.notNull());
  await alarm.addColumn('closed_utc_ms', NUMBER).addColumn('closed_by', 'text').addColumn('closed_reason', 'text').execute();
  await db.schema.createIndex('alarm_by_unit').on('alarm').columns(['unit', 'closed_utc_ms']).execute();
  await db.schema
    .createTable('contradiction')
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
    .addColumn('seq', NUMBER, (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    .addColumn('received_utc_ms', NUMBER, (column) => column.notNull())
    .addColumn('signed', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('contradiction_key', ['unit', 'epoch', 'seq', 'hash'])
    .execute();
}

async function createCountersigned(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('countersigned')
    .addColumn('unit', 'text', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
    .addColumn('seq', NUMBER, (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('countersigned_key', ['unit', 'epoch', 'seq'])
    .execute();
  await db.schema
    .createTable('signer')
    .addColumn('key_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('certificate_pem', 'text', (column) => column.notNull())
    .execute();
}

async function createConfigurations(db: Kysely<unknown>): Promise<void> {
  let table = db.schema.createTable('configuration').addColumn('id', 'text', (column) => column.primaryKey().notNull());
  for (const name of ['unit', 'settings_json', 'reason', 'person', 'state'])
    table = table.addColumn(name, 'text', (column) => column.notNull());
  await table
    .addColumn('code', 'text')
    .addColumn('message', 'text')
    .addColumn('created_utc_ms', NUMBER, (column) => column.notNull())
    .addColumn('answered_utc_ms', NUMBER)
    .execute();
  await db.schema.createIndex('configuration_by_unit').on('configuration').columns(['unit', 'created_utc_ms']).execute();
}

export async function createEvidence(db: Kysely<unknown>): Promise<void> {
  await createAlarms(db);
  await createCountersigned(db);
  await createConfigurations(db);
}
