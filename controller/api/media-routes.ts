/**
 * Footage of a pull: playlist, segments, plain MP4. The person who asked for it may look; another needs a token, for which he gave a
 * reason. Whoever looks is entered in the audit chain first.
 */
import { Readable } from 'node:stream';
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { PullInfo } from '../playback/footage.js';
import type { PlainMp4 } from '../playback/plain-mp4.js';
import { lookAt } from './look.js';
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
  const look = (request: FastifyRequest, action: string): Promise<PullInfo> => lookAt(parts, request, action);

  app.get<Media>(
    `${BASE}/playlist.m3u8`,
    {
      config,
      schema: { summary: 'HLS playlist (RFC 8216); grows while the pull runs', tags, params: CameraParams, querystring: ViewQuery },
    },
    async (request, reply) => {
      const { id, camera } = request.params;
      await look(request, 'view');
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
      const pull = await look(request, 'view');
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
      const pull = await look(request, 'view-file');
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
