/**
 * The steps that make the tables of `tables.ts`, in order; a step that has run anywhere is never changed again. Column types are the
 * portable subset: `text`, `integer` (32 bits), `double precision`, which holds every whole number that
 * JavaScript can, and `blob` (PostgreSQL's `bytea`).
 */
import { type CreateTableBuilder, type Kysely, type Migration, type MigrationProvider, sql } from 'kysely';
import { createCatalog, createDated } from './migration-catalog.js';
import { createEvents } from './migration-events.js';
import { createEvidence } from './migration-evidence.js';
import { createLive } from './migration-live.js';
import { createSegments } from './migration-segments.js';
import { createWorkers } from './migration-workers.js';

type Columns = Record<string, 'text' | 'integer' | 'double precision'>;
const TEXT = 'text';
const FLAG = 'integer';
const NUMBER = 'double precision';

/** Columns whose name ends in `?` may be null. */
function table(db: Kysely<unknown>, name: string, columns: Columns, key: readonly string[]): CreateTableBuilder<string, string> {
  let builder = db.schema.createTable(name) as CreateTableBuilder<string, string>;
  for (const [column, type] of Object.entries(columns))
    builder = column.endsWith('?')
      ? builder.addColumn(column.slice(0, -1), sql.raw(type))
      : builder.addColumn(column, sql.raw(type), (c) => c.notNull());
  return builder.addPrimaryKeyConstraint(`${name}_key`, key as never) as CreateTableBuilder<string, string>;
}

const STREAM: Columns = { unit: TEXT, epoch: TEXT, camera: TEXT, rendition: TEXT, run: NUMBER };

async function createUnits(db: Kysely<unknown>): Promise<void> {
  await table(
    db,
    'unit',
    {
      unit: TEXT,
      part: TEXT,
      first_seen_utc_ms: NUMBER,
      last_seen_utc_ms: NUMBER,
      online: FLAG,
      'epoch?': TEXT,
      'run?': NUMBER,
      'version?': TEXT,
      'status_json?': TEXT,
      generation: NUMBER,
      'lat_deg?': NUMBER,
      'lon_deg?': NUMBER,
      'fix_utc_ms?': NUMBER,
    },
    ['unit'],
  ).execute();
  await table(db, 'epoch', { unit: TEXT, epoch: TEXT, journal_key_pem: TEXT, next_seq: NUMBER, head: TEXT, started_utc_ms: NUMBER }, [
    'unit',
    'epoch',
  ]).execute();
  await table(db, 'refusal', { unit: TEXT, code: TEXT, count: NUMBER, last_utc_ms: NUMBER, last_message: TEXT }, [
    'unit',
    'code',
  ]).execute();
}

async function createJournal(db: Kysely<unknown>): Promise<void> {
  await table(
    db,
    'journal',
    {
      unit: TEXT,
      epoch: TEXT,
      seq: NUMBER,
      run: NUMBER,
      mono_ms: NUMBER,
      utc_ms: NUMBER,
      type: TEXT,
      body_json: TEXT,
      text: TEXT,
      hash: TEXT,
      received_utc_ms: NUMBER,
    },
    ['unit', 'epoch', 'seq'],
  ).execute();
  await db.schema.createIndex('journal_by_type').on('journal').columns(['unit', 'type', 'epoch', 'seq']).execute();
  await table(db, 'run', { unit: TEXT, epoch: TEXT, run: NUMBER, boot: TEXT }, ['unit', 'epoch', 'run']).execute();
  await table(
    db,
    'anchor',
    { unit: TEXT, epoch: TEXT, boot: TEXT, at_mono_ms: NUMBER, offset_ms: NUMBER, source: TEXT, error_ms: NUMBER },
    ['unit', 'epoch', 'boot', 'at_mono_ms'],
  ).execute();
}

async function createFootage(db: Kysely<unknown>): Promise<void> {
  await table(
    db,
    'reel',
    {
      ...STREAM,
      seq_first: NUMBER,
      count: NUMBER,
      boot: TEXT,
      start_mono_ms: NUMBER,
      start_utc_ms: NUMBER,
      end_utc_ms: NUMBER,
      wall_source: TEXT,
      wall_error_ms: NUMBER,
      bytes: NUMBER,
      root: TEXT,
      init_sha256: TEXT,
      codec: TEXT,
      lost_packets: NUMBER,
      'gone?': TEXT,
    },
    ['unit', 'epoch', 'camera', 'rendition', 'run', 'seq_first'],
  ).execute();
  await db.schema.createIndex('reel_by_time').on('reel').columns(['unit', 'camera', 'rendition', 'start_utc_ms', 'end_utc_ms']).execute();
  await db.schema.createIndex('reel_by_boot').on('reel').columns(['unit', 'epoch', 'boot', 'wall_error_ms']).execute();
  await table(db, 'gap', { ...STREAM, seq: NUMBER, from_utc_ms: NUMBER, to_utc_ms: NUMBER, cause: TEXT, 'detail?': TEXT }, [
    'unit',
    'epoch',
    'seq',
  ]).execute();
  await db.schema.createIndex('gap_by_time').on('gap').columns(['unit', 'from_utc_ms', 'to_utc_ms']).execute();
  await table(db, 'init', { sha256: TEXT, codec: TEXT, base64: TEXT }, ['sha256']).execute();
  await table(
    db,
    'fragment',
    {
      ...STREAM,
      seq: NUMBER,
      sha256: TEXT,
      init_sha256: TEXT,
      bytes: NUMBER,
      start_mono_ms: NUMBER,
      start90k: NUMBER,
      duration90k: NUMBER,
      start_utc_ms: NUMBER,
      wall_source: TEXT,
      wall_error_ms: NUMBER,
      independent: FLAG,
      damaged: FLAG,
      codec: TEXT,
      meta_json: TEXT,
      stored_utc_ms: NUMBER,
    },
    ['unit', 'epoch', 'camera', 'rendition', 'run', 'seq'],
  )
    .addForeignKeyConstraint('fragment_init', ['init_sha256'] as never, 'init', ['sha256'] as never)
    .execute();
  await db.schema.createIndex('fragment_by_wall').on('fragment').columns(['unit', 'epoch', 'wall_error_ms']).execute();
  await db.schema.createIndex('fragment_by_time').on('fragment').columns(['unit', 'camera', 'start_utc_ms']).execute();
}

async function createPulls(db: Kysely<unknown>): Promise<void> {
  await table(
    db,
    'pull',
    {
      id: TEXT,
      unit: TEXT,
      cameras_json: TEXT,
      rendition: TEXT,
      from_utc_ms: NUMBER,
      to_utc_ms: NUMBER,
      reason: TEXT,
      'case_number?': TEXT,
      person: TEXT,
      state: TEXT,
      'final?': TEXT,
      'code?': TEXT,
      created_utc_ms: NUMBER,
      'planned_utc_ms?': NUMBER,
      'ended_utc_ms?': NUMBER,
      'bytes_total?': NUMBER,
    },
    ['id'],
  ).execute();
  await db.schema.createIndex('pull_by_unit').on('pull').columns(['unit', 'state', 'created_utc_ms']).execute();
  const part: Columns = { pull: TEXT, ordinal: FLAG, camera: TEXT, rendition: TEXT };
  await table(db, 'pull_part', { ...part, epoch: TEXT, run: NUMBER, seq_first: NUMBER, seq_last: NUMBER, bytes: NUMBER }, [
    'pull',
    'ordinal',
  ])
    .addForeignKeyConstraint('pull_part_pull', ['pull'] as never, 'pull', ['id'] as never)
    .execute();
  await table(db, 'pull_missing', { ...part, from_utc_ms: NUMBER, to_utc_ms: NUMBER, cause: TEXT }, ['pull', 'ordinal'])
    .addForeignKeyConstraint('pull_missing_pull', ['pull'] as never, 'pull', ['id'] as never)
    .execute();
}

async function createPeople(db: Kysely<unknown>): Promise<void> {
  await table(db, 'person', { name: TEXT, password_hash: TEXT, role: TEXT, created_utc_ms: NUMBER }, ['name']).execute();
  await table(
    db,
    'audit',
    {
      seq: NUMBER,
      utc_ms: NUMBER,
      person: TEXT,
      action: TEXT,
      subject: TEXT,
      'reason?': TEXT,
      detail_json: TEXT,
      prev: TEXT,
      hash: TEXT,
    },
    ['seq'],
  ).execute();
  await table(db, 'setting', { key: TEXT, value: TEXT }, ['key']).execute();
}

const FIRST: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      await createUnits(trx);
      await createJournal(trx);
      await createFootage(trx);
      await createPulls(trx);
      await createPeople(trx);
    }),
};

/** What an exported proof needs beside what is there. */
const PROOF: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      await trx.schema.alterTable('epoch').addColumn('unit_certificate_pem', TEXT).execute();
      await trx.schema.alterTable('fragment').addColumn('place', TEXT).execute();
    }),
};

/** Pulls that ask for a copy of a lower rate, and what the copies were made from. */
const COPIES: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      await trx.schema.alterTable('pull').addColumn('rate_bps', sql.raw(NUMBER)).execute();
      await trx.schema.alterTable('pull').addColumn('derived_json', TEXT).execute();
      await trx.schema.alterTable('pull_part').addColumn('from_json', TEXT).execute();
    }),
};

/** Restores from a backup, what each unit has said since, and the footage that was receipted and is neither here nor on a wagon. */
const RESTORE: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      const when: Columns = { backup_utc_ms: NUMBER, restored_utc_ms: NUMBER };
      const restore: Columns = { store_epoch: TEXT, before_epoch: TEXT, ...when, manifest_sha256: TEXT };
      await table(trx, 'restore', restore, ['store_epoch']).execute();
      const unit: Columns = { store_epoch: TEXT, unit: TEXT, epoch: TEXT, changed_utc_ms: NUMBER, released: NUMBER };
      const offered: Columns = { 'offered_utc_ms?': NUMBER, 'fragments?': NUMBER, 'bytes?': NUMBER, 'refused?': NUMBER };
      await table(trx, 'restore_unit', { ...unit, ...offered }, ['store_epoch', 'unit']).execute();
      const piece: Columns = { seq_first: NUMBER, seq_last: NUMBER, 'bytes?': NUMBER, gone: TEXT, noted_utc_ms: NUMBER, store_epoch: TEXT };
      await table(trx, 'lost', { ...STREAM, ...piece }, ['unit', 'epoch', 'camera', 'rendition', 'run', 'seq_first']).execute();
    }),
};

/** Pulls that go before others, and those that were called off: by which generation of desired state the unit was told. */
const PULLS: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      await trx.schema
        .alterTable('pull')
        .addColumn('urgent', FLAG, (column) => column.notNull().defaultTo(0))
        .execute();
      await trx.schema.alterTable('pull').addColumn('withdrawn_generation', sql.raw(NUMBER)).execute();
    }),
};

/** Footage that a unit must keep. */
const HOLDS: Migration = {
  up: (db) =>
    atOnce(db, async (trx) => {
      const asked: Columns = { id: TEXT, unit: TEXT, cameras_json: TEXT, from_utc_ms: NUMBER, to_utc_ms: NUMBER, owner: TEXT };
      const state: Columns = { state: TEXT, 'bytes?': NUMBER, 'problem?': TEXT, created_utc_ms: NUMBER, 'ended_utc_ms?': NUMBER };
      await table(trx, 'hold', { ...asked, review_utc_ms: NUMBER, made: FLAG, reason: TEXT, person: TEXT, ...state }, ['id']).execute();
      await trx.schema.createIndex('hold_by_unit').on('hold').columns(['unit', 'state']).execute();
    }),
};

/** All of a step or nothing. The migrator opens a transaction itself where it believes that the database can undo such changes. */
async function atOnce(db: Kysely<unknown>, run: (trx: Kysely<unknown>) => Promise<void>): Promise<void> {
  if (db.isTransaction) await run(db);
  else await db.transaction().execute(run);
}

export const migrations: MigrationProvider = {
  getMigrations: async () => ({
    '0001-first': FIRST,
    '0002-proof': PROOF,
    '0003-copies': COPIES,
    '0004-workers': { up: (db) => atOnce(db, createWorkers) },
    '0005-restore': RESTORE,
    '0006-pulls': PULLS,
    '0007-holds': HOLDS,
    '0008-evidence': { up: (db) => atOnce(db, createEvidence) },
    '0009-live': { up: (db) => atOnce(db, createLive) },
    '0010-events': { up: (db) => atOnce(db, createEvents) },
    '0011-segments': { up: (db) => atOnce(db, createSegments) },
    '0012-catalog': { up: (db) => atOnce(db, createCatalog) },
    '0013-dated': { up: (db) => atOnce(db, createDated) },
  }),
};
