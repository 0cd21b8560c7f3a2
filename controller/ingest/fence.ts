/**
 * Keeps a worker that no longer holds a unit's partition from writing for it: every transaction that acts for a unit asks first, and
 * stands or falls with the answer.
 */
import type { Transaction } from 'kysely';
import type { Db } from '../store/open.js';
import type { Tables } from '../store/tables.js';

export interface Fence {
  /** Throws `unavailable` (LR_LEASE_LOST). */
  hold(trx: Transaction<Tables>, unit: string): Promise<void>;
}

/** Where one process is all there is. */
export const OPEN_FENCE: Fence = { hold: async () => undefined };

/** Runs in a transaction that stands only while the unit is ours. */
export function fenced<T>(db: Db, fence: Fence, unit: string, run: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await fence.hold(trx, unit);
    return run(trx);
  });
}
