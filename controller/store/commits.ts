/**
 * Small pieces of work in one commit: what comes while a commit is under way, or soon after one, goes into the next together, each in a
 * savepoint of its own, so that one that fails takes nothing of the others with it. A disk that syncs slowly makes commits larger, not the
 * row of them longer; where little happens nothing waits.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { sql, type Transaction } from 'kysely';
import type { Db } from './open.js';
import type { Tables } from './tables.js';

/** Pieces of one commit: what else the database has to do waits for no more. */
const TOGETHER_MAX = 100;
/** From the beginning of one commit to the next. */
const APART_MS = 20;

type Work<T> = (trx: Transaction<Tables>) => Promise<T>;
type Outcome = { value: unknown } | { error: unknown };

interface Piece {
  work: Work<unknown>;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

export class Commits {
  readonly #db: Db;
  readonly #clock: Clock;
  #waiting: Piece[] = [];
  #running: Promise<void> | undefined;
  #begunMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(db: Db, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Resolves when what the work did is durable. The work must not wait for another commit. */
  run<T>(work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waitMs = this.#begunMonoMs + APART_MS - this.#clock.mono();
      if (waitMs > 0) await this.#clock.sleep(waitMs);
      this.#begunMonoMs = this.#clock.mono();
      const group = this.#waiting.splice(0, TOGETHER_MAX);
      const outcomes = await this.#commit(group);
      group.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index] as Outcome;
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.value as never);
      });
    }
    this.#running = undefined;
  }

  async #commit(group: readonly Piece[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const [first, second] = group;
    try {
      if (first && !second) return [{ value: await this.#db.transaction().execute(first.work) }];
      await this.#db.transaction().execute(async (trx) => {
        for (const { work } of group) outcomes.push(await apart(trx, work));
      });
      return outcomes;
    } catch (error) {
      return group.map(() => ({ error }));
    }
  }
}

async function apart(trx: Transaction<Tables>, work: Work<unknown>): Promise<Outcome> {
  await sql`savepoint piece`.execute(trx);
  try {
    const value = await work(trx);
    await sql`release savepoint piece`.execute(trx);
    return { value };
  } catch (error) {
    await sql`rollback to savepoint piece`.execute(trx);
    await sql`release savepoint piece`.execute(trx);
    return { error };
  }
}
