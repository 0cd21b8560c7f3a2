/**
 * Who asks, and whether he may. Every route of the API says whom it is for; one that does not cannot be added. A request that changes something
 * must come from the page itself: the cookie is SameSite=Strict, bodies are JSON, and a foreign Origin is refused.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { People, Person } from '../accounts/people.js';
import { may, type Right } from '../accounts/roles.js';
import type { SessionShape } from './shapes.js';

/** `footage`: a session or a view token; the route looks for itself. */
export type Access = 'public' | 'footage' | Right;

export interface Visitor {
  person: Person;
  /** Random, one for each sign-in. */
  sessionId: string;
  expiresUtcMs: UtcMs;
}

declare module 'fastify' {
  interface FastifyRequest {
    visitor: Visitor | null;
  }
  interface FastifyContextConfig {
    access?: Access;
  }
}
declare module '@fastify/secure-session' {
  interface SessionData {
    user: string;
    sessionId: string;
    stamp: string;
    sinceUtcMs: number;
  }
}

export const SESSION_MS = 8 * 3_600_000;
const ENDED_MAX = 10_000;

export class Doorkeeper {
  readonly #people: People;
  readonly #clock: Clock;
  /** Signed out before their time: session id to its expiry. */
  readonly #ended = new Map<string, UtcMs>();

  constructor(people: People, clock: Clock) {
    this.#people = people;
    this.#clock = clock;
  }

  install(app: FastifyInstance): void {
    app.decorateRequest('visitor', null);
    app.addHook('onRoute', (route) => {
      if (route.url.startsWith('/api/') && route.config?.access === undefined)
        throw new Fault('internal', 'LR_ASSERT', `route ${route.url} does not say whom it is for`);
    });
    app.addHook('onRequest', async (request) => {
      checkOrigin(request);
      request.visitor = await this.#visitorOf(request);
      const access = request.routeOptions.config.access;
      if (access === undefined || access === 'public' || access === 'footage') return;
      requireRight(request, access);
    });
  }

  begin(request: FastifyRequest, person: Person): Visitor {
    const sessionId = randomBytes(12).toString('base64url');
    const sinceUtcMs = Math.round(this.#clock.utc());
    request.session.regenerate();
    request.session.set('user', person.name);
    request.session.set('sessionId', sessionId);
    request.session.set('stamp', person.stamp);
    request.session.set('sinceUtcMs', sinceUtcMs);
    return { person, sessionId, expiresUtcMs: sinceUtcMs + SESSION_MS };
  }

  end(request: FastifyRequest, visitor: Visitor): void {
    request.session.delete();
    this.#ended.set(visitor.sessionId, visitor.expiresUtcMs);
    const nowMs = this.#clock.utc();
    for (const [id, expiresUtcMs] of this.#ended) if (expiresUtcMs <= nowMs || this.#ended.size > ENDED_MAX) this.#ended.delete(id);
  }

  /** The session's person, if it still is one and the session is not over. */
  async #visitorOf(request: FastifyRequest): Promise<Visitor | null> {
    const { session } = request;
    const user = session.get('user');
    const sessionId = session.get('sessionId');
    const sinceUtcMs = session.get('sinceUtcMs');
    if (user === undefined || sessionId === undefined || sinceUtcMs === undefined) return null;
    const expiresUtcMs = sinceUtcMs + SESSION_MS;
    if (this.#clock.utc() >= expiresUtcMs || this.#ended.has(sessionId)) return null;
    const person = await this.#people.get(user);
    return person && person.stamp === session.get('stamp') ? { person, sessionId, expiresUtcMs } : null;
  }
}

export function shapeSession({ person, expiresUtcMs }: Visitor): SessionShape {
  return { user: person.name, role: person.role, expires: rfc3339(expiresUtcMs) };
}

export function requireVisitor(request: FastifyRequest): Visitor {
  if (!request.visitor) throw new Fault('denied', 'LR_SESSION', 'nobody is signed in here', { hint: 'Sign in and try again.' });
  return request.visitor;
}

/** Throws LR_SESSION, LR_ROLE. */
export function requireRight(request: FastifyRequest, right: Right): Visitor {
  const visitor = requireVisitor(request);
  if (!may(visitor.person.role, right)) throw new Fault('denied', 'LR_ROLE', `the role ${visitor.person.role} may not do this`);
  return visitor;
}

/** Fetch Metadata where the browser sends it, Origin otherwise; programs send neither. Throws LR_CROSS_SITE. */
function checkOrigin(request: FastifyRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS') return;
  const site = request.headers['sec-fetch-site'];
  const { origin } = request.headers;
  const sameHost = origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.host);
  // A browser's word on the site holds also behind a proxy that goes by another name.
  const own = site === undefined ? sameHost : site === 'same-origin' || site === 'none';
  if (!own) throw new Fault('denied', 'LR_CROSS_SITE', 'a request that another site caused');
}
