/**
 * Short-lived permissions to look at the footage of one pull, for one person and one reason. A token carries all of that, authenticated
 * by HMAC-SHA-256 (RFC 2104); whoever holds it may look until it expires, also without a session (a player outside of the browser).
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalJson } from '@longroof/base/canonical';
import type { Clock, UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';

export interface View {
  pull: string;
  person: string;
  reason: string;
  expiresUtcMs: UtcMs;
}

export const VIEW_MS = 10 * 60_000;
const TOKEN_CHARS_MAX = 4096;

export class ViewTokens {
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(key: Buffer, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  issue(pull: string, person: string, reason: string): { token: string; expiresUtcMs: UtcMs } {
    const expiresUtcMs = Math.round(this.#clock.utc()) + VIEW_MS;
    const body = Buffer.from(canonicalJson({ pull, person, reason, expiresUtcMs }), 'utf8').toString('base64url');
    return { token: `${body}.${this.#mac(body).toString('base64url')}`, expiresUtcMs };
  }

  /** Throws `denied`: LR_VIEW_TOKEN for what was not issued here or for another pull, LR_VIEW_EXPIRED for what is over. */
  check(token: string, pull: string): View {
    const [body, mac, ...rest] = token.length <= TOKEN_CHARS_MAX ? token.split('.') : [];
    const given = Buffer.from(mac ?? '', 'base64url');
    const right = this.#mac(body ?? '');
    if (body === undefined || rest.length > 0 || given.length !== right.length || !timingSafeEqual(given, right)) throw wrong();
    const view = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as View;
    if (view.pull !== pull) throw wrong();
    if (this.#clock.utc() >= view.expiresUtcMs)
      throw new Fault('denied', 'LR_VIEW_EXPIRED', 'this permission to look is over', {
        hint: 'Give a reason again for ten more minutes.',
      });
    return view;
  }

  #mac(body: string): Buffer {
    return createHmac('sha256', this.#key).update('longroof-view-1\0').update(body).digest();
  }
}

function wrong(): Fault {
  return new Fault('denied', 'LR_VIEW_TOKEN', 'no permission to look at this footage');
}
