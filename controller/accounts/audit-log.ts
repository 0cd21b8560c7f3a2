/** What people did, for the audit chain. An act that cannot be entered does not happen: whoever records waits, and a failure is his. */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { type AuditEntry, appendAudit } from '../store/audit.js';
import type { Db } from '../store/open.js';

/** A look that goes on is entered once in this time. */
export const VIEW_ENTRY_MS = 10 * 60_000;
const LOOKS_MAX = 10_000;

export type Act = Omit<AuditEntry, 'utcMs'>;

export class AuditLog {
  readonly #db: Db;
  readonly #clock: Clock;
  /** Looks that are entered, or about to be. */
  readonly #looks = new Map<string, { atMs: MonoMs; entered: Promise<void> }>();

  constructor(db: Db, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async record(act: Act): Promise<void> {
    const entry = { ...act, utcMs: this.#clock.utc() };
    await this.#db.transaction().execute((trx) => appendAudit(trx, entry));
  }

  /** Enters a look the first time in ten minutes that `by` (a session or a token) looks at the subject in this way. */
  async recordLook(by: string, act: Act): Promise<void> {
    const key = `${by}\n${act.subject}\n${act.action}`;
    const nowMs = this.#clock.mono();
    const known = this.#looks.get(key);
    if (known && nowMs - known.atMs < VIEW_ENTRY_MS) return known.entered;
    const entered = this.record(act);
    this.#looks.delete(key);
    this.#looks.set(key, { atMs: nowMs, entered });
    for (const oldest of this.#looks.keys()) {
      if (this.#looks.size <= LOOKS_MAX) break;
      this.#looks.delete(oldest);
    }
    try {
      await entered;
    } catch (error) {
      this.#looks.delete(key);
      throw error;
    }
  }
}
