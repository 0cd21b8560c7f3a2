/** Units and what they recorded. */
import { parseRfc3339 } from '@longroof/base/clock';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { Coverage, CoverageQuery, Unit, UnitParams, Units } from './schemas.js';
import type { ApiParts } from './server.js';

export function unitRoutes(app: FastifyInstance, { units, coverage }: ApiParts): void {
  const config = { access: 'fleet' as const };
  const tags = ['units'];

  app.get('/api/units', { config, schema: { summary: 'All units', tags, response: { 200: Units } } }, async () => ({
    units: await units.list(),
  }));

  app.get<{ Params: Static<typeof UnitParams> }>(
    '/api/units/:id',
    { config, schema: { summary: 'One unit', tags, params: UnitParams, response: { 200: Unit } } },
    async (request) => units.get(request.params.id),
  );

  app.get<{ Params: Static<typeof UnitParams>; Querystring: Static<typeof CoverageQuery> }>(
    '/api/units/:id/coverage',
    {
      config,
      schema: {
        summary: 'What was recorded in at most 7 days, what was not and why, and where it all is',
        tags,
        params: UnitParams,
        querystring: CoverageQuery,
        response: { 200: Coverage },
      },
    },
    async (request) => {
      const { camera, from, to } = request.query;
      const asked = { unit: request.params.id, fromMs: parseRfc3339(from), toMs: parseRfc3339(to) };
      return coverage.read(camera === undefined ? asked : { ...asked, camera });
    },
  );
}
