/** People with a local account. Passwords are kept as argon2id hashes (RFC 9106) and never logged. */
import { sha256Hex } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { type Algorithm, hash, verify } from '@node-rs/argon2';
import type { Db } from '../store/open.js';
import type { PersonTable } from '../store/tables.js';
import { isRole, ROLES, type Role } from './roles.js';

export interface Person {
  name: string;
  role: Role;
  /** Changes with the password: sessions from before then end. */
  stamp: string;
}

export const PASSWORD_CHARS_MIN = 8;
export const PASSWORD_CHARS_MAX = 256;
const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;
/** RFC 9106, 4: the second recommended setting, for servers with less memory. */
const SETTING = { algorithm: 2 as Algorithm.Argon2id, memoryCost: 64 * 1024, timeCost: 3, parallelism: 1 };
/** Checks at the same time: each takes 64 MiB. */
const CHECKS_MAX = 2;
const WAITING_MAX = 32;

export class People {
  readonly #db: Db;
  readonly #clock: Clock;
  #checks = 0;
  readonly #waiting: (() => void)[] = [];
  #decoy: Promise<string> | undefined;

  constructor(db: Db, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Adds a person, or gives a known one this password and role. Throws LR_PERSON_NAME, LR_PERSON_PASSWORD, LR_PERSON_ROLE. */
  async set(name: string, password: string, role: string): Promise<Person> {
    if (!NAME.test(name))
      throw new Fault('invalid', 'LR_PERSON_NAME', `"${name.slice(0, 40)}" is no name for a person`, {
        hint: 'Use 1 to 32 lower-case letters, digits, dots, underscores or hyphens, beginning with a letter or digit.',
      });
    if (password.length < PASSWORD_CHARS_MIN || password.length > PASSWORD_CHARS_MAX)
      throw new Fault('invalid', 'LR_PERSON_PASSWORD', `a password has ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`);
    if (!isRole(role)) throw new Fault('invalid', 'LR_PERSON_ROLE', `no such role: ${role}`, { hint: `Roles are ${ROLES.join(', ')}.` });
    const row = { name, password_hash: await hash(password, SETTING), role, created_utc_ms: Math.round(this.#clock.utc()) };
    await this.#db
      .insertInto('person')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ password_hash: row.password_hash, role }))
      .execute();
    return { name, role, stamp: stampOf(row.password_hash) };
  }

  async get(name: string): Promise<Person | undefined> {
    return personOf(await this.#db.selectFrom('person').selectAll().where('name', '=', name).executeTakeFirst());
  }

  /** The person, or undefined where name or password is wrong: both take the same time. Throws LR_LOGIN_BUSY. */
  async check(name: string, password: string): Promise<Person | undefined> {
    const row = await this.#db.selectFrom('person').selectAll().where('name', '=', name).executeTakeFirst();
    this.#decoy ??= hash('nobody has this password', SETTING);
    const stored = row?.password_hash ?? (await this.#decoy);
    const fits = await this.#limited(() => verify(stored, password.slice(0, PASSWORD_CHARS_MAX + 1)));
    return fits ? personOf(row) : undefined;
  }

  async #limited<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= WAITING_MAX) throw new Fault('unavailable', 'LR_LOGIN_BUSY', 'too many people sign in at this moment');
    while (this.#checks >= CHECKS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#checks += 1;
    try {
      return await run();
    } finally {
      this.#checks -= 1;
      this.#waiting.shift()?.();
    }
  }
}

function stampOf(passwordHash: string): string {
  return sha256Hex(passwordHash).slice(0, 16);
}

function personOf(row: PersonTable | undefined): Person | undefined {
  return row && isRole(row.role) ? { name: row.name, role: row.role, stamp: stampOf(row.password_hash) } : undefined;
}
