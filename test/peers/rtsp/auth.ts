/** The server's side of Basic (RFC 7617) and Digest (RFC 7616, RFC 2069 without qop) authentication. */
import { createHash, randomBytes } from 'node:crypto';
import type { AuthSpec } from './spec.js';

export class Gate {
  readonly #spec: AuthSpec;
  #nonce = randomBytes(16).toString('hex');
  #uses = 0;

  constructor(spec: AuthSpec) {
    this.#spec = spec;
  }

  /** Undefined lets the request pass; else the value of WWW-Authenticate for a 401. */
  challenge(method: string, authorization: string | undefined): string | undefined {
    const spec = this.#spec;
    if (spec.scheme === 'basic') {
      const expected = `Basic ${Buffer.from(`${spec.user}:${spec.password}`).toString('base64')}`;
      return authorization === expected ? undefined : 'Basic realm="peer"';
    }
    if (authorization === undefined || !this.#digestMatches(method, authorization)) return this.#digestChallenge(false);
    this.#uses += 1;
    if (spec.nonceUses === undefined || this.#uses <= spec.nonceUses) return undefined;
    this.#nonce = randomBytes(16).toString('hex');
    this.#uses = 0;
    return this.#digestChallenge(true);
  }

  get #algorithm(): 'md5' | 'sha256' {
    return this.#spec.scheme === 'digest-sha256' ? 'sha256' : 'md5';
  }

  #digestChallenge(stale: boolean): string {
    const parts = ['Digest realm="peer"', `nonce="${this.#nonce}"`, `algorithm=${this.#algorithm === 'md5' ? 'MD5' : 'SHA-256'}`];
    if (this.#spec.qop !== false) parts.push('qop="auth"');
    if (stale) parts.push('stale=true');
    return parts.join(', ');
  }

  /** RFC 7616, 3.4.1. */
  #digestMatches(method: string, authorization: string): boolean {
    const fields = new Map<string, string>();
    for (const [, name, quoted, bare] of authorization.matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)) {
      if (name) fields.set(name.toLowerCase(), quoted ?? bare ?? '');
    }
    const field = (name: string): string => fields.get(name) ?? '';
    const hash = (text: string): string => createHash(this.#algorithm).update(text).digest('hex');
    if (!/^Digest /i.test(authorization) || field('nonce') !== this.#nonce || field('username') !== this.#spec.user) return false;
    const secret = hash(`${this.#spec.user}:peer:${this.#spec.password}`);
    const request = hash(`${method}:${field('uri')}`);
    const middle = this.#spec.qop !== false ? `${this.#nonce}:${field('nc')}:${field('cnonce')}:${field('qop')}` : this.#nonce;
    return field('response') === hash(`${secret}:${middle}:${request}`);
  }
}
