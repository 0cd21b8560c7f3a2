/**
 * The thread that owns the SQLite file: it runs one statement at a time and answers with its rows. Every sync of the disk waits here,
 * not in the main loop. All of the database's pragmas stand here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@longroof/base/clock';
import { assert } from '@longroof/base/errors';
import Database from 'better-sqlite3';
import type { Answer, Question, ThreadOptions } from './sqlite-dialect.js';

/** How long another process may keep the database to itself. */
const BUSY_MS = 15_000;
/** SQLite itself would look again after up to 100 ms, and miss the short pauses between the commits of another process. */
const LOOK_MS = 3;
/** Statements that are kept prepared. */
const PREPARED_MAX = 500;
/** Longer ones insert many rows at once, each count with a text of its own. */
const PREPARED_CHARS_MAX = 4096;

function open({ file, use }: ThreadOptions): Database.Database {
  const database = new Database(file, { timeout: LOOK_MS });
  if (use === 'read') {
    database.pragma('query_only = ON');
    return database;
  }
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma('journal_size_limit = 67108864');
  return database;
}

const port = parentPort;
assert(port, 'the database has a thread of its own');
const never = new Int32Array(new SharedArrayBuffer(4));
const prepared = new Map<string, Database.Statement>();
let database: Database.Database | undefined;

function prepare(text: string): Database.Statement {
  database ??= open(workerData as ThreadOptions);
  const known = prepared.get(text);
  if (known) return known;
  const statement = database.prepare(text);
  if (text.length > PREPARED_CHARS_MAX) return statement;
  if (prepared.size >= PREPARED_MAX) prepared.clear();
  prepared.set(text, statement);
  return statement;
}

/** Within a transaction nothing is busy: it has begun with the right to write. */
function patiently<T>(act: () => T): T {
  const endMs = systemClock.mono() + BUSY_MS;
  for (;;) {
    try {
      return act();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code !== 'string' || !code.startsWith('SQLITE_BUSY') || systemClock.mono() > endMs) throw error;
      Atomics.wait(never, 0, 0, LOOK_MS);
    }
  }
}

function run({ sql, parameters, many }: Question): Answer {
  const within = database?.inTransaction === true;
  try {
    const statement = patiently(() => prepare(sql));
    if (many) return { rows: [], changes: many.reduce((sum, row) => sum + statement.run(...row).changes, 0) };
    if (statement.reader) return { rows: patiently(() => statement.all(...parameters)), changes: 0 };
    return { rows: [], changes: patiently(() => statement.run(...parameters)).changes };
  } catch (error) {
    const { message, code } = error as { message?: unknown; code?: unknown };
    const rolledBack = within && database?.inTransaction === false;
    return { error: { message: String(message), code: typeof code === 'string' ? code : undefined, rolledBack } };
  }
}

port.on('message', (question: Question | 'close') => {
  if (question !== 'close') {
    port.postMessage(run(question));
    return;
  }
  database?.close();
  port.close();
});
