/**
 * A unit of the fleet's bench: the agent's own chain with its checkpoints, and of its records only those that are not acknowledged, in
 * memory: a thousand units share this computer, whose disk is the centre's. It has no footage.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, type MonoMs, systemClock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { systemMemory } from '@longroof/edge-agent/capture/arena';
import { Chain, type DraftRecord } from '@longroof/edge-agent/journal/chain';
import type { DurableStream, Spool, SpoolStats } from '@longroof/edge-agent/spool/spool';
import { GENESIS_PREV, type JournalBodies, type JournalRecord, type JournalType, recordText } from '@longroof/protocol/journal';

const RUN = 1;
/** What a batch may have, as the agent's spool gives it. */
const RECORDS_MAX = 500;

type Drafts = readonly { type: JournalType; body: JournalBodies[JournalType] }[];

const unable = (): never => {
  throw new Fault('internal', 'LR_TEST', 'a unit without footage');
};

export class JournalSpool implements Spool {
  readonly identity;
  readonly memory = systemMemory;
  /** Milliseconds from the last hand-over of a batch to the connection until it was acknowledged. */
  onTrip: (ms: number) => void = () => undefined;
  #givenMonoMs: MonoMs | undefined;
  readonly #chain: Chain;
  readonly #clock: Clock;
  #unacknowledged: JournalRecord[] = [];
  readonly #listeners: ((next: number, urgent: boolean) => void)[] = [];

  constructor(unit: string, journalKeyPem: string, boot: string, clock: Clock = systemClock) {
    this.#clock = clock;
    this.identity = { unit, epoch: randomBytes(16).toString('hex'), run: RUN, boot };
    const { epoch } = this.identity;
    this.#chain = new Chain({ unit, epoch, run: RUN, journalKeyPem, next: 0, head: GENESIS_PREV, atMonoMs: clock.mono() });
  }

  get next(): number {
    return this.#chain.next;
  }

  get head(): string {
    return this.#chain.head;
  }

  get acknowledged(): number {
    return this.#unacknowledged[0]?.seq ?? this.#chain.next;
  }

  /** As the agent commits them: together, a checkpoint behind them where one is due, or wanted. */
  add(drafts: Drafts, options: { urgent?: boolean; checkpoint?: boolean } = {}): void {
    const monoMs = Math.round(this.#clock.mono());
    const wall = { utcMs: Math.round(this.#clock.utc()), source: 'gnss' as const, errorMs: 200 };
    const full = drafts.map(({ type, body }) => ({ monoMs, wall, type, body }) as DraftRecord);
    const due = options.checkpoint || this.#chain.checkpointDue(monoMs);
    const batch = this.#chain.encode(full, due ? { monoMs, wall } : undefined);
    this.#chain.adopt(batch);
    this.#unacknowledged.push(...batch.records);
    for (const listener of this.#listeners) listener(batch.next, options.urgent ?? false);
  }

  async record<T extends JournalType>(type: T, body: JournalBodies[T], options: { urgent?: boolean } = {}): Promise<number> {
    const seq = this.#chain.next;
    this.add([{ type, body }], options);
    return seq;
  }

  async journal(fromSeq: number, bytesMax: number): Promise<JournalRecord[]> {
    const some: JournalRecord[] = [];
    let bytes = 0;
    for (const record of this.#unacknowledged.slice(Math.max(0, fromSeq - this.acknowledged))) {
      bytes += recordText(record).length;
      if (some.length > 0 && (bytes > bytesMax || some.length >= RECORDS_MAX)) break;
      some.push(record);
    }
    if (some.length > 0) this.#givenMonoMs = this.#clock.mono();
    return some;
  }

  journalPosition(): { oldest: number; next: number } {
    return { oldest: this.acknowledged, next: this.#chain.next };
  }

  journalAcknowledged(next: number): void {
    const count = Math.min(this.#unacknowledged.length, Math.max(0, next - this.acknowledged));
    this.#unacknowledged = this.#unacknowledged.slice(count);
    if (count > 0 && this.#givenMonoMs !== undefined) this.onTrip(this.#clock.mono() - this.#givenMonoMs);
    if (count > 0) this.#givenMonoMs = undefined;
  }

  onJournal(listener: (next: number, urgent: boolean) => void): void {
    this.#listeners.push(listener);
  }

  onDurable(_listener: (streams: DurableStream[]) => void): void {}
  async adoptStore(): Promise<{ changed: boolean; offers: boolean }> {
    return { changed: false, offers: false };
  }
  noteCause(): void {}
  openStream(): void {}
  closeStream(): void {}
  noteClock(): void {}
  async voided(): Promise<{ fragments: []; next: undefined }> {
    return { fragments: [], next: undefined };
  }
  write = unable;
  named = unable;
  holds = unable;
  select = unable;
  unsent = unable;
  read = unable;
  init = unable;
  release = unable;
  hold = unable;
  releaseHold = unable;
  stats(): SpoolStats {
    return unable();
  }
  async close(): Promise<void> {}
}
