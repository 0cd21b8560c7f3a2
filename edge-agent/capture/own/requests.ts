/**
 * Requests of an RTSP client and their responses (RFC 2326, 6 to 12): numbered, authenticated, each with a time-out. Requests that
 * the server sends are answered. One request is under way at a time, keep-alive included.
 */
import type { Clock, Timer } from '@longroof/base/clock';
import type { Fault } from '@longroof/base/errors';
import { captureFault } from '../faults.js';
import type { Authenticator } from '../rtsp/auth.js';
import { formatRequest, header, type RtspMessage } from '../rtsp/message.js';

const ANSWER_MS = 10_000;
const PENDING_MAX = 8;
const ATTEMPTS_MAX = 4;

interface Pending {
  resolve: (message: RtspMessage) => void;
  reject: (fault: Fault) => void;
  timer: Timer;
}

export class Requests {
  readonly #clock: Clock;
  readonly #auth: Authenticator;
  readonly #write: (text: string) => void;
  readonly #pending = new Map<number, Pending>();
  #sequence = 0;
  #failed: Fault | undefined;
  /** Goes with each request once SETUP gave it. */
  session: string | undefined;

  constructor(clock: Clock, auth: Authenticator, write: (text: string) => void) {
    this.#clock = clock;
    this.#auth = auth;
    this.#write = write;
  }

  /** Gives the response whatever its status, but for 401, which is answered as far as credentials allow. */
  async send(method: string, url: string, headers: Readonly<Record<string, string>> = {}): Promise<RtspMessage> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const response = await this.#once(method, url, headers);
      if (response.status !== 401) return response;
      this.#auth.challenged(response.headers.get('www-authenticate') ?? [], attempt);
    }
    throw captureFault('LR_RTSP_REFUSED', 'the camera keeps asking to sign in');
  }

  /** The same, and throws LR_RTSP_STATUS and its like for anything but 2xx. Redirections (3xx) are given back. */
  async expect(method: string, url: string, headers: Readonly<Record<string, string>> = {}): Promise<RtspMessage> {
    const response = await this.send(method, url, headers);
    if (response.status >= 200 && response.status < 400) return response;
    const told = `${method} was answered ${response.status} ${response.reason.slice(0, 80)}`;
    if (response.status === 403) throw captureFault('LR_RTSP_REFUSED', told);
    if (response.status === 404) throw captureFault('LR_RTSP_NOT_FOUND', told);
    if (response.status === 461) throw captureFault('LR_RTSP_TRANSPORT', `${told}: it does not send over the RTSP connection`);
    throw captureFault('LR_RTSP_STATUS', told);
  }

  /** Sends without waiting for what comes of it. */
  sendLast(method: string, url: string): void {
    if (!this.#failed) this.#write(this.#format(method, url, {}));
  }

  /** A message came in. */
  take(message: RtspMessage): void {
    if (message.status === 0) {
      this.#answer(message);
      return;
    }
    const number = Number(header(message, 'cseq') ?? Number.NaN);
    // Some cameras leave CSeq out: then it is the oldest that is answered.
    const key = this.#pending.has(number) ? number : Number.isNaN(number) ? this.#pending.keys().next().value : undefined;
    const pending = key === undefined ? undefined : this.#pending.get(key);
    if (key === undefined || !pending || message.status < 200) return;
    this.#pending.delete(key);
    pending.timer.cancel();
    pending.resolve(message);
  }

  /** The connection is over: whoever waits is told why. */
  fail(fault: Fault): void {
    this.#failed ??= fault;
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(fault);
    }
    this.#pending.clear();
  }

  #once(method: string, url: string, headers: Readonly<Record<string, string>>): Promise<RtspMessage> {
    if (this.#failed) return Promise.reject(this.#failed);
    if (this.#pending.size >= PENDING_MAX) return Promise.reject(captureFault('LR_RTSP_TIMEOUT', 'the camera leaves requests unanswered'));
    const text = this.#format(method, url, headers);
    const number = this.#sequence;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ANSWER_MS, () => {
        this.#pending.delete(number);
        reject(captureFault('LR_RTSP_TIMEOUT', `${method} was not answered within ${ANSWER_MS / 1000} s`));
      });
      this.#pending.set(number, { resolve, reject, timer });
      this.#write(text);
    });
  }

  #format(method: string, url: string, headers: Readonly<Record<string, string>>): string {
    this.#sequence += 1;
    const authorization = this.#auth.authorize(method, url);
    return formatRequest(method, url, {
      CSeq: String(this.#sequence),
      'User-Agent': 'Longroof',
      ...(this.session === undefined ? {} : { Session: this.session }),
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      ...headers,
    });
  }

  /** RFC 2326, 10.1 and 10.8: a server may ask too, most often to see whether we are there. */
  #answer(request: RtspMessage): void {
    const number = header(request, 'cseq');
    const known = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER', 'ANNOUNCE'].includes(request.method);
    const lines = [known ? 'RTSP/1.0 200 OK' : 'RTSP/1.0 501 Not Implemented'];
    if (number !== undefined && /^\d{1,10}$/.test(number)) lines.push(`CSeq: ${number}`);
    if (this.session !== undefined) lines.push(`Session: ${this.session}`);
    if (request.method === 'OPTIONS') lines.push('Public: OPTIONS, GET_PARAMETER, SET_PARAMETER');
    this.#write(`${lines.join('\r\n')}\r\n\r\n`);
  }
}
