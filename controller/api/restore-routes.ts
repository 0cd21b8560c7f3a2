/** What became of a restore: which units have been heard since, and what is lost. */
import type { FastifyInstance } from 'fastify';
import { Restores } from './schemas-restore.js';
import type { ApiParts } from './server.js';

export function restoreRoutes(app: FastifyInstance, { restores }: ApiParts): void {
  app.get(
    '/api/restores',
    {
      config: { access: 'fleet' },
      schema: {
        summary: 'Restores from a backup, newest first: units heard since, footage that is lost',
        tags: ['centre'],
        response: { 200: Restores },
      },
    },
    async () => ({ restores: await restores.list() }),
  );
}
