/** The HTTP side of the centre: API, footage, page. Made of parts that are given; it listens when its owner says so. */
import fastifyCookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import secureSession from '@fastify/secure-session';
import swagger from '@fastify/swagger';
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import Fastify, { type FastifyInstance } from 'fastify';
import type { AuditLog } from '../accounts/audit-log.js';
import type { People } from '../accounts/people.js';
import type { ViewTokens } from '../accounts/view-tokens.js';
import type { Answers } from '../custody/answers.js';
import type { Exporter } from '../custody/export.js';
import type { Alarms } from '../fleet/alarms.js';
import type { Configurations } from '../fleet/configurations.js';
import type { CoverageReader } from '../fleet/coverage.js';
import type { Holds } from '../fleet/holds.js';
import type { PullRequest } from '../fleet/pulls.js';
import type { RestoreReader } from '../fleet/restores.js';
import type { UnitReader } from '../fleet/units.js';
import type { LiveDesk } from '../live/desk.js';
import type { Playback } from '../playback/playback.js';
import { Doorkeeper, SESSION_MS } from './access.js';
import { exportRoutes } from './export-routes.js';
import { holdRoutes } from './hold-routes.js';
import { liveRoutes } from './live-routes.js';
import { mediaRoutes } from './media-routes.js';
import { type CounterGroups, Metrics } from './metrics.js';
import { installPage } from './page.js';
import { setErrorHandler } from './problem.js';
import { pullEndRoutes } from './pull-end-routes.js';
import { pullRoutes } from './pull-routes.js';
import { restoreRoutes } from './restore-routes.js';
import { Health, Problem } from './schemas.js';
import { sessionRoutes } from './session-routes.js';
import type { PullShape } from './shapes.js';
import { stripRoutes } from './strip-routes.js';
import { unitActRoutes } from './unit-act-routes.js';
import { unitRoutes } from './unit-routes.js';

/** What the API asks of `Pulls`. */
export interface PullDesk {
  create(person: string, request: PullRequest): Promise<string>;
  cancel(id: string): Promise<void>;
  camerasOf(unitId: string): Promise<string[]>;
  get(id: string): Promise<PullShape | undefined>;
  list(): Promise<PullShape[]>;
}

export interface ApiParts {
  people: People;
  views: ViewTokens;
  audit: AuditLog;
  units: UnitReader;
  coverage: CoverageReader;
  pulls: PullDesk;
  playback: Playback;
  exporter: Pick<Exporter, 'prepare'>;
  answers: Answers;
  holds: Pick<Holds, 'place' | 'lift' | 'list'>;
  restores: Pick<RestoreReader, 'list'>;
  live: Pick<LiveDesk, 'begin' | 'pieces' | 'end' | 'list'>;
  alarms: Pick<Alarms, 'list' | 'close'>;
  configurations: Pick<Configurations, 'ask' | 'list'>;
  clock: Clock;
  log: Log;
}

export interface ApiOptions extends ApiParts {
  /** 32 bytes. */
  sessionKey: Buffer;
  /** Behind a proxy that speaks TLS: the cookie is for TLS only, and the proxy's word on addresses counts. */
  behindTls: boolean;
  /** The built page. */
  pageFolder: string | undefined;
  counters: CounterGroups;
  /** By code. */
  refused: () => ReadonlyMap<string, number>;
  /** Each resolves while its part works. */
  checks: Readonly<Record<string, () => Promise<unknown>>>;
  version: string;
}

const BODY_BYTES_MAX = 64 * 1024;
const REQUESTS_A_MINUTE_MAX = 3000;

export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: options.behindTls,
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: true } },
    routerOptions: { maxParamLength: 160 },
  });
  // A form of another site can send plain text without asking; JSON it cannot.
  app.removeContentTypeParser('text/plain');
  setErrorHandler(app, options.log);
  await protect(app, options);
  const door = new Doorkeeper(options.people, options.clock);
  door.install(app);
  await describe(app, options.version);
  new Metrics(options.counters, options.refused).install(app);
  healthRoute(app, options.checks);
  sessionRoutes(app, options, door);
  unitRoutes(app, options);
  unitActRoutes(app, options);
  pullRoutes(app, options);
  pullEndRoutes(app, options);
  holdRoutes(app, options);
  liveRoutes(app, options);
  mediaRoutes(app, options);
  stripRoutes(app, options);
  exportRoutes(app, options);
  restoreRoutes(app, options);
  await installPage(app, options.pageFolder);
  return app;
}

async function protect(app: FastifyInstance, { sessionKey, behindTls }: ApiOptions): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        mediaSrc: ["'self'", 'blob:'],
        workerSrc: ["'self'", 'blob:'],
        manifestSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: behindTls,
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(rateLimit, {
    max: REQUESTS_A_MINUTE_MAX,
    timeWindow: 60_000,
    errorResponseBuilder: (_, context) =>
      new Fault('unavailable', 'LR_RATE', 'too many requests', { detail: { retryAfterS: Math.ceil(context.ttl / 1000) } }),
  });
  await app.register(fastifyCookie);
  await app.register(secureSession, {
    key: sessionKey,
    cookieName: 'longroof',
    expiry: SESSION_MS / 1000,
    cookie: { path: '/', httpOnly: true, sameSite: 'strict', secure: behindTls, maxAge: SESSION_MS / 1000 },
  });
}

async function describe(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Longroof', version, description: 'Failures are problem documents (RFC 9457); docs/errors.md lists their codes.' },
      components: { schemas: { Problem: Problem as object } },
    },
  });
  app.get('/api/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
}

function healthRoute(app: FastifyInstance, checks: ApiOptions['checks']): void {
  app.get(
    '/healthz',
    {
      config: { access: 'public' },
      schema: { summary: 'Whether the centre works', tags: ['health'], response: { 200: Health, 503: Health } },
    },
    async (_, reply) => {
      const names = Object.keys(checks);
      const results = await Promise.allSettled(names.map((name) => checks[name]?.()));
      const failing = names.filter((_, index) => results[index]?.status === 'rejected');
      return reply.code(failing.length > 0 ? 503 : 200).send({ status: failing.length > 0 ? 'failing' : 'ok', failing });
    },
  );
}
