/**
 * Whose certificates are still taken, asked for every message without a look into the database: what is revoked is read anew every
 * few seconds, and a connection that lives on such a certificate is cut then.
 */
import type { Timer } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { isRevoked, readRevoked } from '../store/revocations.js';
import type { Context, Link } from './context.js';

/** A live connection ends within this and the time to cut it: far below the minute that is promised. */
const READ_MS = 5000;

export class CertificateWatch {
  readonly #context: Context;
  readonly #links: () => Iterable<Link>;
  readonly #cut: (link: Link, fault: Fault) => void;
  #revoked: ReadonlySet<string> = new Set();
  #timer: Timer | undefined;

  constructor(context: Context, links: () => Iterable<Link>, cut: (link: Link, fault: Fault) => void) {
    this.#context = context;
    this.#links = links;
    this.#cut = cut;
  }

  async start(): Promise<void> {
    this.#revoked = await readRevoked(this.#context.store.db);
    this.#timer = this.#context.clock.every(READ_MS, () => {
      this.#read().catch((error: unknown) => {
        this.#context.log.error({ error: toFault(error, 'read what is revoked') }, 'what was revoked meanwhile is not known');
      });
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** The fault for which nothing is taken, or undefined. */
  check(link: Pick<Link, 'unit' | 'certificateSerial'>): Fault | undefined {
    if (!isRevoked(this.#revoked, link.unit, link.certificateSerial)) return undefined;
    return new Fault('denied', 'LR_REVOKED', 'the certificate of this unit is revoked');
  }

  async #read(): Promise<void> {
    this.#revoked = await readRevoked(this.#context.store.db);
    for (const link of this.#links()) {
      const fault = link.session.closed ? undefined : this.check(link);
      if (fault) this.#cut(link, fault);
    }
  }
}
