/** Live view of a camera: a look begins with a reason, its pieces are asked for one after the other, and with the last of it it is over. */
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { ShownPiece } from '../live/stream.js';
import { requireRight } from './access.js';
import { UnitParams } from './schemas.js';
import { Live, LiveParams, LiveQuery, LiveRequest, Lives } from './schemas-live.js';
import type { ApiParts } from './server.js';

const PIECES =
  'Pieces behind number `after` (0: from the newest that decodes by itself), waiting a few seconds for the first; 204 where none came. ' +
  'Each piece: three times length u32 big endian and so many bytes: JSON head, init segment (ISO BMFF), moof and mdat.';

export function liveRoutes(app: FastifyInstance, { live }: ApiParts): void {
  const tags = ['live'];

  app.get(
    '/api/live',
    { config: { access: 'pulls' }, schema: { summary: 'Who watches what now', tags, response: { 200: Lives } } },
    async () => ({
      looks: await live.list(),
    }),
  );

  app.post<{ Params: Static<typeof UnitParams>; Body: Static<typeof LiveRequest> }>(
    '/api/units/:id/live',
    {
      config: { access: 'view' },
      schema: { summary: 'Begin to watch a camera', tags, params: UnitParams, body: LiveRequest, response: { 201: Live } },
    },
    async (request, reply) => {
      const { person } = requireRight(request, 'view');
      const look = await live.begin(person.name, { unitId: request.params.id, ...request.body });
      return reply.code(201).header('location', `/api/live/${look.id}`).send(look);
    },
  );

  app.get<{ Params: Static<typeof LiveParams>; Querystring: Static<typeof LiveQuery> }>(
    '/api/live/:id/pieces',
    { config: { access: 'view' }, schema: { summary: PIECES, tags, params: LiveParams, querystring: LiveQuery } },
    async (request, reply) => {
      const { person } = requireRight(request, 'view');
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const pieces = await live.pieces(request.params.id, person.name, Number(request.query.after ?? 0), gone.signal);
      reply.header('cache-control', 'no-store');
      if (pieces.length === 0) return reply.code(204).send();
      return reply.type('application/octet-stream').send(Buffer.concat(pieces.flatMap(parts)));
    },
  );

  app.delete<{ Params: Static<typeof LiveParams> }>(
    '/api/live/:id',
    { config: { access: 'view' }, schema: { summary: 'Watch no more', tags, params: LiveParams } },
    async (request, reply) => {
      await live.end(request.params.id, requireRight(request, 'view').person.name);
      return reply.code(204).send();
    },
  );
}

function parts({ number, piece, init }: ShownPiece): Buffer[] {
  const { meta, wall, media } = piece;
  const { codec, start90k, duration90k, independent, rendition, initSha256 } = meta;
  const head = { number, codec, start90k, duration90k, independent, rendition, initSha256, wall };
  return [Buffer.from(JSON.stringify(head)), init, media].flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return [length, Buffer.from(part.buffer, part.byteOffset, part.byteLength)];
  });
}
