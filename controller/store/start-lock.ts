/**
 * Makes processes start one after the other in one data folder, so that keys, secrets and tables are made once. The lock is SQLite's own
 * on an empty file: the system lets go of it when its holder ends, however that was.
 */
import path from 'node:path';
import { errorCode, Fault, toFault } from '@longroof/base/errors';
import Database from 'better-sqlite3';

const FILE = 'start.lock';
/** A start takes seconds; a longer one is stuck. */
const WAIT_MS = 60_000;

/** Throws `unavailable` (LR_START_LOCK) when another start has not come to its end within a minute. Waits with the whole process. */
export async function startAlone<T>(dir: string, start: () => Promise<T>, waitMs = WAIT_MS): Promise<T> {
  const lock = new Database(path.join(dir, FILE), { timeout: waitMs });
  try {
    lock.exec('begin exclusive');
    return await start();
  } catch (error) {
    if (!errorCode(error)?.startsWith('SQLITE_BUSY')) throw error;
    throw new Fault('unavailable', 'LR_START_LOCK', `another controller has been starting in ${dir} for a minute`, {
      cause: toFault(error),
      hint: 'See what the other one says in its log, and end it if it is stuck.',
    });
  } finally {
    lock.close();
  }
}
