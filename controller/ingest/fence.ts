/**
 * Keeps a worker that no longer holds a unit's partition from writing for it: every transaction that acts for a unit asks first, and
 * stands or falls with the answer.
 */
import type { Transaction } from 'kysely';
import type { Commits } from '../store/commits.js';
import type { Tables } from '../store/tables.js';

export interface Fence {
  /** Throws `unavailable` (LR_LEASE_LOST). */
  hold(trx: Transaction<Tables>, unit: string): Promise<void>;
}

/** Where one process is all there is. */
export const OPEN_FENCE: Fence = { hold: async () => undefined };

/** Runs in a commit that it may share with others, and stands only while the unit is ours. */
export function fenced<T>(
  { commits, fence }: { commits: Commits; fence: Fence },
  unit: string,
  run: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return commits.run(async (trx) => {
    await fence.hold(trx, unit);
    return run(trx);
  });
}
