/** A pull with its proof, to take away. Each export is entered in the audit chain, when it begins and with its fingerprint when it is whole. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { admit } from './look.js';
import { PullParams, ViewQuery } from './schemas.js';
import type { ApiParts } from './server.js';

interface Export {
  Params: Static<typeof PullParams>;
  Querystring: Static<typeof ViewQuery>;
}

export function exportRoutes(app: FastifyInstance, parts: ApiParts): void {
  app.get<Export>(
    '/api/pulls/:id/export.zip',
    {
      config: { access: 'footage' },
      schema: {
        summary: 'All footage of a pull that has ended, with what proves it (docs/verification.md): a zip',
        tags: ['footage'],
        params: PullParams,
        querystring: ViewQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const subject = `pull:${id}`;
      const { person, reason } = await admit(parts, request, { id, token: request.query.token, action: 'export', subject, eachTime: true });
      const made = await parts.exporter.prepare({ pullId: id, person, reason });
      const done = (manifestSha256: string): Promise<void> =>
        parts.audit.record({ person, action: 'export-done', subject, reason, detail: { manifestSha256 } });
      return reply
        .header('cache-control', 'private, no-store')
        .header('content-disposition', `attachment; filename="${made.fileName}"`)
        .type('application/zip')
        .send(Readable.from(made.read(done), { objectMode: false }));
    },
  );
}
