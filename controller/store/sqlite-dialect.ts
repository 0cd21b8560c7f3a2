/**
 * SQLite for the query layer, in a thread of its own: one connection, taken in turns, so a transaction is never interleaved with
 * anything else.
 */
import { Worker } from 'node:worker_threads';
import { assert, Fault, type FaultKind } from '@longroof/base/errors';
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

import { isMany } from './many.js';

export interface Question {
  sql: string;
  parameters: readonly unknown[];
  /** In place of the parameters: the statement is run for each. */
  many?: readonly (readonly unknown[])[];
}
export interface Failure {
  message: string;
  code: string | undefined;
  /** SQLite has taken back the whole transaction, not the statement alone: a full disk does that. */
  rolledBack: boolean;
}
export type Answer = { rows: unknown[]; changes: number } | { error: Failure };

export interface ThreadOptions {
  file: string;
  /** Who only reads waits for no commit, and sees all that is committed. */
  use: 'write' | 'read';
}

/** All migrations that are due in one transaction, so that of two processes that start one makes them and the other finds them made. */
class Adapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

export class SqliteThreadDialect implements Dialect {
  readonly #options: ThreadOptions;

  constructor(file: string, use: ThreadOptions['use'] = 'write') {
    this.#options = { file, use };
  }

  createDriver(): Driver {
    return new ThreadDriver(this.#options);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): SqliteAdapter {
    return new Adapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

class ThreadConnection implements DatabaseConnection {
  readonly #worker: Worker;
  #waiting: Waiting | undefined;
  #gone: Fault | undefined;
  /** Why the transaction is no more, until whoever began it has heard. */
  #rolledBack: Error | undefined;

  constructor(options: ThreadOptions) {
    this.#worker = new Worker(new URL('./sqlite-thread.js', import.meta.url), { workerData: options, name: `longroof-${options.use}` });
    this.#worker.on('message', (answer: Answer) => this.#settle((waiting) => waiting.resolve(answer)));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(undefined));
    this.#worker.unref();
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    // Outside of its transaction a statement would be kept by itself.
    if (this.#rolledBack) throw this.#rolledBack;
    const { sql, parameters } = query;
    const answer = await this.#ask(isMany(query) ? { sql, parameters, many: query.many } : { sql, parameters });
    if ('error' in answer) {
      const error = errorOf(answer.error);
      if (answer.error.rolledBack) this.#rolledBack = error;
      throw error;
    }
    return { rows: answer.rows as R[], numAffectedRows: BigInt(answer.changes) };
  }

  async rollback(): Promise<void> {
    if (!this.#rolledBack) await this.executeQuery(CompiledQuery.raw('rollback'));
    this.#rolledBack = undefined;
  }

  // biome-ignore lint/correctness/useYield: required by the interface; nothing here streams
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Fault('internal', 'LR_ASSERT', 'the store does not stream');
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.ref();
    this.#worker.postMessage('close');
    await exited;
  }

  #ask(question: Question): Promise<Answer> {
    if (this.#gone) return Promise.reject(this.#gone);
    assert(!this.#waiting, 'one statement at a time');
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      // A statement under way keeps the process alive; an idle store does not.
      this.#worker.ref();
      this.#worker.postMessage(question);
    });
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#worker.unref();
    if (waiting) how(waiting);
  }

  #end(cause: unknown): void {
    this.#gone ??= new Fault('unavailable', 'LR_STORE_GONE', 'the database is closed', { cause });
    const gone = this.#gone;
    this.#settle((waiting) => waiting.reject(gone));
  }
}

/** What the disk does to SQLite, as kinds: SQLite's result codes. Anything else as it came. */
const KINDS: readonly [RegExp, FaultKind][] = [
  [/^SQLITE_FULL/, 'full'],
  [/^SQLITE_READONLY/, 'read-only'],
  [/^SQLITE_(IOERR|BUSY|CANTOPEN)/, 'unavailable'],
];

function errorOf({ message, code }: Failure): Error {
  const kind = KINDS.find(([pattern]) => code !== undefined && pattern.test(code))?.[1];
  return kind ? new Fault(kind, `LR_SYS_${code}`, message) : Object.assign(new Error(message), { code });
}

class ThreadDriver implements Driver {
  readonly #options: ThreadOptions;
  #connection: ThreadConnection | undefined;
  /** Resolves when whoever came last is through. */
  #turn: Promise<void> = Promise.resolve();
  #release: (() => void) | undefined;

  constructor(options: ThreadOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    this.#connection = new ThreadConnection(this.#options);
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#turn;
    let release: () => void = () => undefined;
    this.#turn = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    this.#release = release;
    assert(this.#connection, 'the driver is ready');
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    this.#release?.();
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // Waits for other processes here; a reader that became a writer later could only fail.
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as ThreadConnection).rollback();
  }

  async destroy(): Promise<void> {
    await this.#connection?.close();
  }
}
