/**
 * One RTSP session of our own client: connects, plays, keeps alive, watches for silence, and ends once with a reason. All packets of
 * a read are used up before it returns.
 */
import type { MonoMs, Timer } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { CaptureOptions, CaptureSink } from '../engine.js';
import { captureFault } from '../faults.js';
import type { MediaAxis } from '../media-axis.js';
import { readSenderReport } from '../rtp/rtcp.js';
import { Authenticator } from '../rtsp/auth.js';
import { type InterleavedHandler, InterleavedReader } from '../rtsp/interleaved.js';
import type { RtspMessage } from '../rtsp/message.js';
import type { CameraUrl } from '../rtsp/url.js';
import type { SessionHooks } from '../runner.js';
import { type Prepared, play, prepare } from './handshake.js';
import type { ReadHub, Ticked } from './read-hub.js';
import { makeReceivers, type Receivers } from './receivers.js';
import { Requests } from './requests.js';
import { BatchedSocket, type SocketEvents } from './socket.js';

const CONNECT_MS = 10_000;
/** Read as it comes for so long: exact arrival times to begin with. */
const UNBATCHED_MS = 1000;
const KEY_FRAME_MS = 15_000;
/** A tick that comes later than this does not count as silence of the camera: it was we who slept. */
const TICK_GAP_MS_MAX = 500;

export interface SessionDeps {
  options: CaptureOptions;
  sink: CaptureSink;
  axis: MediaAxis;
  hub: ReadHub;
  clientNonce: () => string;
}

export type SessionEnd = { fault: Fault; redirect?: CameraUrl };

export class OwnSession implements InterleavedHandler, SocketEvents, Ticked {
  established = false;
  readonly #deps: SessionDeps;
  readonly #url: CameraUrl;
  readonly #hooks: SessionHooks;
  readonly #reader: InterleavedReader;
  readonly #requests: Requests;
  readonly #done: Promise<SessionEnd>;
  #finish: (end: SessionEnd) => void = () => undefined;
  #socket: BatchedSocket | undefined;
  #connectTimer: Timer | undefined;
  #prepared: Prepared | undefined;
  #receivers: Receivers | undefined;
  #redirect: CameraUrl | undefined;
  #readMonoMs: MonoMs = 0;
  #tickMonoMs: MonoMs = 0;
  #playMonoMs: MonoMs | undefined;
  #keepAliveMonoMs: MonoMs = 0;
  #keepAliveMethod = 'OPTIONS';
  #silentMs = 0;
  #packetsArrive = false;
  #noKeyFrame = false;

  constructor(url: CameraUrl, deps: SessionDeps, hooks: SessionHooks) {
    this.#url = url;
    this.#deps = deps;
    this.#hooks = hooks;
    this.#reader = new InterleavedReader(this);
    const { allowBasic } = deps.options;
    const auth = new Authenticator({ credentials: url.credentials, allowBasic, clientNonce: deps.clientNonce });
    this.#requests = new Requests(deps.hub.clock, auth, (text) => this.#socket?.write(text));
    this.#done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Bytes between packets that were no packets, so far. */
  get garbageBytes(): number {
    return this.#reader.garbageBytes;
  }

  run(): Promise<SessionEnd> {
    const { hub } = this.#deps;
    this.#connectTimer = hub.clock.after(CONNECT_MS, () =>
      this.end(captureFault('LR_RTSP_CONNECT', `no connection to the camera within ${CONNECT_MS / 1000} s`)),
    );
    this.#tickMonoMs = hub.clock.mono();
    this.#socket = new BatchedSocket(this.#url.host, this.#url.port, hub, this);
    hub.add(this);
    return this.#done;
  }

  /** Says good-bye where there is someone to say it to. */
  end(fault: Fault): void {
    if (this.#requests.session !== undefined && this.#prepared) this.#requests.sendLast('TEARDOWN', this.#prepared.aggregateUrl);
    this.#socket?.end(fault);
  }

  connected(): void {
    this.#connectTimer?.cancel();
    this.#begin().catch((error: unknown) => this.end(toFault(error, 'setting up the session')));
  }

  read(bytes: Buffer, length: number): void {
    this.#readMonoMs = this.#deps.hub.clock.mono();
    this.#reader.push(bytes, length);
  }

  ended(fault: Fault): void {
    this.#deps.hub.remove(this);
    this.#connectTimer?.cancel();
    this.#requests.fail(fault);
    let why = fault;
    try {
      this.#receivers?.audio?.end();
      this.#receivers?.video.end();
      if (this.#receivers?.output.started) this.#deps.sink.sessionEnded();
    } catch (error) {
      why = toFault(error, 'closing the session');
    }
    this.#finish(this.#redirect ? { fault: why, redirect: this.#redirect } : { fault: why });
  }

  tick(nowMonoMs: MonoMs): void {
    const elapsedMs = Math.min(TICK_GAP_MS_MAX, nowMonoMs - this.#tickMonoMs);
    this.#tickMonoMs = nowMonoMs;
    if (this.#playMonoMs === undefined) return;
    if (nowMonoMs - this.#playMonoMs >= UNBATCHED_MS) this.#socket?.batch();
    this.#silentMs += elapsedMs;
    if (this.#silentMs > this.#deps.options.stallMs) {
      this.end(captureFault('LR_RTSP_STALLED', `the camera has sent no video for ${this.#deps.options.stallMs} ms`));
      return;
    }
    this.#socket?.resume();
    if (nowMonoMs >= this.#keepAliveMonoMs) this.#keepAlive(nowMonoMs);
    if (!this.#noKeyFrame && this.#packetsArrive && !this.#receivers?.output.started && nowMonoMs - this.#playMonoMs > KEY_FRAME_MS) {
      this.#noKeyFrame = true;
      this.#hooks.trouble(captureFault('LR_CAPTURE_NO_KEY_FRAME', `no key frame within ${KEY_FRAME_MS / 1000} s; waiting for one`));
    }
  }

  packet(channel: number, bytes: Buffer, start: number, end: number): void {
    const receivers = this.#receivers;
    if (!receivers) return;
    const receiver = receivers.rtp[channel];
    if (receiver) {
      if (receiver === receivers.video) {
        this.#silentMs = 0;
        if (!this.#packetsArrive) {
          this.#packetsArrive = true;
          this.#hooks.playing();
        }
      }
      receiver.packet(bytes, start, end, this.#readMonoMs);
      return;
    }
    const reported = receivers.rtcp[channel];
    const report = reported ? readSenderReport(bytes, start, end) : undefined;
    if (report) reported?.takeReport(report);
  }

  takeRun(channel: number, bytes: Buffer, at: number, end: number): number {
    const receivers = this.#receivers;
    return receivers && receivers.rtp[channel] === receivers.video ? receivers.video.takeRun(channel, bytes, at, end) : at;
  }

  message(message: RtspMessage): void {
    this.established = true;
    this.#requests.take(message);
  }

  accepts(channel: number, bytes: Buffer, start: number, end: number): boolean {
    if (end === start) return true;
    if ((bytes[start] as number) >> 6 !== 2) return false;
    return end - start >= (this.#receivers?.rtp[channel] ? 12 : 4);
  }

  certain(channel: number, bytes: Buffer, start: number, length: number): boolean {
    const receiver = this.#receivers?.rtp[channel];
    if (receiver) return length >= 12 && receiver.owns(bytes, start);
    const type = bytes[start + 1] as number;
    const reports = this.#receivers?.rtcp[channel] !== undefined && type >= 200 && type <= 204;
    return reports && (bytes[start] as number) >> 6 === 2 && length >= 8 && length <= 1500 && length % 4 === 0;
  }

  async #begin(): Promise<void> {
    const { options, sink, axis, hub } = this.#deps;
    const prepared = await prepare(this.#requests, this.#url, options.audio);
    if ('redirect' in prepared) {
      this.#redirect = prepared.redirect;
      this.end(captureFault('LR_RTSP_REDIRECT', 'the camera redirects'));
      return;
    }
    this.#prepared = prepared;
    this.#keepAliveMethod = prepared.keepAliveMethod;
    this.#receivers = makeReceivers(prepared, sink, axis, this.#hooks.footage);
    await play(this.#requests, prepared.aggregateUrl);
    this.#playMonoMs = hub.clock.mono();
    this.#silentMs = 0;
    this.#planKeepAlive(this.#playMonoMs);
  }

  #planKeepAlive(nowMonoMs: MonoMs): void {
    this.#keepAliveMonoMs = nowMonoMs + ((this.#prepared?.sessionTimeoutS ?? 60) * 1000) / 2;
  }

  /** A sign of life that is not understood or not answered is no reason to stop while footage arrives: the next one is OPTIONS. */
  #keepAlive(nowMonoMs: MonoMs): void {
    this.#planKeepAlive(nowMonoMs);
    this.#requests.send(this.#keepAliveMethod, this.#prepared?.aggregateUrl ?? this.#url.wire).then(
      (response) => {
        if (response.status >= 400) this.#keepAliveMethod = 'OPTIONS';
        if (response.status === 454) this.end(captureFault('LR_RTSP_CLOSED', 'the camera has forgotten the session'));
      },
      (error: unknown) => {
        if (error instanceof Fault && error.kind === 'timeout') this.#keepAliveMethod = 'OPTIONS';
        else this.end(toFault(error, 'keeping the session alive'));
      },
    );
  }
}
