/**
 * The board service over its Unix socket: its state, its events, and its requests to flush, which are answered when what they ask for is done.
 * The connection is tried again without end. Recording must outlive the board: when it has been away for a minute, `gone` says so.
 */
import net from 'node:net';
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import {
  type BoardEvent,
  type BoardState,
  boardLine,
  type FromBoard,
  LineCutter,
  parseFromBoard,
  type ToBoard,
} from '@longroof/protocol/board';

export interface BoardSink {
  state(state: BoardState): void;
  event(event: BoardEvent, on: boolean, atMonoMs: MonoMs): void;
  braking(peakMps2: number, atMonoMs: MonoMs): void;
  /** Resolves when all that was recorded is durable. */
  flush(): Promise<void>;
  /** Nothing has been heard of the board for a minute; its last wishes count no more. */
  gone(): void;
}

export interface BoardLinkOptions {
  /** Path of the socket. */
  path: string;
  clock: Clock;
  log: Log;
  sink: BoardSink;
  /** How many cameras record now. */
  recording: () => number;
}

const SILENCE_MS = 20_000;
const GONE_MS = 60_000;
const RECORDING_MS = 10_000;

export class BoardLink {
  readonly #options: BoardLinkOptions;
  readonly #backoff = new Backoff({ firstMs: 500, maxMs: 10_000 });
  readonly #timers: Timer[] = [];
  #retry: Timer | undefined;
  #socket: net.Socket | undefined;
  #heardMonoMs: MonoMs;
  #isGone = false;
  #stopped = false;

  constructor(options: BoardLinkOptions) {
    this.#options = options;
    this.#heardMonoMs = options.clock.mono();
  }

  start(): void {
    const { clock } = this.#options;
    this.#connect();
    this.#timers.push(clock.every(SILENCE_MS / 4, () => this.#watch()));
    this.#timers.push(clock.every(RECORDING_MS, () => this.#say({ type: 'recording', cameras: this.#options.recording() })));
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [...this.#timers, this.#retry]) timer?.cancel();
    this.#socket?.destroy();
  }

  #connect(): void {
    const { path, clock, log } = this.#options;
    const socket = net.connect(path);
    const cutter = new LineCutter();
    let why = 'it closed the connection';
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      this.#say({ type: 'hello', role: 'recorder' });
      this.#say({ type: 'recording', cameras: this.#options.recording() });
    });
    socket.on('data', (text: string) => {
      for (const line of cutter.cut(text)) this.#take(parseFromBoard(line));
    });
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      if (this.#stopped) return;
      const retryMs = this.#backoff.nextMs();
      // Once is news, the rest is patience.
      log[this.#backoff.failures === 1 ? 'warn' : 'debug']({ why, retryMs: Math.round(retryMs) }, 'the board service is not there');
      this.#retry = clock.after(retryMs, () => this.#connect());
    });
  }

  #watch(): void {
    const silentMs = this.#options.clock.mono() - this.#heardMonoMs;
    if (silentMs > SILENCE_MS) this.#socket?.destroy();
    if (silentMs <= GONE_MS || this.#isGone) return;
    this.#isGone = true;
    this.#options.sink.gone();
  }

  #take(message: FromBoard | undefined): void {
    if (!message) return;
    const { sink, log } = this.#options;
    this.#heardMonoMs = this.#options.clock.mono();
    this.#isGone = false;
    this.#backoff.reset();
    if (message.type === 'state') sink.state(message);
    if (message.type === 'event') sink.event(message.event, message.on, message.atMonoMs);
    if (message.type === 'braking') sink.braking(message.peakMps2, message.atMonoMs);
    if (message.type === 'flush') void this.#flush(message.id);
    if (message.type === 'refused') log.warn({ code: message.code }, `the board service refused: ${message.message}`);
  }

  /** An unanswered request runs into the board's own limit: nothing is said that is not so. */
  async #flush(id: number): Promise<void> {
    const { clock, log, sink } = this.#options;
    const fromMonoMs = clock.mono();
    try {
      await sink.flush();
      const tookMs = Math.round(clock.mono() - fromMonoMs);
      log.info({ tookMs }, 'flushed for the board');
      this.#say({ type: 'flushed', id, tookMs });
    } catch (error) {
      log.error({ error: toFault(error) }, 'could not flush for the board');
    }
  }

  #say(message: ToBoard): void {
    if (this.#socket?.readyState === 'open') this.#socket.write(boardLine(message));
  }
}
