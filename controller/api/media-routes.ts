/**
 * Footage of a pull: playlist, segments, plain MP4. The person who asked for it may look; another needs a token, for which he gave a
 * reason. Whoever looks is entered in the audit chain first.
 */
import { Readable } from 'node:stream';
import { sha256Hex } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { may } from '../accounts/roles.js';
import type { PullInfo } from '../playback/footage.js';
import type { PlainMp4 } from '../playback/plain-mp4.js';
import { requireRight } from './access.js';
import { isKnown, readRange } from './range.js';
import { CameraParams, FileQuery, SegmentParams, ViewQuery } from './schemas.js';
import type { ApiParts } from './server.js';

interface Media {
  Params: Static<typeof CameraParams>;
  Querystring: Static<typeof ViewQuery>;
}

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';
const VIDEO_TYPE = 'video/mp4';
const BASE = '/api/pulls/:id/:camera(^[a-z0-9-]{1,32}$)';

export function mediaRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { playback } = parts;
  const config = { access: 'footage' as const };
  const tags = ['footage'];

  app.get<Media>(
    `${BASE}/playlist.m3u8`,
    {
      config,
      schema: { summary: 'HLS playlist (RFC 8216); grows while the pull runs', tags, params: CameraParams, querystring: ViewQuery },
    },
    async (request, reply) => {
      const { id, camera } = request.params;
      await admit(parts, request, 'hls');
      const { token } = request.query;
      const text = await playback.playlist(id, camera, token === undefined ? '' : `?token=${encodeURIComponent(token)}`);
      return reply.header('cache-control', 'no-store').type(PLAYLIST_TYPE).send(text);
    },
  );

  app.get<Media & { Params: Static<typeof SegmentParams> }>(
    `${BASE}/:name`,
    { config, schema: { summary: 'A segment or init segment that a playlist names', tags, params: SegmentParams, querystring: ViewQuery } },
    async (request, reply) => {
      const { camera, name } = request.params;
      const pull = await admit(parts, request, 'hls');
      reply.header('cache-control', 'private, no-store').type(VIDEO_TYPE);
      const init = /^init-([0-9a-f]{64})\.mp4$/.exec(name)?.[1];
      if (init !== undefined) return reply.send(await playback.init(pull, camera, init));
      const segment = await playback.segment(pull, camera, name);
      return reply.header('content-length', segment.bytes).send(Readable.from(segment.read(), { objectMode: false }));
    },
  );

  app.route<{ Params: Static<typeof CameraParams>; Querystring: Static<typeof FileQuery> }>({
    method: ['GET', 'HEAD'],
    url: '/api/pulls/:id/:camera(^[a-z0-9-]{1,32}).mp4',
    exposeHeadRoute: false,
    config,
    schema: {
      summary: 'Plain MP4, with ranges; `part` for the others where there are several',
      tags,
      params: CameraParams,
      querystring: FileQuery,
    },
    async handler(request, reply) {
      const { camera } = request.params;
      const part = Number(request.query.part ?? 0);
      const pull = await admit(parts, request, 'mp4');
      const file = await playback.file(pull, camera, part);
      reply.header(
        'content-disposition',
        `inline; filename="${pull.unit}_${camera}_${pull.id.slice(0, 8)}${part > 0 ? `_${part}` : ''}.mp4"`,
      );
      return sendFile(request, reply, file);
    },
  });
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, file: PlainMp4): Promise<FastifyReply> {
  const { headers } = request;
  reply.header('etag', file.etag).header('accept-ranges', 'bytes').header('cache-control', 'private, no-cache').type(VIDEO_TYPE);
  if (isKnown(headers['if-none-match'], file.etag)) return reply.code(304).send();
  const range = readRange(headers.range, headers['if-range'] as string | undefined, file.etag, file.bytes);
  if (range.kind === 'unsatisfiable') {
    reply.header('content-range', `bytes */${file.bytes}`);
    throw new Fault('invalid', 'LR_RANGE', `the file has ${file.bytes} bytes`);
  }
  const [from, toExclusive] = range.kind === 'part' ? [range.from, range.toExclusive] : [0, file.bytes];
  if (range.kind === 'part') reply.code(206).header('content-range', `bytes ${from}-${toExclusive - 1}/${file.bytes}`);
  reply.header('content-length', toExclusive - from);
  if (request.method === 'HEAD') return reply.send(null);
  return reply.send(Readable.from(file.read(from, toExclusive), { objectMode: false }));
}

/** Lets through who may look at this pull, and enters the look. Throws LR_SESSION, LR_ROLE, LR_VIEW_*. */
async function admit(parts: ApiParts, request: FastifyRequest, way: 'hls' | 'mp4'): Promise<PullInfo> {
  const { id, camera } = request.params as Media['Params'];
  const { token } = request.query as Media['Querystring'];
  const { audit, playback, views, people } = parts;
  const subject = `pull:${id}/${camera}`;
  const action = way === 'mp4' ? 'view-file' : 'view';
  if (token !== undefined) {
    const view = views.check(token, id);
    const person = await people.get(view.person);
    if (!person || !may(person.role, 'view')) throw new Fault('denied', 'LR_ROLE', 'whoever this was granted to may not look any more');
    const pull = await playback.pull(id);
    await audit.recordLook(sha256Hex(token), { person: view.person, action, subject, reason: view.reason });
    return pull;
  }
  const { person, sessionId } = requireRight(request, 'view');
  const pull = await playback.pull(id);
  if (pull.person !== person.name) {
    await audit.recordLook(sessionId, { person: person.name, action: 'refused', subject, detail: { code: 'LR_VIEW_NEEDED' } });
    throw new Fault('denied', 'LR_VIEW_NEEDED', `this footage was asked for by ${pull.person}`, { hint: 'Give a reason first.' });
  }
  await audit.recordLook(sessionId, { person: person.name, action, subject, reason: pull.reason });
  return pull;
}
