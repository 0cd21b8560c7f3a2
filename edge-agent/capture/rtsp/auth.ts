/**
 * Authentication of RTSP requests: Digest (RFC 7616 with MD5, SHA-256 and their session variants; RFC 2069 where no qop is
 * offered) and, where the configuration allows it, Basic (RFC 7617). The strongest scheme offered is used.
 */
import { createHash } from 'node:crypto';
import { captureFault } from '../faults.js';
import type { Credentials } from './url.js';

interface DigestChallenge {
  hash: 'md5' | 'sha256';
  algorithm: string | undefined;
  session: boolean;
  realm: string;
  nonce: string;
  opaque: string | undefined;
  qop: boolean;
  stale: boolean;
}

const ALGORITHMS: Readonly<Record<string, { hash: 'md5' | 'sha256'; session: boolean; rank: number }>> = {
  'sha-256': { hash: 'sha256', session: false, rank: 3 },
  'sha-256-sess': { hash: 'sha256', session: true, rank: 3 },
  md5: { hash: 'md5', session: false, rank: 1 },
  'md5-sess': { hash: 'md5', session: true, rank: 1 },
};

/** `Digest a="x", b=y` split into scheme and fields; names in lower case. */
export function parseChallenge(value: string): { scheme: string; fields: Map<string, string> } {
  const scheme = /^\s*([A-Za-z-]+)/.exec(value)?.[1]?.toLowerCase() ?? '';
  const fields = new Map<string, string>();
  for (const match of value.matchAll(/([A-Za-z-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g))
    fields.set((match[1] ?? '').toLowerCase(), (match[2] ?? match[3] ?? '').replace(/\\(.)/g, '$1'));
  return { scheme, fields };
}

export interface AuthOptions {
  credentials: Credentials | undefined;
  allowBasic: boolean;
  /** A fresh client nonce. */
  clientNonce: () => string;
}

export class Authenticator {
  readonly #options: AuthOptions;
  #digest: DigestChallenge | undefined;
  #basic = false;
  #count = 0;
  #used = false;

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  /** The Authorization header for a request, once a challenge was taken. */
  authorize(method: string, uri: string): string | undefined {
    const { credentials } = this.#options;
    if (!credentials) return undefined;
    if (this.#digest) {
      this.#used = true;
      return this.#respond(this.#digest, credentials, method, uri);
    }
    if (!this.#basic) return undefined;
    this.#used = true;
    return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`, 'utf8').toString('base64')}`;
  }

  /**
   * Takes the WWW-Authenticate headers of a 401. Returns when the request is worth sending again; throws LR_RTSP_REFUSED,
   * LR_RTSP_CREDENTIALS, LR_RTSP_BASIC_REFUSED or LR_RTSP_AUTH_SCHEME when it is not. `attempt` counts the 401s of one request.
   */
  challenged(values: readonly string[], attempt: number): void {
    const { credentials, allowBasic } = this.#options;
    const challenges = values.map(parseChallenge);
    const digest = strongest(challenges);
    const basic = challenges.some((challenge) => challenge.scheme === 'basic');
    if (!credentials) throw captureFault('LR_RTSP_CREDENTIALS', 'the camera asks for a user and a password, and none are configured');
    if (!digest && basic && !allowBasic)
      throw captureFault('LR_RTSP_BASIC_REFUSED', 'the camera offers only Basic, which sends the password readable; allowBasic permits it');
    if (!digest && !basic) throw captureFault('LR_RTSP_AUTH_SCHEME', 'the camera asks for a kind of sign-in that is not known here');
    const fresh = digest ? digest.stale || digest.nonce !== this.#digest?.nonce : false;
    if (attempt > 1 && !(digest?.stale && attempt <= 3)) throw refused();
    if (this.#used && !fresh) throw refused();
    this.#digest = digest;
    this.#basic = !digest && basic;
    this.#count = 0;
  }

  /** RFC 7616, 3.4.1 to 3.4.4. */
  #respond(challenge: DigestChallenge, credentials: Credentials, method: string, uri: string): string {
    const hash = (text: string): string => createHash(challenge.hash).update(text, 'utf8').digest('hex');
    this.#count += 1;
    const count = this.#count.toString(16).padStart(8, '0');
    const clientNonce = this.#options.clientNonce();
    const plain = hash(`${credentials.user}:${challenge.realm}:${credentials.password}`);
    const secret = challenge.session ? hash(`${plain}:${challenge.nonce}:${clientNonce}`) : plain;
    const middle = challenge.qop ? `${challenge.nonce}:${count}:${clientNonce}:auth` : challenge.nonce;
    const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
    const parts = [
      `username=${quote(credentials.user)}`,
      `realm=${quote(challenge.realm)}`,
      `nonce=${quote(challenge.nonce)}`,
      `uri=${quote(uri)}`,
      `response="${hash(`${secret}:${middle}:${hash(`${method}:${uri}`)}`)}"`,
    ];
    if (challenge.algorithm !== undefined) parts.push(`algorithm=${challenge.algorithm}`);
    if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
    if (challenge.qop) parts.push('qop=auth', `nc=${count}`);
    if (challenge.qop || challenge.session) parts.push(`cnonce="${clientNonce}"`);
    return `Digest ${parts.join(', ')}`;
  }
}

const refused = (): Error => captureFault('LR_RTSP_REFUSED', 'the camera refuses this user or password');

function strongest(challenges: readonly { scheme: string; fields: Map<string, string> }[]): DigestChallenge | undefined {
  let best: DigestChallenge | undefined;
  let bestRank = 0;
  for (const { scheme, fields } of challenges) {
    const algorithm = fields.get('algorithm');
    const known = ALGORITHMS[(algorithm ?? 'MD5').toLowerCase()];
    const nonce = fields.get('nonce');
    if (scheme !== 'digest' || !known || nonce === undefined || known.rank <= bestRank) continue;
    const qops = (fields.get('qop') ?? '').split(',').map((one) => one.trim().toLowerCase());
    if (fields.has('qop') && !qops.includes('auth')) continue;
    bestRank = known.rank;
    best = {
      hash: known.hash,
      algorithm,
      session: known.session,
      realm: fields.get('realm') ?? '',
      nonce,
      opaque: fields.get('opaque'),
      qop: fields.has('qop'),
      stale: fields.get('stale')?.toLowerCase() === 'true',
    };
  }
  return best;
}
