/** Holds: footage that a wagon must keep, who answers for it, and until when that is reviewed. Each act stands in the audit chain. */
import { parseRfc3339 } from '@longroof/base/clock';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireRight } from './access.js';
import { CancelRequest, Hold, HoldRequestBody, Holds, PullParams } from './schemas.js';
import type { ApiParts } from './server.js';

export function holdRoutes(app: FastifyInstance, { holds, audit }: ApiParts): void {
  const tags = ['holds'];

  app.get('/api/holds', { config: { access: 'pulls' }, schema: { summary: 'Holds', tags, response: { 200: Holds } } }, async () => ({
    holds: await holds.list(),
  }));

  app.post<{ Body: Static<typeof HoldRequestBody> }>(
    '/api/holds',
    { config: { access: 'pull' }, schema: { summary: 'Keep footage on a wagon', tags, body: HoldRequestBody, response: { 201: Hold } } },
    async (request, reply) => {
      const person = requireRight(request, 'pull').person.name;
      const { unitId, from, to, owner, review, reason, cameras, made } = request.body;
      const times = { fromUtcMs: parseRfc3339(from), toUtcMs: parseRfc3339(to), reviewUtcMs: parseRfc3339(review) };
      const more = made ? { made } : {};
      const hold = await holds.place(person, { unitId, ...times, owner, reason, ...(cameras ? { cameras } : {}), ...more });
      const detail = { unit: unitId, cameras: hold.cameras, from, to, owner, review, ...more };
      await audit.record({ person, action: 'hold', subject: `hold:${hold.id}`, reason, detail });
      return reply.code(201).send(hold);
    },
  );

  app.post<{ Params: Static<typeof PullParams>; Body: Static<typeof CancelRequest> }>(
    '/api/holds/:id/lift',
    {
      config: { access: 'pull' },
      schema: { summary: 'Let go of what a hold keeps', tags, params: PullParams, body: CancelRequest, response: { 200: Hold } },
    },
    async (request) => {
      const person = requireRight(request, 'pull').person.name;
      const hold = await holds.lift(request.params.id);
      await audit.record({ person, action: 'lift-hold', subject: `hold:${hold.id}`, reason: request.body.reason.trim() });
      return hold;
    },
  );
}
