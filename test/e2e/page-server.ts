/**
 * Serves the built page on loopback with the strict content policy of the centre, and answers its API from a table that a test
 * changes as it goes: for states that the real programs reach only after hours or by accident.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type {
  CoverageShape,
  HoldShape,
  LiveShape,
  PullShape,
  ReceiptShape,
  RestoreShape,
  SessionShape,
  UnitShape,
} from '@longroof/controller/api/shapes';
import { ROOT } from '../peers/wagon.js';

export const PAGE = path.join(ROOT, 'controller/web/dist');
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; base-uri 'none'";
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export interface Canned {
  session: SessionShape | undefined;
  units: UnitShape[];
  coverage: CoverageShape | undefined;
  pulls: PullShape[];
  holds: HoldShape[];
  restores: RestoreShape[];
  lives: LiveShape[];
  receipt: ReceiptShape | undefined;
  /** Wagons that cannot be asked together with others, and the code. */
  refuses: Record<string, string>;
  /** Code with which every look and piece is refused. */
  liveRefused: string | undefined;
  /** Answers nothing: every connection to the API is cut. */
  away: boolean;
  /** METHOD path of every request to the API. */
  readonly asked: string[];
  /** Bodies of POST, but for the session's. */
  readonly wanted: Record<string, unknown>[];
}

export interface PageServer {
  readonly address: string;
  readonly api: Canned;
  close(): Promise<void>;
}

type Answer = { status: number; json: unknown };

function problem(status: number, code: string, title: string): Answer {
  return { status, json: { type: 'about:blank', title, status, code } };
}

function answer(api: Canned, method: string, where: string[], body: Record<string, unknown>): Answer {
  const [area, id, what] = where;
  if (area === 'session') {
    if (method === 'POST') {
      if (body['password'] !== 'right') return problem(401, 'LR_LOGIN', 'wrong');
      api.session = { user: String(body['user']), role: 'staff', expires: new Date(Date.now() + 3_600_000).toISOString() };
    }
    return api.session ? { status: 200, json: api.session } : problem(401, 'LR_SESSION', 'not signed in');
  }
  if (!api.session) return problem(401, 'LR_SESSION', 'not signed in');
  if (method === 'POST') api.wanted.push(body);
  if (area === 'holds' || area === 'restores' || area === 'live' || what === 'live') return answerDesk(api, method, where, body);
  if (area === 'units' && id === undefined) return { status: 200, json: { units: api.units } };
  if (area === 'units' && what === 'coverage') return { status: 200, json: api.coverage };
  if (area === 'units') {
    const unit = api.units.find((one) => one.id === id);
    return unit ? { status: 200, json: unit } : problem(404, 'LR_UNIT_UNKNOWN', 'no such unit');
  }
  if (area === 'pulls' && what === 'receipt')
    return api.receipt ? { status: 200, json: api.receipt } : problem(409, 'LR_PULL_UNFINISHED', 'not yet');
  if (area === 'pulls' && method === 'POST' && Array.isArray(body['unitIds'])) return answerMany(api, body);
  if (area === 'pulls' && method === 'POST' && id === undefined) {
    if (body['reason'] === 'granted') return { status: 201, json: api.pulls[0] };
    if (api.receipt) return { status: 400, json: { ...(problem(400, 'LR_PULL_SPAN', 'span').json as object), receipt: api.receipt } };
    return problem(400, 'LR_SOMETHING_NEW', 'the centre says something this page has no words for');
  }
  if (area === 'pulls' && id === undefined) return { status: 200, json: { pulls: api.pulls } };
  const pull = api.pulls.find((one) => one.id === id);
  return pull ? { status: 200, json: pull } : problem(404, 'LR_PULL_UNKNOWN', 'no such pull');
}

/** Every wagon is asked but those that refuse. */
function answerMany(api: Canned, body: Record<string, unknown>): Answer {
  const ids = body['unitIds'] as string[];
  const asked = ids.filter((id) => !api.refuses[id]);
  const refused = ids.flatMap((unitId) => {
    const code = api.refuses[unitId];
    return code ? [{ unitId, code, detail: 'not known', receipt: api.receipt }] : [];
  });
  return { status: 201, json: { pulls: api.pulls.filter(({ unitId }) => asked.includes(unitId)), refused } };
}

function answerDesk(api: Canned, method: string, [area, id, what]: string[], body: Record<string, unknown>): Answer {
  if (area === 'restores') return { status: 200, json: { restores: api.restores } };
  if (area === 'holds' && method === 'GET') return { status: 200, json: { holds: api.holds } };
  if (area === 'holds' && what === 'lift') {
    api.holds = api.holds.map((hold) => (hold.id === id ? { ...hold, state: 'lifting' } : hold));
    return { status: 200, json: api.holds.find((hold) => hold.id === id) };
  }
  if (area === 'holds') {
    const first = api.holds[0] as HoldShape;
    const made = { ...first, ...body, id: `h-${api.holds.length + 1}`, state: 'queued', bytes: null, reviewDue: false } as HoldShape;
    api.holds = [...api.holds, made];
    return { status: 201, json: made };
  }
  if (area === 'live' && id === undefined) return { status: 200, json: { looks: api.lives } };
  if (api.liveRefused) return problem(409, api.liveRefused, 'refused');
  return area === 'live' ? { status: 204, json: null } : { status: 201, json: api.lives[0] };
}

async function readBody(request: http.IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function sendFile(response: http.ServerResponse, pathname: string): void {
  const file = path.join(PAGE, path.normalize(pathname));
  const found = file.startsWith(PAGE) && fs.existsSync(file) && fs.statSync(file).isFile() ? file : path.join(PAGE, 'index.html');
  response.writeHead(200, {
    'content-type': TYPES[path.extname(found)] ?? 'application/octet-stream',
    'content-security-policy': POLICY,
  });
  response.end(fs.readFileSync(found));
}

export async function startPageServer(): Promise<PageServer> {
  const desk = { holds: [], restores: [], lives: [], receipt: undefined, refuses: {}, liveRefused: undefined };
  const api: Canned = { session: undefined, units: [], coverage: undefined, pulls: [], away: false, asked: [], wanted: [], ...desk };
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (!url.pathname.startsWith('/api/')) return sendFile(response, url.pathname);
    api.asked.push(`${request.method} ${url.pathname}`);
    if (api.away) return request.socket.destroy();
    void readBody(request).then((body) => {
      const { status, json } = answer(api, request.method ?? 'GET', url.pathname.slice(5).split('/'), body);
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(status === 204 ? undefined : JSON.stringify(json));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    api,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
