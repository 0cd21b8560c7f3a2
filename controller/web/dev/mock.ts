/**
 * A stand-in for the controller's API, for working on the page: `LONGROOF_MOCK=1 npx vite web` in controller/, any user name with the
 * password `longroof`. Its answers are made up; it also sends the strict content policy of the real one, so that breaches show early.
 */
import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import type { Connect, Plugin } from 'vite';
import type { ProblemShape, PullShape, SessionShape } from '../../api/shapes.js';
import { coverage, gapsOf, units } from './fixtures.js';
import { mediaFolder, playlist } from './media.js';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const STARTED_MS = Date.now();
const RUN_MS = 12_000;

interface Stored extends PullShape {
  startedMs: number;
}

const pulls = new Map<string, Stored>();
let session: SessionShape | undefined;

class Refusal extends Error {
  readonly problem: ProblemShape;
  constructor(status: number, code: string, title: string) {
    super(title);
    this.problem = { type: `https://longroof.example/errors#${code}`, title, status, code };
  }
}

function addPull(wanted: Pick<PullShape, 'unitId' | 'cameras' | 'from' | 'to' | 'quality' | 'rate' | 'reason'>, person: string): Stored {
  const id = `p-${String(pulls.size + 1).padStart(6, '0')}`;
  const created = new Date().toISOString();
  const pull: Stored = {
    ...wanted,
    urgent: false,
    id,
    person,
    state: 'queued',
    created,
    bytesDone: 0,
    bytesTotal: null,
    parts: [],
    missing: [],
    startedMs: Date.now(),
  };
  pulls.set(id, pull);
  return pull;
}

/** Where a pull stands now: it is fetched within twelve seconds; one of an absent wagon waits. */
function seen(pull: Stored): PullShape {
  const { startedMs, ...shape } = pull;
  const unit = units(Date.now()).find((one) => one.id === pull.unitId);
  if (pull.state === 'failed' || pull.state === 'cancelled') return shape;
  if (!unit?.online) return { ...shape, state: 'waiting', waitingSince: unit?.lastSeen ?? pull.created };
  const share = Math.min(1, (Date.now() - startedMs) / RUN_MS);
  const fromMs = Date.parse(pull.from);
  const toMs = Date.parse(pull.to);
  const each = ((toMs - fromMs) / 1000) * (pull.quality === 'original' ? 500_000 : 40_000);
  const codec = pull.quality === 'original' ? 'hvc1.1.6.L93.B0' : 'avc1.64001f';
  return {
    ...shape,
    state: share < 0.1 ? 'queued' : share < 1 ? 'running' : 'done',
    ...(share < 1 ? {} : { ended: new Date(startedMs + RUN_MS).toISOString() }),
    bytesDone: share < 0.1 ? 0 : Math.round(each * pull.cameras.length * share),
    bytesTotal: share < 0.1 ? null : each * pull.cameras.length,
    parts:
      share < 0.1
        ? []
        : pull.cameras.map((camera) => ({
            camera,
            from: pull.from,
            to: pull.to,
            bytesDone: Math.round(each * share),
            bytesTotal: each,
            codec,
            mp4Parts: camera === 'rear' ? 2 : 1,
          })),
    missing:
      share < 0.1 ? [] : pull.cameras.flatMap((camera) => gapsOf(camera, fromMs, toMs, STARTED_MS).map((gap) => ({ camera, ...gap }))),
  };
}

function seed(): void {
  const span = (fromMinutes: number, toMinutes: number) => ({
    from: new Date(STARTED_MS - fromMinutes * 60_000).toISOString(),
    to: new Date(STARTED_MS - toMinutes * 60_000).toISOString(),
  });
  const failed = addPull(
    { unitId: 'wagon-4', cameras: ['front'], ...span(90, 80), quality: 'proxy', reason: 'Collision at the square' },
    'demo',
  );
  failed.state = 'failed';
  failed.problem = { code: 'LR_PULL_SPAN', message: 'span longer than 24 h' };
  failed.ended = failed.created;
  addPull({ unitId: 'wagon-3', cameras: ['front', 'rear'], ...span(200, 190), quality: 'proxy', reason: 'Complaint 1182' }, 'demo');
  const other = addPull({ unitId: 'wagon-1', cameras: ['front'], ...span(24, 14), quality: 'proxy', reason: 'Stolen bicycle' }, 'sara');
  other.caseNumber = '2026-1182';
  other.startedMs -= RUN_MS;
  const original = addPull({ unitId: 'wagon-1', cameras: ['front', 'rear'], ...span(12, 8), quality: 'original', reason: 'Court' }, 'demo');
  original.startedMs -= RUN_MS;
}

async function body(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

type Answer = { status?: number; json: unknown } | { text: string; type: string } | { file: string; type: string };

async function answer(request: IncomingMessage, url: URL): Promise<Answer> {
  const [area, id, ...rest] = url.pathname.slice('/api/'.length).split('/').map(decodeURIComponent);
  if (area === 'session') return answerSession(request);
  if (!session) throw new Refusal(401, 'LR_SESSION', 'not signed in');
  if (area === 'units') return answerUnits(id, rest[0], url);
  if (area === 'holds') return { json: { holds: [] } };
  if (area === 'restores') return { json: { restores: [] } };
  if (area === 'live') return { json: { looks: [] } };
  if (area !== 'pulls') throw new Refusal(404, 'LR_NOT_FOUND', 'no such address');
  if (id === undefined && request.method === 'POST') {
    const wanted = (await body(request)) as unknown as PullShape;
    if (!wanted.reason) throw new Refusal(400, 'LR_PULL_REASON', 'a reason is needed');
    return { status: 201, json: seen(addPull(wanted, session.user)) };
  }
  if (id === undefined) return { json: { pulls: [...pulls.values()].reverse().map(seen) } };
  const pull = pulls.get(id);
  if (!pull) throw new Refusal(404, 'LR_PULL_UNKNOWN', 'no such pull');
  if (rest[0] === 'views') return { status: 201, json: { token: 'mock', expires: new Date(Date.now() + 600_000).toISOString() } };
  if (rest[0] === undefined) return { json: seen(pull) };
  return answerMedia(pull, rest, url);
}

async function answerSession(request: IncomingMessage): Promise<Answer> {
  if (request.method === 'POST') {
    const given = await body(request);
    if (given['password'] !== 'longroof') throw new Refusal(401, 'LR_LOGIN', 'user name or password is wrong');
    session = { user: String(given['user']), role: 'staff', expires: new Date(Date.now() + 8 * 3_600_000).toISOString() };
  } else if (request.method === 'DELETE') session = undefined;
  else if (!session) throw new Refusal(401, 'LR_SESSION', 'not signed in');
  return { json: session ?? {} };
}

function answerUnits(id: string | undefined, what: string | undefined, url: URL): Answer {
  const fleet = units(Date.now());
  if (id === undefined) return { json: { units: fleet } };
  const unit = fleet.find((one) => one.id === id);
  if (!unit) throw new Refusal(404, 'LR_UNIT_UNKNOWN', 'no such unit');
  if (what === undefined) return { json: unit };
  const fromMs = Date.parse(url.searchParams.get('from') ?? '');
  const toMs = Date.parse(url.searchParams.get('to') ?? '');
  if (!(toMs > fromMs) || toMs - fromMs > 7 * 86_400_000) throw new Refusal(400, 'LR_COVERAGE_SPAN', 'span');
  return { json: coverage(unit, fromMs, toMs, Date.now(), STARTED_MS) };
}

function answerMedia(pull: Stored, rest: string[], url: URL): Answer {
  const [camera, file] = rest;
  if (session?.user !== pull.person && !url.searchParams.get('token') && !file?.endsWith('.m4s') && file !== 'init.mp4') {
    throw new Refusal(403, 'LR_VIEW', 'give a reason first');
  }
  const folder = mediaFolder();
  if (file === undefined) return { file: path.join(folder, 'whole.mp4'), type: 'video/mp4' };
  if (file === 'playlist.m3u8') {
    const now = seen(pull);
    const share = now.bytesTotal ? now.bytesDone / now.bytesTotal : 0;
    const fromMs = Date.parse(pull.from);
    const toMs = fromMs + (Date.parse(pull.to) - fromMs) * share;
    const gaps = gapsOf(camera ?? '', fromMs, toMs, STARTED_MS);
    return { text: playlist(fromMs, toMs, gaps, now.state === 'done'), type: 'application/vnd.apple.mpegurl' };
  }
  return { file: path.join(folder, path.basename(file)), type: 'video/mp4' };
}

function send(response: ServerResponse, given: Answer): void {
  if ('json' in given) {
    response.writeHead(given.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(given.json));
  } else if ('text' in given) response.writeHead(200, { 'content-type': given.type }).end(given.text);
  else response.writeHead(200, { 'content-type': given.type }).end(fs.readFileSync(given.file));
}

const handle: Connect.NextHandleFunction = (request, response, next) => {
  response.setHeader('content-security-policy', process.env['LONGROOF_MOCK'] === 'strict' ? POLICY : '');
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (!url.pathname.startsWith('/api/')) return next();
  answer(request, url).then(
    (given) => send(response, given),
    (error: unknown) => {
      if (!(error instanceof Refusal)) return next(error);
      response.writeHead(error.problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(error.problem));
    },
  );
};

/** `LONGROOF_MOCK=strict` with `vite preview` adds the policy; the development server itself needs inline scripts. */
export function mockApi(): Plugin {
  seed();
  return {
    name: 'longroof-mock',
    configureServer: (server) => void server.middlewares.use(handle),
    configurePreviewServer: (server) => void server.middlewares.use(handle),
  };
}
