/**
 * Holds a worker's partitions: beats, takes what is free, gives what is too much, and lets go of everything by itself when it could
 * not beat for most of a lease. No wall clock is compared: a worker is gone when its beat has stood still for a lease by our own
 * monotonic time, and it has stopped acting earlier by its own. The term in the database holds even where a process slept between.
 */
import type { Clock, MonoMs, Timer } from '@longroof/base/clock';
import { assert, Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { partition } from '@longroof/protocol/topics';
import type { Transaction } from 'kysely';
import type { PartitionedBroker } from '../broker/broker.js';
import type { IngestWorkerTable, Tables } from '../store/tables.js';
import type { Fence } from './fence.js';
import { decideLeases, type LeaseRow } from './lease-decision.js';
import type { LeaseTable } from './lease-table.js';

export const LEASE_MS = 15_000;
/** A beat comes so often within a lease; without one we let go at this share of it. */
const BEATS = 5;
const LAPSE_SHARE = 0.7;

export interface LeaseKeeperOptions {
  /** Of this worker alone, new with each start. */
  worker: string;
  table: Pick<LeaseTable, keyof LeaseTable>;
  broker: Pick<PartitionedBroker, 'hold' | 'drop'>;
  clock: Clock;
  log: Log;
  leaseMs?: number;
  /** After they became ours and before anything of them is heard. */
  taken: (parts: readonly string[]) => Promise<void>;
}

export class LeaseKeeper implements Fence {
  readonly #options: LeaseKeeperOptions;
  readonly #leaseMs: number;
  /** Terms under which we act. */
  readonly #held = new Map<string, number>();
  readonly #seen = new Map<string, { beat: number; monoMs: MonoMs }>();
  #timer: Timer | undefined;
  #lapse: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  /** What ends in its own time beside the beats: a slow disk must not cost us the rest. */
  readonly #ending = new Set<Promise<void>>();
  #giving = false;
  #beats = 0;
  #busy = false;
  #stopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    assert(1 / BEATS < LAPSE_SHARE / 2, 'a lease outlives a beat that is missed');
  }

  /** Partitions on which this worker acts now. */
  get held(): ReadonlySet<string> {
    return new Set(this.#held.keys());
  }

  async hold(trx: Transaction<Tables>, unit: string): Promise<void> {
    const { worker, table } = this.#options;
    const part = partition(unit);
    const term = this.#held.get(part);
    if (term !== undefined && (await table.holds(trx, { part, worker, term }))) return;
    // Found out by the table before the next beat: what still comes of it is not for us to answer.
    if (term !== undefined && this.#held.get(part) === term) this.#letGo([part]);
    throw new Fault('unavailable', 'LR_LEASE_LOST', `partition ${part} is another worker's now`);
  }

  async start(): Promise<void> {
    const { table, clock } = this.#options;
    await table.prepare();
    this.#timer = clock.every(this.#leaseMs / BEATS, () => this.#tick());
    this.#tick();
    await this.#running;
  }

  /** Gives everything back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#lapse?.cancel();
    await this.#running;
    const { table, worker } = this.#options;
    await Promise.all(this.#ending);
    try {
      await this.#give([...this.#held].map(([part, term]) => ({ part, worker, term })));
      await table.remove(worker);
    } catch (error) {
      this.#options.log.error({ error: toFault(error, 'give partitions back') }, 'partitions run out by themselves');
    }
  }

  #tick(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#running = this.#beat()
      .catch((error: unknown) => {
        this.#options.log.error({ error: toFault(error, 'renew partitions') }, 'partitions could not be renewed');
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  async #beat(): Promise<void> {
    const { table, worker, clock } = this.#options;
    const sentMs = clock.mono();
    this.#beats += 1;
    const { rows, workers } = await table.beat(worker, this.#beats);
    if (!this.#isFresh(sentMs)) return;
    this.#renewLapse(sentMs);
    const alive = this.#alive(workers);
    const steps = decideLeases({ self: worker, rows, alive, held: this.#held });
    this.#letGo(steps.drop);
    if (!this.#giving && steps.give.length > 0) {
      this.#giving = true;
      this.#beside(
        this.#give(steps.give).finally(() => {
          this.#giving = false;
        }),
      );
    }
    const taken = await table.take(worker, steps.take);
    if (this.#isFresh(sentMs)) await this.#keep(taken);
    for (const gone of workers) {
      const holds = rows.some((row) => row.worker === gone.worker && !taken.some(({ part }) => part === row.part));
      if (!alive.has(gone.worker) && !holds) await table.remove(gone.worker, gone.beat);
    }
  }

  /** Whether a beat that was sent then still stands for us. */
  #isFresh(sentMs: MonoMs): boolean {
    return this.#options.clock.mono() - sentMs < this.#leaseMs * LAPSE_SHARE;
  }

  #renewLapse(sentMs: MonoMs): void {
    const { clock, log } = this.#options;
    this.#lapse?.cancel();
    this.#lapse = clock.after(sentMs + this.#leaseMs * LAPSE_SHARE - clock.mono(), () => {
      if (this.#held.size === 0) return;
      log.error({ parts: this.#held.size }, 'partitions let go: the database could not be reached in time');
      this.#letGo([...this.#held.keys()]);
    });
  }

  #alive(workers: readonly IngestWorkerTable[]): Set<string> {
    const nowMs = this.#options.clock.mono();
    const alive = new Set<string>();
    for (const { worker, beat } of workers) {
      const seen = this.#seen.get(worker);
      if (seen?.beat !== beat) this.#seen.set(worker, { beat, monoMs: nowMs });
      if (seen?.beat !== beat || nowMs - seen.monoMs < this.#leaseMs) alive.add(worker);
    }
    for (const worker of this.#seen.keys()) if (!workers.some((row) => row.worker === worker)) this.#seen.delete(worker);
    return alive;
  }

  async #keep(rows: readonly LeaseRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { broker, taken, log } = this.#options;
    for (const { part, term } of rows) this.#held.set(part, term);
    const parts = rows.map(({ part }) => part);
    await taken(parts);
    broker.hold(parts.filter((part) => this.#held.has(part)));
    log.info({ parts: parts.length, held: this.#held.size }, 'partitions taken');
  }

  #beside(what: Promise<void>): void {
    const done = what
      .catch((error: unknown) => this.#options.log.error({ error: toFault(error, 'let go of partitions') }, 'they run out by themselves'))
      .finally(() => this.#ending.delete(done));
    this.#ending.add(done);
  }

  /** The fence closes first, then what was under way ends. */
  #letGo(parts: readonly string[]): void {
    if (parts.length === 0) return;
    for (const part of parts) this.#held.delete(part);
    this.#options.log.info({ parts: parts.length, held: this.#held.size }, 'partitions let go');
    this.#beside(this.#options.broker.drop(parts));
  }

  /** What is under way may still be written; then the fence closes. */
  async #give(rows: readonly LeaseRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { broker, table, log } = this.#options;
    await broker.drop(rows.map(({ part }) => part));
    for (const { part } of rows) this.#held.delete(part);
    await table.give(rows);
    log.info({ parts: rows.length, held: this.#held.size }, 'partitions given back');
  }
}
