/**
 * Small pieces of work in one commit: what comes while a commit is under way, or soon after one, goes into the next together, each in a
 * savepoint of its own, so that one that fails takes nothing of the others with it. A disk that syncs slowly makes commits larger, not the
 * row of them longer; where little happens nothing waits.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { sql, type Transaction } from 'kysely';
import type { Db } from './open.js';
import type { Tables } from './tables.js';

/** Of one commit; a commit that has taken so long takes no further piece: other processes wait for it, and what else is to be done here. */
const TOGETHER_MAX = 100;
const TOGETHER_MS = 50;
/** From the beginning of one commit to the next, and at least from its end: then another process may have the database. */
const APART_MS = 20;
const PAUSE_MS = 6;

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
  #nextMonoMs: MonoMs = Number.NEGATIVE_INFINITY;

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
      const waitMs = this.#nextMonoMs - this.#clock.mono();
      if (waitMs > 0) await this.#clock.sleep(waitMs);
      const begunMonoMs = this.#clock.mono();
      await this.#commit();
      this.#nextMonoMs = Math.max(begunMonoMs + APART_MS, this.#clock.mono() + PAUSE_MS);
    }
    this.#running = undefined;
  }

  async #commit(): Promise<void> {
    const group: Piece[] = [];
    const outcomes: Outcome[] = [];
    try {
      await this.#db.transaction().execute(async (trx) => {
        const endMonoMs = this.#clock.mono() + TOGETHER_MS;
        if (this.#waiting.length === 1) {
          group.push(...this.#waiting.splice(0, 1));
          outcomes.push({ value: await (group[0] as Piece).work(trx) });
          return;
        }
        do {
          const piece = this.#waiting.shift() as Piece;
          group.push(piece);
          outcomes.push(await apart(trx, piece.work));
        } while (this.#waiting.length > 0 && group.length < TOGETHER_MAX && this.#clock.mono() < endMonoMs);
      });
    } catch (error) {
      // Where it could not even begin, whoever is first is told, and the next one tries again.
      if (group.length === 0) group.push(...this.#waiting.splice(0, 1));
      for (const { reject } of group) reject(error);
      return;
    }
    group.forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index] as Outcome;
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.value as never);
    });
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
