/** Strips of a pull: which are here, and each as a JPEG. Who may look, and how it is entered, is as for footage. */
import { rfc3339 } from '@longroof/base/clock';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { lookAt } from './look.js';
import { CameraParams, SegmentParams, Strips, ViewQuery } from './schemas.js';
import type { ApiParts } from './server.js';

interface OfCamera {
  Params: Static<typeof CameraParams>;
  Querystring: Static<typeof ViewQuery>;
}

const BASE = '/api/pulls/:id/:camera(^[a-z0-9-]{1,32}$)/strips';

export function stripRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { playback } = parts;
  const config = { access: 'footage' as const };
  const tags = ['footage'];

  app.get<OfCamera>(
    BASE,
    {
      config,
      schema: {
        summary: 'Strips that are here; behind this address each `name` is a JPEG',
        tags,
        params: CameraParams,
        querystring: ViewQuery,
        response: { 200: Strips },
      },
    },
    async (request) => {
      const pull = await lookAt(parts, request, 'view');
      const strips = await playback.strips(pull, request.params.camera);
      return { strips: strips.map((strip) => ({ name: strip.name, from: rfc3339(strip.fromUtcMs), to: rfc3339(strip.toUtcMs) })) };
    },
  );

  app.get<OfCamera & { Params: Static<typeof SegmentParams> }>(
    `${BASE}/:name`,
    { config, schema: { summary: 'A strip, JPEG', tags, params: SegmentParams, querystring: ViewQuery } },
    async (request, reply) => {
      const { camera, name } = request.params;
      const pull = await lookAt(parts, request, 'view');
      return reply
        .header('cache-control', 'private, no-store')
        .type('image/jpeg')
        .send(await playback.strip(pull, camera, name));
    },
  );
}
