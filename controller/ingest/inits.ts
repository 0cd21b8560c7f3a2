/** Init segments that are known here: in the database, or given by a connection and stored with its first fragment. */
import { createHash } from 'node:crypto';
import { Fault } from '@longroof/base/errors';
import type { ManifestMessage } from '@longroof/protocol/messages';
import type { Db } from '../store/open.js';
import type { Link } from './context.js';
import { keepNewest } from './keep-newest.js';

const INIT_BYTES_MAX = 64 * 1024;
const KNOWN_MAX = 10_000;
const GIVEN_MAX = 64;

export class InitBook {
  readonly #db: Db;
  readonly #stored = new Set<string>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** False when the unit has to give it first. Throws `corrupt` (LR_INIT_HASH), `too-large` (LR_INIT_BYTES). */
  async learn(link: Link, { meta, init }: ManifestMessage): Promise<boolean> {
    const { initSha256 } = meta;
    if (this.#stored.has(initSha256) || link.inits.has(initSha256)) return true;
    if (init === undefined) return this.#look(initSha256);
    const bytes = Buffer.from(init, 'base64');
    if (bytes.length > INIT_BYTES_MAX)
      throw new Fault('too-large', 'LR_INIT_BYTES', `an init segment of ${bytes.length} bytes`, { detail: { limit: INIT_BYTES_MAX } });
    if (createHash('sha256').update(bytes).digest('hex') !== initSha256)
      throw new Fault('corrupt', 'LR_INIT_HASH', 'the init segment does not hash to what the manifest says');
    keepNewest(link.inits, initSha256, bytes.toString('base64'), GIVEN_MAX);
    return true;
  }

  isStored(sha256: string): boolean {
    return this.#stored.has(sha256);
  }

  /** It is in the database: its fragment is. */
  noteStored(sha256: string): void {
    if (this.#stored.size >= KNOWN_MAX) this.#stored.clear();
    this.#stored.add(sha256);
  }

  async #look(sha256: string): Promise<boolean> {
    const row = await this.#db.selectFrom('init').select('sha256').where('sha256', '=', sha256).executeTakeFirst();
    if (row) this.noteStored(sha256);
    return row !== undefined;
  }
}
