/** The spool on the agent's side of the thread: queues towards the worker within a bound, and answers from what the worker last said. */
import type { Worker } from 'node:worker_threads';
import type { Clock, MonoMs, Timer, UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { type FragmentMeta, type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { JournalBodies, JournalRecord, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';
import type { BuiltFragment } from '../fragment/fragment.js';
import { Calls } from './calls.js';
import { MemoryPool } from './memory-pool.js';
import { asBuffer, type Call, type FromWorker, type JournalPosition, nameOf, type ToWorker, type WorkerStats } from './messages.js';
import { movable } from './movable.js';
import type {
  DurableStream,
  FragmentRun,
  HoldRequest,
  Selection,
  Spool,
  SpoolIdentity,
  SpoolStats,
  StandingHold,
  StoreAdopted,
  StoredFragment,
  Unsent,
  Voided,
} from './spool.js';

/** Footage on its way to the worker; about three seconds of sixteen busy streams on a stalled disk. */
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** A commit follows footage at once, but so often at most, an urgent record always; what else changed waits so long at most. */
const TICK_MS_MIN = 100;
const TICK_MS = 250;
/** Nothing new, and a sign of life all the same. */
const IDLE_TICK_MS = 1000;
const CLOSE_MS_MAX = 10_000;

export class SpoolClient implements Spool {
  readonly identity: SpoolIdentity;
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #queued: Int32Array;
  readonly #calls = new Calls();
  readonly #durable: ((streams: DurableStream[]) => void)[] = [];
  readonly #journal: ((next: number, urgent: boolean) => void)[] = [];
  /** The init segment that the worker has, per stream. */
  readonly #inits = new Map<string, string>();
  readonly memory = new MemoryPool();
  readonly #ticks: Timer;
  #isTicking = false;
  #tickIsDue = false;
  #tickedMonoMs: MonoMs = Number.NEGATIVE_INFINITY;
  /** The worker was told something since the last tick. */
  #hasNews = false;
  /** A record waits for the next tick that should not wait. */
  #isUrgent = false;
  #position: JournalPosition;
  #stats: WorkerStats;
  #gone: Fault | undefined;

  constructor(
    worker: Worker,
    ready: Extract<FromWorker, { kind: 'ready' }>,
    options: { clock: Clock; log: Log; queued: SharedArrayBuffer },
  ) {
    this.identity = ready.identity;
    this.#worker = worker;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#queued = new Int32Array(options.queued);
    this.#position = ready.position;
    this.#stats = ready.stats;
    worker.on('message', (message: FromWorker) => this.#take(message));
    worker.on('error', (error) => this.#lost(error));
    worker.on('exit', (code) => this.#lost(new Error(`exit code ${code}`)));
    this.#ticks = options.clock.every(TICK_MS, () => this.#tick(this.#hasNews ? TICK_MS_MIN : IDLE_TICK_MS));
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    if (this.#gone) return;
    this.#hasNews = true;
    this.#worker.postMessage(message, transfer);
  }

  /** One tick is under way at most: a stalled worker is not buried under them. */
  #tick(msSinceLastMin: number): void {
    if (this.#isTicking || this.#gone) return;
    const monoMs = this.#clock.mono();
    if (monoMs - this.#tickedMonoMs < msSinceLastMin) return;
    this.#isTicking = true;
    this.#tickedMonoMs = monoMs;
    this.#post({ kind: 'tick', monoMs });
    this.#hasNews = false;
    this.#isUrgent = false;
  }

  /** Behind all the footage of this turn of the loop. */
  #tickSoon(isUrgent = false): void {
    this.#isUrgent ||= isUrgent;
    if (this.#tickIsDue) return;
    this.#tickIsDue = true;
    queueMicrotask(() => {
      this.#tickIsDue = false;
      this.#tick(this.#isUrgent ? 0 : TICK_MS_MIN);
    });
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case 'ticked': {
        this.#isTicking = false;
        if (this.#isUrgent) this.#tickSoon();
        this.#position = message.position;
        this.memory.returned(message.returned);
        if (message.stats.state !== this.#stats.state)
          this.#log.warn({ state: message.stats.state, before: this.#stats.state }, 'the state of the spool changed');
        this.#stats = message.stats;
        for (const outcome of message.settled) this.#calls.settle(outcome);
        if (message.durable.length > 0) for (const listener of this.#durable) listener(message.durable);
        if (message.journal) for (const listener of this.#journal) listener(message.journal.next, message.journal.urgent);
        return;
      }
      case 'result':
      case 'failed':
        this.#calls.settle(message);
    }
  }

  #lost(error: Error): void {
    if (this.#gone) return;
    this.#gone = new Fault('unavailable', 'LR_SPOOL_WORKER', `the spool's worker ended: ${error.message}`, { cause: error });
    this.#ticks.cancel();
    this.#stats = { ...this.#stats, state: 'failing' };
    this.#calls.end(this.#gone);
    this.#log.error({ error: this.#gone }, 'the spool has stopped');
  }

  #call<T>(call: Call): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone);
    return this.#calls.ask<T>((id) => this.#post({ kind: 'call', id, call }));
  }

  write(fragment: BuiltFragment, wall: WallClaim): boolean {
    const { meta, init } = fragment;
    const bytes = fragment.parts.reduce((sum, part) => sum + part.length, 0);
    const queuedBytes = Atomics.load(this.#queued, 0);
    const isFull = queuedBytes > 0 && queuedBytes + bytes > QUEUE_BYTES_MAX;
    if (this.#gone || isFull) {
      this.noteCause(meta, 'disk-slow', meta.startMonoMs);
      for (const part of fragment.parts) this.memory.give(part);
      return false;
    }
    const stream = streamText(meta);
    const isKnown = this.#inits.get(stream) === init.sha256;
    const { parts, transfer } = movable(fragment.parts);
    Atomics.add(this.#queued, 0, bytes);
    const lent = this.memory.lend(parts);
    this.#post({ kind: 'fragment', meta, wall, parts, lent, init: isKnown ? undefined : init.bytes }, transfer);
    this.#inits.set(stream, init.sha256);
    this.#tickSoon();
    return true;
  }

  noteCause(stream: StreamName, cause: GapCause, atMonoMs: MonoMs, detail?: string): void {
    this.#post({ kind: 'cause', stream: nameOf(stream), cause, atMonoMs, detail });
  }

  openStream(stream: StreamName): void {
    this.#post({ kind: 'open', stream: nameOf(stream), atMonoMs: this.#clock.mono() });
  }

  closeStream(stream: StreamName, cause: GapCause): void {
    this.#post({ kind: 'close', stream: nameOf(stream), cause, atMonoMs: this.#clock.mono() });
  }

  noteClock(anchor: ClockAnchor): void {
    this.#post({ kind: 'clock', anchor });
  }

  record<T extends JournalType>(type: T, body: JournalBodies[T], { urgent = false }: { urgent?: boolean } = {}): Promise<number> {
    if (urgent) this.#tickSoon(true);
    return this.#call({ what: 'record', type, body, urgent });
  }

  journal(fromSeq: number, maxBytes: number): Promise<JournalRecord[]> {
    return this.#call({ what: 'journal', fromSeq, bytesMax: maxBytes });
  }

  journalPosition(): JournalPosition {
    return this.#position;
  }

  journalAcknowledged(next: number): void {
    this.#post({ kind: 'acknowledged', next });
  }

  select(streams: StreamName[], fromUtcMs: UtcMs, toUtcMs: UtcMs): Promise<Selection> {
    return this.#call({ what: 'select', streams: streams.map(nameOf), fromUtcMs, toUtcMs });
  }

  named({ run, seqFirst, seqLast, ...stream }: FragmentRun): Promise<StoredFragment[]> {
    return this.#call({ what: 'named', names: { ...nameOf(stream), run, seqFirst, seqLast } });
  }

  async read(fragment: StoredFragment, memory?: Buffer): Promise<Buffer> {
    const into = memory?.buffer instanceof SharedArrayBuffer ? memory : undefined;
    const bytes = await this.#call<Uint8Array>({ what: 'read', fragment, into });
    return into?.subarray(0, bytes.length) ?? asBuffer(bytes);
  }

  async init(initSha256: string): Promise<Buffer | undefined> {
    const bytes = await this.#call<Uint8Array | undefined>({ what: 'init', initSha256 });
    return bytes && asBuffer(bytes);
  }

  release(id: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq' | 'sha256'>): Promise<boolean> {
    const { camera, rendition, run, seq, sha256 } = id;
    return this.#call({ what: 'release', id: { camera, rendition, run, seq, sha256 } });
  }

  adoptStore(storeEpoch: string, journalNext: number): Promise<StoreAdopted> {
    return this.#call({ what: 'adoptStore', storeEpoch, journalNext });
  }

  voided(afterReel: number): Promise<Voided> {
    return this.#call({ what: 'voided', afterReel });
  }

  unsent(of: Unsent, beforeReel?: number): Promise<Voided> {
    return this.#call({ what: 'unsent', of, beforeReel });
  }

  hold(request: HoldRequest): Promise<{ placed: boolean; bytes: number; reason?: string }> {
    return this.#call({ what: 'hold', request });
  }

  releaseHold(holdId: string): Promise<boolean> {
    return this.#call({ what: 'releaseHold', holdId });
  }

  holds(): Promise<StandingHold[]> {
    return this.#call({ what: 'holds' });
  }

  stats(): SpoolStats {
    return { ...this.#stats, queuedBytes: Atomics.load(this.#queued, 0) };
  }

  onDurable(listener: (streams: DurableStream[]) => void): void {
    this.#durable.push(listener);
  }

  onJournal(listener: (next: number, urgent: boolean) => void): void {
    this.#journal.push(listener);
  }

  /** Throws the disk's fault where the last of it could not be written. */
  async close(): Promise<void> {
    if (this.#gone) return;
    this.#ticks.cancel();
    const stop = new AbortController();
    const late = this.#clock.sleep(CLOSE_MS_MAX, stop.signal).then(
      () => new Fault('timeout', 'LR_SPOOL_CLOSE', 'the disk did not take the last of the footage in time'),
      () => undefined,
    );
    try {
      const fault = await Promise.race([this.#call<null>({ what: 'close' }), late]);
      if (fault) throw fault;
    } finally {
      stop.abort();
      this.#gone ??= new Fault('cancelled', 'LR_CANCELLED', 'the spool is closed');
      this.#calls.end(this.#gone);
      await this.#worker.terminate();
    }
  }
}
