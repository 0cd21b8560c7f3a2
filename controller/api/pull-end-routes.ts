/** How a pull ends: called off by a person; and the signed receipt of its end, whatever it was. */
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireRight } from './access.js';
import { CancelRequest, Pull, PullParams, Receipt } from './schemas.js';
import type { ApiParts } from './server.js';
import type { PullShape } from './shapes.js';

/** Throws LR_PULL_UNKNOWN. */
export async function findPull({ pulls }: Pick<ApiParts, 'pulls'>, id: string): Promise<PullShape> {
  const pull = await pulls.get(id);
  if (!pull) throw new Fault('not-found', 'LR_PULL_UNKNOWN', `there is no pull ${id}`);
  return pull;
}

export function pullEndRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { pulls, audit } = parts;
  const tags = ['pulls'];

  app.post<{ Params: Static<typeof PullParams>; Body: Static<typeof CancelRequest> }>(
    '/api/pulls/:id/cancel',
    {
      config: { access: 'pull' },
      schema: {
        summary: 'Call a pull off; what has arrived stays',
        tags,
        params: PullParams,
        body: CancelRequest,
        response: { 200: Pull },
      },
    },
    async (request) => {
      const person = requireRight(request, 'pull').person.name;
      const { id } = request.params;
      await findPull(parts, id);
      await pulls.cancel(id);
      await audit.record({ person, action: 'cancel', subject: `pull:${id}`, reason: request.body.reason.trim() });
      return findPull(parts, id);
    },
  );

  app.get<{ Params: Static<typeof PullParams> }>(
    '/api/pulls/:id/receipt',
    {
      config: { access: 'pulls' },
      schema: {
        summary: 'The signed receipt of a pull that has ended, whatever came of it',
        tags,
        params: PullParams,
        response: { 200: Receipt },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const receipt = await parts.answers.ofPull(id);
      return reply.header('content-disposition', `attachment; filename="receipt_${id.slice(0, 8)}.json"`).send(receipt);
    },
  );
}
