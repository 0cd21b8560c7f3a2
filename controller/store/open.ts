/**
 * 6. The database of the embedded default: SQLite in a folder, write-ahead log, every commit synced, foreign keys held, in a thread of
 * its own. Opening brings its tables up to date. Queries go through kysely in the portable subset, so that PostgreSQL can stand in
 * its place.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Clock } from '@longroof/base/clock';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Kysely, Migrator } from 'kysely';
import { migrations } from './migrations.js';
import { SqliteThreadDialect } from './sqlite-dialect.js';
import type { Tables } from './tables.js';

export type Db = Kysely<Tables>;

export interface Store {
  readonly db: Db;
  /** The same for questions only, in a thread of its own: whoever looks at the fleet waits for no disk, and holds up no unit. */
  readonly reads: Db;
  /** 32 hex digits, made with the database. A database restored from a backup gets a new one: units then offer again all they have. */
  readonly storeEpoch: string;
  close(): Promise<void>;
}

export interface StoreOptions {
  dir: string;
  clock: Clock;
  log: Log;
  disk?: Disk;
}

const EPOCH_KEY = 'store-epoch';

/** Throws `corrupt` (LR_STORE_OPEN) when the file is no database of ours or cannot be brought up to date. */
export async function openStore(options: StoreOptions): Promise<Store> {
  (options.disk ?? systemDisk).makeDirectory(options.dir);
  const file = path.join(options.dir, 'longroof.db');
  let db: Db | undefined;
  try {
    db = new Kysely<Tables>({ dialect: new SqliteThreadDialect(file) });
    await migrate(db, options.log);
    const storeEpoch = await ensureStoreEpoch(db);
    options.log.info({ file, storeEpoch, utcMs: options.clock.utc() }, 'store open');
    const open = db;
    const reads = new Kysely<Tables>({ dialect: new SqliteThreadDialect(file, 'read') });
    const close = async (): Promise<void> => {
      await reads.destroy();
      await open.destroy();
    };
    return { db: open, reads, storeEpoch, close };
  } catch (error) {
    await db?.destroy();
    const fault = toFault(error, `open ${file}`);
    if (fault.code.startsWith('LR_SYS_E')) throw fault;
    throw new Fault('corrupt', 'LR_STORE_OPEN', `${file}: ${fault.message}`, {
      cause: error,
      hint: 'Check that the folder is the data folder of this controller and that its disk is sound, or restore it from a backup.',
    });
  }
}

async function migrate(db: Db, log: Log): Promise<void> {
  const { error, results } = await new Migrator({ db, provider: migrations }).migrateToLatest();
  for (const result of results ?? []) log.info({ migration: result.migrationName, status: result.status }, 'store migrated');
  if (error) throw error;
}

async function ensureStoreEpoch(db: Db): Promise<string> {
  await db
    .insertInto('setting')
    .values({ key: EPOCH_KEY, value: randomBytes(16).toString('hex') })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  return (await db.selectFrom('setting').select('value').where('key', '=', EPOCH_KEY).executeTakeFirstOrThrow()).value;
}
