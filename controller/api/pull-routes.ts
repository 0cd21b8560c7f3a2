/** Asking for footage, seeing how far it is, and giving a reason to look at what another person asked for. */
import { parseRfc3339, rfc3339 } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { parseRate } from '../fleet/rate.js';
import { requireRight } from './access.js';
import { Pull, PullParams, PullRequestBody, Pulls, ViewGrant, ViewRequest } from './schemas.js';
import type { ApiParts } from './server.js';
import type { PullShape } from './shapes.js';

const REASON_CHARS_MIN = 3;

export function pullRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { pulls, audit, views } = parts;
  const tags = ['pulls'];

  const find = async (id: string): Promise<PullShape> => {
    const pull = await pulls.get(id);
    if (!pull) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${id}`);
    return pull;
  };

  app.post<{ Body: Static<typeof PullRequestBody> }>(
    '/api/pulls',
    { config: { access: 'pull' }, schema: { summary: 'Ask for footage', tags, body: PullRequestBody, response: { 201: Pull } } },
    async (request, reply) => {
      const person = requireRight(request, 'pull').person.name;
      const pull = await find(await createPull(parts, person, request.body));
      return reply.code(201).header('location', `/api/pulls/${pull.id}`).send(pull);
    },
  );

  app.get(
    '/api/pulls',
    { config: { access: 'pulls' }, schema: { summary: 'Pulls, newest first', tags, response: { 200: Pulls } } },
    async () => ({
      pulls: await pulls.list(),
    }),
  );

  app.get<{ Params: Static<typeof PullParams> }>(
    '/api/pulls/:id',
    { config: { access: 'pulls' }, schema: { summary: 'One pull', tags, params: PullParams, response: { 200: Pull } } },
    async (request) => find(request.params.id),
  );

  app.post<{ Params: Static<typeof PullParams>; Body: Static<typeof ViewRequest> }>(
    '/api/pulls/:id/views',
    {
      config: { access: 'view' },
      schema: {
        summary: 'Give a reason to look at footage that another person asked for: ten minutes',
        tags,
        params: PullParams,
        body: ViewRequest,
        response: { 201: ViewGrant },
      },
    },
    async (request, reply) => {
      const person = requireRight(request, 'view').person.name;
      const pull = await find(request.params.id);
      const reason = request.body.reason.trim();
      if (reason.length < REASON_CHARS_MIN)
        throw new Fault('invalid', 'LR_VIEW_REASON', `a look needs a reason, of at least ${REASON_CHARS_MIN} characters`);
      const { token, expiresUtcMs } = views.issue(pull.id, person, reason);
      const expires = rfc3339(expiresUtcMs);
      await audit.record({ person, action: 'view', subject: `pull:${pull.id}`, reason, detail: { grantedUntil: expires } });
      return reply.code(201).send({ token, expires });
    },
  );
}

/** Enters the request in the audit chain, granted or refused. */
async function createPull({ pulls, audit }: ApiParts, person: string, body: Static<typeof PullRequestBody>): Promise<string> {
  const { unitId, cameras, from, to, quality, rate, reason, caseNumber } = body;
  const asked = { cameras, from, to, quality, ...(rate === undefined ? {} : { rate }) };
  const act = { person, reason, detail: { ...asked, ...(caseNumber === undefined ? {} : { caseNumber }) } };
  let id: string;
  try {
    const times = { fromUtcMs: parseRfc3339(from), toUtcMs: parseRfc3339(to) };
    const copy = rate === undefined ? {} : { rateBps: parseRate(rate) };
    const request = { unitId, cameras, ...times, rendition: quality, reason, ...copy };
    id = await pulls.create(person, caseNumber === undefined ? request : { ...request, caseNumber });
  } catch (error) {
    const { code } = toFault(error, 'create a pull');
    await audit.record({ ...act, action: 'refused', subject: `unit:${unitId}`, detail: { ...act.detail, code } });
    throw error;
  }
  await audit.record({ ...act, action: 'pull', subject: `pull:${id}`, detail: { ...act.detail, unit: unitId } });
  return id;
}
