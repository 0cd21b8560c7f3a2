/** One connection of a client: reads RTSP requests (RFC 2326), answers them, and plays a mount over the same socket. */
import { randomBytes } from 'node:crypto';
import type net from 'node:net';
import type { Gate } from './auth.js';
import type { Mount, Player } from './mount.js';
import { describe } from './sdp.js';
import type { RtspServerSpec } from './spec.js';

/** A client that reads so slowly that this much waits for it is cut off. */
const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;
const REQUEST_BYTES_MAX = 64 * 1024;
/** Silence is counted in so many turns: time in which this program did not run itself, and could not hear, is none. */
const SILENT_TURNS_MAX = 16;

interface Request {
  method: string;
  url: string;
  headers: Map<string, string>;
}

interface Answer {
  status: string;
  headers?: Record<string, string>;
  body?: string;
  /** Done once the answer is on its way. */
  after?: () => void;
}

const NOT_FOUND: Answer = { status: '404 Not Found' };
const OK: Answer = { status: '200 OK' };

export interface ConnectionOptions {
  spec: RtspServerSpec;
  gate: Gate | undefined;
  mount: (name: string) => Mount | undefined;
  /** Each request line, for tests that look at what was asked. */
  heard: (line: string) => void;
}

export class Connection implements Player {
  readonly #socket: net.Socket;
  readonly #options: ConnectionOptions;
  readonly #session = randomBytes(8).toString('hex');
  readonly #channels = new Map<number, number>();
  #inbox: Buffer = Buffer.alloc(0);
  #mount: Mount | undefined;
  readonly #silence: NodeJS.Timeout;
  #silentTurns = 0;
  #requestsSent = 0;

  constructor(socket: net.Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#read(bytes));
    // A client that vanishes is no failure of the server; `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#ended());
    const turnMs = ((options.spec.sessionTimeoutS ?? 60) * 1000) / SILENT_TURNS_MAX;
    this.#silence = setInterval(() => this.#listen(), turnMs);
  }

  channel(track: number): number | undefined {
    return this.#channels.get(track);
  }

  write(bytes: Buffer): boolean {
    if (this.#socket.destroyed) return false;
    if (this.#socket.writableLength > BACKLOG_BYTES_MAX) {
      this.#socket.destroy();
      return false;
    }
    this.#socket.write(bytes);
    return this.#socket.writableLength > 0;
  }

  /** A request from the server to the client, as some cameras send. */
  ask(method: string): void {
    this.#requestsSent += 1;
    this.#socket.write(`${method} * RTSP/1.0\r\nCSeq: ${this.#requestsSent}\r\nSession: ${this.#session}\r\n\r\n`);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #ended(): void {
    clearInterval(this.#silence);
    this.#mount?.leave(this);
    this.#mount = undefined;
  }

  /** RFC 2326, 12.37: no word for longer than the time-out ends the session, which begins with SETUP. */
  #listen(): void {
    this.#silentTurns += 1;
    if (this.#silentTurns > SILENT_TURNS_MAX && this.#channels.size > 0) this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#inbox = this.#inbox.length === 0 ? bytes : Buffer.concat([this.#inbox, bytes]);
    while (this.#inbox.length > 0) {
      if (this.#inbox[0] === 0x24) {
        // The client's receiver reports: 4 byte header and as many bytes as it says.
        if (this.#inbox.length < 4 || this.#inbox.length < 4 + this.#inbox.readUInt16BE(2)) return;
        this.#inbox = this.#inbox.subarray(4 + this.#inbox.readUInt16BE(2));
        continue;
      }
      const end = this.#inbox.indexOf('\r\n\r\n');
      if (end < 0) {
        if (this.#inbox.length > REQUEST_BYTES_MAX) this.#socket.destroy();
        return;
      }
      const lines = this.#inbox.toString('latin1', 0, end).split('\r\n');
      const headers = new Map(
        lines.slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
      );
      const whole = end + 4 + Number(headers.get('content-length') ?? 0);
      if (this.#inbox.length < whole) return;
      this.#inbox = this.#inbox.subarray(whole);
      this.#silentTurns = 0;
      const [method = '', url = ''] = (lines[0] ?? '').split(' ');
      // Answers to our own requests begin with the version; nothing follows from them.
      if (method.startsWith('RTSP/')) continue;
      this.#options.heard(`${method} ${url}`);
      const request = { method, url, headers };
      const answer = this.#answer(request);
      this.#reply(request, answer);
      answer.after?.();
    }
  }

  #answer(request: Request): Answer {
    const methods = ['OPTIONS', 'DESCRIBE', 'SETUP', 'PLAY', 'TEARDOWN', ...(this.#options.spec.keepAliveMethods ?? ['GET_PARAMETER'])];
    if (!methods.includes(request.method)) return { status: '405 Method Not Allowed', headers: { Allow: methods.join(', ') } };
    if (request.method === 'OPTIONS') return { status: '200 OK', headers: { Public: methods.join(', ') } };
    const challenge = this.#options.gate?.challenge(request.method, request.headers.get('authorization'));
    if (challenge) return { status: '401 Unauthorized', headers: { 'WWW-Authenticate': challenge } };
    switch (request.method) {
      case 'DESCRIBE':
        return this.#describe(request);
      case 'SETUP':
        return this.#setUp(request);
      case 'PLAY':
        return this.#play(request);
      case 'TEARDOWN':
        return { ...OK, after: () => this.#socket.end() };
      default:
        return OK;
    }
  }

  /** The mount whose name is the longest leading part of the URL's path. */
  #find(url: string): Mount | undefined {
    const parts =
      /^rtsp:\/\/[^/]*\/([^?]*)/
        .exec(url)?.[1]
        ?.split('/')
        .filter((part) => part !== '') ?? [];
    for (let length = parts.length; length > 0; length--) {
      const mount = this.#options.mount(parts.slice(0, length).join('/'));
      if (mount) return mount;
    }
    return undefined;
  }

  #describe(request: Request): Answer {
    const mount = this.#find(request.url);
    if (!mount) return NOT_FOUND;
    if (mount.spec.redirectTo) return { status: '302 Moved Temporarily', headers: { Location: mount.spec.redirectTo } };
    const base = `${request.url.replace(/\/+$/, '')}/`;
    return { ...OK, headers: { 'Content-Base': base, 'Content-Type': 'application/sdp' }, body: describe(mount.clip, mount.spec, base) };
  }

  #setUp(request: Request): Answer {
    const mount = this.#find(request.url);
    const transport = request.headers.get('transport') ?? '';
    if (!mount) return NOT_FOUND;
    if (!/RTP\/AVP\/TCP/i.test(transport)) return { status: '461 Unsupported Transport' };
    const track = Number(/trackID=(\d+)/.exec(request.url)?.[1] ?? 0);
    if (!mount.clip.tracks[track]) return NOT_FOUND;
    const channel = Number(/interleaved=(\d+)/i.exec(transport)?.[1] ?? track * 2);
    this.#channels.set(track, channel);
    const session = `${this.#session};timeout=${this.#options.spec.sessionTimeoutS ?? 60}`;
    return { ...OK, headers: { Transport: `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1}`, Session: session } };
  }

  #play(request: Request): Answer {
    const mount = this.#find(request.url);
    if (!mount) return NOT_FOUND;
    if (this.#channels.size === 0) return { status: '455 Method Not Valid in This State' };
    const info = [...this.#channels.keys()].map((track) => {
      const at = mount.position(track);
      return `url=${request.url.replace(/\/+$/, '')}/trackID=${track};seq=${at.sequence};rtptime=${at.rtpTimestamp}`;
    });
    this.#mount = mount;
    return { ...OK, headers: { Range: 'npt=0.000-', 'RTP-Info': info.join(',') }, after: () => mount.play(this) };
  }

  #reply(request: Request, answer: Answer): void {
    const lines = [`RTSP/1.0 ${answer.status}`, `CSeq: ${request.headers.get('cseq') ?? '0'}`, 'Server: peer'];
    const session = this.#channels.size > 0 ? { Session: this.#session } : {};
    for (const [name, value] of Object.entries({ ...session, ...answer.headers })) lines.push(`${name}: ${value}`);
    if (answer.body) lines.push(`Content-Length: ${Buffer.byteLength(answer.body)}`);
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n${answer.body ?? ''}`);
  }
}
