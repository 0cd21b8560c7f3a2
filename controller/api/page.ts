/** The page: its built files, and `index.html` for every address of its own, so that a link to a unit or a pull can be opened. */
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sendFault } from './problem.js';

const OWN = /^\/(api|healthz|metrics)(\/|$)/;

/** `folder` is undefined where the page is not built. */
export async function installPage(app: FastifyInstance, folder: string | undefined): Promise<void> {
  if (folder !== undefined)
    await app.register(fastifyStatic, {
      root: folder,
      cacheControl: false,
      setHeaders(reply, file) {
        // Names of assets hold a hash of their content.
        const lasting = path.basename(path.dirname(file)) === 'assets';
        reply.header('cache-control', lasting ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  app.setNotFoundHandler(async (request, reply) => {
    const page = request.method === 'GET' && !OWN.test(request.url.split('?')[0] ?? '') && wantsPage(request);
    if (page && folder !== undefined) return reply.sendFile('index.html');
    if (page) return sendFault(reply, new Fault('not-found', 'LR_PAGE_MISSING', 'the page is not built', { hint: 'Run `npm run build`.' }));
    return sendFault(reply, new Fault('not-found', 'LR_NOT_FOUND', 'there is nothing at this address'));
  });
}

/** An address with a file's ending is a file that is missing. */
function wantsPage(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? '*/*';
  return /text\/html|\*\/\*/.test(accept) && path.extname(request.url.split('?')[0] ?? '') === '';
}
