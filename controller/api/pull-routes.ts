/** Asking for footage, seeing how far it is, and giving a reason to look at what another person asked for. */
import { parseRfc3339, rfc3339 } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { parseRate } from '../fleet/rate.js';
import { requireRight } from './access.js';
import { findPull } from './pull-end-routes.js';
import { ManyPulls, Pull, PullParams, PullRequestBody, Pulls, ViewGrant, ViewRequest } from './schemas.js';
import type { ApiParts } from './server.js';
import type { PullShape, ReceiptShape } from './shapes.js';

const REASON_CHARS_MIN = 3;
const ASK = 'Ask for footage: of one unit (`unitId`), answered with the pull, or of many (`unitIds`), answered with all of them';

type Wanted = Omit<Static<typeof PullRequestBody>, 'unitId' | 'unitIds'>;

export function pullRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { pulls, audit, views } = parts;
  const tags = ['pulls'];

  const find = (id: string): Promise<PullShape> => findPull(parts, id);

  app.post<{ Body: Static<typeof PullRequestBody> }>(
    '/api/pulls',
    {
      config: { access: 'pull' },
      schema: { summary: ASK, tags, body: PullRequestBody, response: { 201: Type.Union([Pull, ManyPulls]) } },
    },
    async (request, reply) => {
      const person = requireRight(request, 'pull').person.name;
      const made = await ask(parts, person, request.body);
      return ('id' in made ? reply.header('location', `/api/pulls/${made.id}`) : reply).code(201).send(made);
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

/** Throws LR_PULL_UNITS, and what `Pulls.create` throws. */
async function ask(parts: ApiParts, person: string, body: Static<typeof PullRequestBody>): Promise<PullShape | Static<typeof ManyPulls>> {
  const { unitId, unitIds, ...wanted } = body;
  if ((unitId === undefined) === (unitIds === undefined))
    throw new Fault('invalid', 'LR_PULL_UNITS', 'a request names one unit by `unitId` or many by `unitIds`');
  if (unitIds !== undefined) return createPulls(parts, person, unitIds, wanted);
  return findPull(parts, await createPull(parts, person, unitId as string, wanted));
}

/** Enters the request in the audit chain, granted or refused. */
async function createPull({ pulls, audit, answers }: ApiParts, person: string, unitId: string, body: Wanted): Promise<string> {
  const { from, to, quality, rate, reason, caseNumber, urgent } = body;
  const more = { ...(caseNumber === undefined ? {} : { caseNumber }), ...(urgent ? { urgent } : {}) };
  const wanted = { from, to, quality, ...(rate === undefined ? {} : { rate }), ...more };
  const act = { person, reason, detail: { ...wanted, ...(body.cameras ? { cameras: body.cameras } : {}) } };
  let id: string;
  let cameras: string[];
  try {
    const times = { fromUtcMs: parseRfc3339(from), toUtcMs: parseRfc3339(to) };
    const copy = rate === undefined ? {} : { rateBps: parseRate(rate) };
    cameras = body.cameras ?? (await pulls.camerasOf(unitId));
    id = await pulls.create(person, { unitId, cameras, ...times, rendition: quality, reason, ...copy, ...more });
  } catch (error) {
    const fault = toFault(error, 'create a pull');
    const { code } = fault;
    await audit.record({ ...act, action: 'refused', subject: `unit:${unitId}`, detail: { ...act.detail, code } });
    const asked = { cameras: body.cameras ?? [], rendition: quality, rate: rate ?? null, from, to, person, reason };
    const receipt = answers.ofRefusal({ unit: unitId, ...asked, caseNumber: caseNumber ?? null, code });
    const hint = fault.hint === undefined ? {} : { hint: fault.hint };
    throw new Fault(fault.kind, code, fault.message, { ...hint, cause: error, detail: { ...fault.detail, receipt } });
  }
  await audit.record({ ...act, action: 'pull', subject: `pull:${id}`, detail: { ...act.detail, cameras, unit: unitId } });
  return id;
}

/** One unit that cannot be asked keeps none of the others from being asked; what would fail for all of them fails at once. */
async function createPulls(parts: ApiParts, person: string, unitIds: readonly string[], body: Wanted): Promise<Static<typeof ManyPulls>> {
  const answer: Static<typeof ManyPulls> = { pulls: [], refused: [] };
  for (const unitId of unitIds) {
    try {
      answer.pulls.push(await findPull(parts, await createPull(parts, person, unitId, body)));
    } catch (error) {
      const fault = toFault(error, 'create a pull');
      // Where no cameras are named, how much there is to copy differs from unit to unit.
      const isOfUnit = fault.kind === 'not-found' || (fault.code === 'LR_PULL_RATE_SPAN' && body.cameras === undefined);
      if (!isOfUnit) throw fault;
      answer.refused.push({ unitId, code: fault.code, detail: fault.message, receipt: fault.detail?.['receipt'] as ReceiptShape });
    }
  }
  return answer;
}
