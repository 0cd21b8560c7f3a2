/**
 * Serves the built page on loopback with the strict content policy of the centre, and answers its API from a table that a test
 * changes as it goes: for states that the real programs reach only after hours or by accident.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { CoverageShape, PullShape, SessionShape, UnitShape } from '@longroof/controller/api/shapes';
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
  /** Answers nothing: every connection to the API is cut. */
  away: boolean;
  /** METHOD path of every request to the API. */
  readonly asked: string[];
  /** Bodies of POST /api/pulls. */
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
  if (area === 'units' && id === undefined) return { status: 200, json: { units: api.units } };
  if (area === 'units' && what === 'coverage') return { status: 200, json: api.coverage };
  if (area === 'units') {
    const unit = api.units.find((one) => one.id === id);
    return unit ? { status: 200, json: unit } : problem(404, 'LR_UNIT_UNKNOWN', 'no such unit');
  }
  if (area === 'pulls' && method === 'POST' && id === undefined) {
    api.wanted.push(body);
    return problem(400, 'LR_SOMETHING_NEW', 'the centre says something this page has no words for');
  }
  if (area === 'pulls' && id === undefined) return { status: 200, json: { pulls: api.pulls } };
  const pull = api.pulls.find((one) => one.id === id);
  return pull ? { status: 200, json: pull } : problem(404, 'LR_PULL_UNKNOWN', 'no such pull');
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
  const api: Canned = { session: undefined, units: [], coverage: undefined, pulls: [], away: false, asked: [], wanted: [] };
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (!url.pathname.startsWith('/api/')) return sendFile(response, url.pathname);
    api.asked.push(`${request.method} ${url.pathname}`);
    if (api.away) return request.socket.destroy();
    void readBody(request).then((body) => {
      const { status, json } = answer(api, request.method ?? 'GET', url.pathname.slice(5).split('/'), body);
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(JSON.stringify(json));
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
