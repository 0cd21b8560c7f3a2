/**
 * Stands between ffmpeg and the camera on the loopback interface, so that ffmpeg never learns a password: it speaks to us without
 * one, we sign in to the camera by our own rules. One connection is let in, by an address that cannot be guessed. Packets pass as
 * they are; on the way losses are counted and sender reports noticed.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Fault, toFault } from '@longroof/base/errors';
import { captureFault } from '../faults.js';
import type { ReadHub } from '../own/read-hub.js';
import { Requests } from '../own/requests.js';
import { BatchedSocket, type SocketEvents } from '../own/socket.js';
import type { Authenticator } from '../rtsp/auth.js';
import { type InterleavedHandler, InterleavedReader } from '../rtsp/interleaved.js';
import { header, type RtspMessage } from '../rtsp/message.js';
import { type CameraUrl, controlUrl, redirectUrl } from '../rtsp/url.js';
import { LossWatch } from './loss-watch.js';
import { UrlMap } from './url-map.js';

const CONNECT_MS = 10_000;
/** What may wait for ffmpeg to take it in. */
const BACKLOG_BYTES_MAX = 32 * 1024 * 1024;
/** Ours to set, or about one leg of the way only. */
const OWN_HEADERS = new Set([
  'cseq',
  'authorization',
  'user-agent',
  'content-length',
  'www-authenticate',
  'content-base',
  'content-location',
]);

export interface RelayDeps {
  hub: ReadHub;
  auth: Authenticator;
  /** The connection to the camera or to ffmpeg ended; comes once. */
  ended: (fault: Fault) => void;
}

export type Described = { sdp: string } | { redirect: CameraUrl };

export class Relay implements SocketEvents, InterleavedHandler {
  established = false;
  readonly watch: LossWatch;
  readonly #url: CameraUrl;
  readonly #deps: RelayDeps;
  readonly #requests: Requests;
  readonly #reader = new InterleavedReader(this);
  readonly #token = randomBytes(16).toString('hex');
  #camera: BatchedSocket | undefined;
  #connected: () => void = () => undefined;
  #refused: (fault: Fault) => void = () => undefined;
  #described: RtspMessage | undefined;
  #listener: net.Server | undefined;
  #client: net.Socket | undefined;
  #urls: UrlMap | undefined;
  #over = false;
  /** Packets that came while PLAY was being answered: ffmpeg would leave out what it gets before the answer. */
  #early: Buffer[] | undefined;
  #earlyBytes = 0;

  constructor(url: CameraUrl, deps: RelayDeps) {
    this.#url = url;
    this.#deps = deps;
    this.watch = new LossWatch(deps.hub.clock);
    this.#requests = new Requests(deps.hub.clock, deps.auth, (text) => this.#camera?.write(text));
  }

  /** Connects to the camera and asks what it has. Throws a capture fault. */
  async describe(): Promise<Described> {
    const { hub } = this.#deps;
    const timer = hub.clock.after(CONNECT_MS, () =>
      this.end(captureFault('LR_RTSP_CONNECT', `no connection to the camera within ${CONNECT_MS / 1000} s`)),
    );
    await new Promise<void>((resolve, reject) => {
      this.#connected = resolve;
      this.#refused = reject;
      this.#camera = new BatchedSocket(this.#url.host, this.#url.port, hub, this);
    }).finally(() => timer.cancel());
    const described = await this.#requests.expect('DESCRIBE', this.#url.wire, { Accept: 'application/sdp' });
    if (described.status >= 300) return { redirect: redirectUrl(this.#url, header(described, 'location') ?? '') };
    this.#described = described;
    return { sdp: described.body };
  }

  /** Listens for ffmpeg; gives the address that it is to be told. */
  async listen(): Promise<string> {
    const listener = net.createServer((socket) => this.#accept(socket));
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Fault('internal', 'LR_INTERNAL', 'a listener without a port');
    this.#urls = new UrlMap(`rtsp://127.0.0.1:${address.port}/${this.#token}`);
    return this.#urls.toLocal(this.#url.wire);
  }

  end(fault: Fault): void {
    if (this.#camera) this.#camera.end(fault);
    else this.ended(fault);
  }

  connected(): void {
    this.#connected();
  }

  ended(fault: Fault): void {
    if (this.#over) return;
    this.#over = true;
    this.#refused(fault);
    this.#requests.fail(fault);
    this.#listener?.close();
    this.#client?.destroySoon();
    this.#deps.ended(fault);
  }

  read(bytes: Buffer, length: number): void {
    this.#client?.cork();
    this.#reader.push(bytes, length);
    this.#client?.uncork();
  }

  packet(channel: number, bytes: Buffer, start: number, end: number): void {
    this.watch.packet(channel, bytes, start, end);
    const client = this.#client;
    if (!client || client.destroyed) return;
    const copy = Buffer.from(bytes.subarray(start - 4, end));
    if (this.#early) {
      this.#earlyBytes += copy.length;
      this.#early.push(copy);
    } else client.write(copy);
    if (client.writableLength + this.#earlyBytes > BACKLOG_BYTES_MAX) throw captureFault('LR_FFMPEG_OUTPUT', 'ffmpeg takes nothing in');
  }

  message(message: RtspMessage): void {
    this.established = true;
    this.#requests.take(message);
  }

  accepts(_channel: number, bytes: Buffer, start: number, end: number): boolean {
    return end === start || (bytes[start] as number) >> 6 === 2;
  }

  certain(channel: number, bytes: Buffer, start: number): boolean {
    return this.watch.knows(channel, bytes, start);
  }

  #accept(socket: net.Socket): void {
    if (this.#client) {
      socket.destroy();
      return;
    }
    this.#client = socket;
    this.#listener?.close();
    socket.setNoDelay(true);
    const reader = new InterleavedReader({
      established: true,
      packet: (_channel, bytes, start, end) => this.#camera?.write(Buffer.from(bytes.subarray(start - 4, end))),
      message: (message) => void this.#pass(message).catch((error: unknown) => this.end(toFault(error, 'passing a request on'))),
      accepts: () => true,
      certain: () => false,
    });
    socket.on('data', (bytes) => {
      try {
        reader.push(bytes, bytes.length);
      } catch (error) {
        this.end(toFault(error, 'reading from ffmpeg'));
      }
    });
    socket.on('error', (error) => this.end(toFault(error, 'connection of ffmpeg')));
    socket.on('close', () => this.end(captureFault('LR_FFMPEG_EXIT', 'ffmpeg closed its connection')));
  }

  /** A request of ffmpeg to the camera and the answer back. */
  async #pass(request: RtspMessage): Promise<void> {
    const urls = this.#urls;
    if (!urls) return;
    const number = header(request, 'cseq') ?? '0';
    const target = urls.toCamera(request.target);
    if (target === undefined) {
      this.#reply(['RTSP/1.0 404 Not Found', `CSeq: ${number}`], '');
      return;
    }
    const headers: Record<string, string> = {};
    for (const [name, values] of request.headers) if (!OWN_HEADERS.has(name)) headers[name] = values.join(', ');
    // What it has to say was asked already.
    if (request.method === 'PLAY') this.#early = [];
    const known = request.method === 'DESCRIBE' && this.#described;
    const response = known || (await this.#requests.send(request.method, target, headers));
    const lines = [`RTSP/1.0 ${response.status} ${response.reason}`, `CSeq: ${number}`];
    for (const [name, values] of response.headers) {
      if (!OWN_HEADERS.has(name)) for (const value of values) lines.push(`${name}: ${urls.replace(value)}`);
    }
    const base = header(response, 'content-base') ?? header(response, 'content-location');
    if (base !== undefined && /^rtsp:/i.test(base)) lines.push(`Content-Base: ${urls.toLocal(controlUrl(target, base))}`);
    this.#reply(lines, urls.replace(response.body));
    for (const packet of this.#early ?? []) this.#client?.write(packet);
    this.#early = undefined;
    this.#earlyBytes = 0;
  }

  #reply(lines: string[], body: string): void {
    if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    this.#client?.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }
}
