/**
 * The spool's real core without its thread, on a simulated clock: real reels, index and journal on a real disk, committed as often as the
 * test's clock says. What the worker does in the agent happens here in the same thread, so that a run is the same each time.
 */
import type { MonoMs, UtcMs } from '@longroof/base/clock';
import type { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { systemMemory } from '@longroof/edge-agent/capture/arena';
import type { BuiltFragment } from '@longroof/edge-agent/fragment/fragment';
import { openCore, type SpoolCore } from '@longroof/edge-agent/spool/core';
import { standingHolds } from '@longroof/edge-agent/spool/holds';
import type {
  DurableStream,
  FragmentRun,
  HoldRequest,
  Retention,
  Spool,
  SpoolStats,
  StoredFragment,
  Unsent,
} from '@longroof/edge-agent/spool/spool';
import { positionOf, Statistics } from '@longroof/edge-agent/spool/statistics';
import type { Rendition, StreamName, WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { JournalBodies, JournalType } from '@longroof/protocol/journal';
import type { ClockAnchor } from '@longroof/protocol/wall';

/** What has come waits so long for the commit that takes it along. */
const SOON_MS = 100;

export interface CoreSpoolOptions {
  clock: SimClock;
  path: string;
  unit: string;
  journalKeyPem: string;
  cameras: { camera: string; renditions: Rendition[] }[];
  quotaBytes?: number;
  retention?: Retention;
  /** Without news the core is asked to commit this often. */
  beatMs: number;
}

export class CoreSpool implements Spool {
  readonly core: SpoolCore;
  readonly memory = systemMemory;
  readonly #clock: SimClock;
  readonly #statistics: Statistics;
  readonly #durable: ((streams: DurableStream[]) => void)[] = [];
  readonly #journal: ((next: number, urgent: boolean) => void)[] = [];
  readonly #beat;
  #soon: { cancel(): void } | undefined;
  #dead = false;

  constructor(options: CoreSpoolOptions) {
    const { clock, path, unit, journalKeyPem, cameras, quotaBytes = 2 ** 30, beatMs } = options;
    const retention = options.retention ?? { originalMs: 7 * 86_400_000, proxyMs: 30 * 86_400_000 };
    const fixed = { disk: systemDisk, boot: 'boot-1', version: '0.1.0', configSha256: '0'.repeat(64) };
    this.core = openCore({ path, unit, journalKeyPem, cameras, quotaBytes, retention, clock, ...fixed });
    this.#clock = clock;
    this.#statistics = new Statistics(this.core.state);
    this.#beat = clock.every(beatMs, () => this.commit());
  }

  get identity() {
    return this.core.identity;
  }

  commit(): void {
    if (this.#dead) return;
    this.#soon?.cancel();
    this.#soon = undefined;
    const { durable, journal } = this.core.commit({ force: true });
    if (durable.length > 0) for (const listener of this.#durable) listener(durable);
    if (journal) for (const listener of this.#journal) listener(journal.next, journal.urgent);
  }

  #commitSoon(): void {
    this.#soon ??= this.#clock.after(SOON_MS, () => this.commit());
  }

  #answered<T>(ask: (settled: (value: T | Fault) => void) => void): Promise<T> {
    if (this.#dead) return Promise.reject(new Fault('unavailable', 'LR_SPOOL_WORKER', 'killed'));
    this.#commitSoon();
    return new Promise((resolve, reject) => {
      ask((value) => (value instanceof Fault ? reject(value) : resolve(value)));
    });
  }

  async #now<T>(read: () => T): Promise<T> {
    if (this.#dead) throw new Fault('unavailable', 'LR_SPOOL_WORKER', 'killed');
    return read();
  }

  /** As a kill: nothing more is written. */
  abandon(): void {
    this.#dead = true;
    this.#beat.cancel();
    this.#soon?.cancel();
    this.core.abandon();
  }

  write(fragment: BuiltFragment, wall: WallClaim): boolean {
    return this.core.write(fragment, wall);
  }
  noteCause(stream: StreamName, cause: GapCause, atMonoMs: MonoMs, detail?: string): void {
    this.core.noteCause(stream, cause, atMonoMs, detail);
  }
  openStream(stream: StreamName): void {
    this.core.openStream(stream);
  }
  closeStream(stream: StreamName, cause: GapCause): void {
    this.core.closeStream(stream, cause);
  }
  noteClock(anchor: ClockAnchor): void {
    this.core.noteClock(anchor);
  }
  record<T extends JournalType>(type: T, body: JournalBodies[T], options: { urgent?: boolean } = {}): Promise<number> {
    return this.#answered((settled) => this.core.record(type, body, options.urgent ?? false, settled));
  }
  journal(fromSeq: number, maxBytes: number) {
    return this.#now(() => this.core.journal(fromSeq, maxBytes));
  }
  journalPosition() {
    return positionOf(this.core.state);
  }
  journalAcknowledged(next: number): void {
    if (!this.#dead) this.core.acknowledged(next);
  }
  select(streams: StreamName[], fromUtcMs: UtcMs, toUtcMs: UtcMs) {
    return this.#now(() => this.core.select(streams, fromUtcMs, toUtcMs));
  }
  named(names: FragmentRun) {
    return this.#now(() => this.core.named(names));
  }
  read(fragment: StoredFragment, into?: Buffer) {
    return this.#now(() => this.core.read(fragment, into));
  }
  init(initSha256: string) {
    return this.#now(() => this.core.init(initSha256));
  }
  release(id: Parameters<Spool['release']>[0]): Promise<boolean> {
    return this.#answered((settled) => this.core.release(id, settled));
  }
  adoptStore(storeEpoch: string, journalNext: number): ReturnType<Spool['adoptStore']> {
    return this.#answered((settled) => this.core.adoptStore(storeEpoch, journalNext, settled));
  }
  voided(afterReel: number) {
    return this.#now(() => this.core.voided(afterReel));
  }
  unsent(what: Unsent, beforeReel?: number) {
    return this.#now(() => this.core.unsent(what, beforeReel));
  }
  hold(request: HoldRequest): ReturnType<Spool['hold']> {
    return this.#answered((settled) => this.core.hold(request, settled));
  }
  releaseHold(holdId: string): Promise<boolean> {
    return this.#answered((settled) => this.core.releaseHold(holdId, settled));
  }
  holds() {
    return this.#now(() => standingHolds(this.core.state));
  }
  stats(): SpoolStats {
    return { ...this.#statistics.read(), queuedBytes: 0 };
  }
  onDurable(listener: (streams: DurableStream[]) => void): void {
    this.#durable.push(listener);
  }
  onJournal(listener: (next: number, urgent: boolean) => void): void {
    this.#journal.push(listener);
  }
  async close(): Promise<void> {
    this.#beat.cancel();
    this.#soon?.cancel();
    this.core.close();
  }
}
