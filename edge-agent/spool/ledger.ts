/**
 * Records on their way to the journal: drafted at any time, numbered and made durable together at a commit, then handed to the
 * index. Until the index has them they stay here, so that a failed commit is simply tried again.
 */
import type { MonoMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { WallClaim } from '@longroof/protocol/fragment';
import type { JournalBodies, JournalRecord, JournalType } from '@longroof/protocol/journal';
import { type Chain, checkDraft, type DraftRecord } from '../journal/chain.js';
import type { JournalLog } from '../journal/log.js';

export const DRAFTS_MAX = 8192;
/** So many drafts go into one batch at most. */
const BATCH_RECORDS = 2000;

export type Settled = (outcome: number | Fault) => void;

interface Waiting {
  draft: DraftRecord;
  urgent: boolean;
  settled: Settled | undefined;
}

interface Unapplied {
  record: JournalRecord;
  urgent: boolean;
  settled: Settled | undefined;
}

export class Ledger {
  readonly #chain: Chain;
  readonly #log: JournalLog;
  readonly #now: () => { monoMs: MonoMs; wall: WallClaim };
  #drafts: Waiting[] = [];
  #unapplied: Unapplied[] = [];
  #flushedBytes = 0;

  constructor(chain: Chain, log: JournalLog, now: () => { monoMs: MonoMs; wall: WallClaim }) {
    this.#chain = chain;
    this.#log = log;
    this.#now = now;
  }

  get hasUrgent(): boolean {
    return this.#drafts.some((waiting) => waiting.urgent) || this.#unapplied.some((waiting) => waiting.urgent);
  }

  get isEmpty(): boolean {
    return this.#drafts.length === 0 && this.#unapplied.length === 0;
  }

  get head(): string {
    return this.#chain.head;
  }

  get next(): number {
    return this.#chain.next;
  }

  /** Bytes of records written since the last call. */
  takeFlushedBytes(): number {
    const bytes = this.#flushedBytes;
    this.#flushedBytes = 0;
    return bytes;
  }

  /** The spool's own records are always taken; others only while there is room. Throws LR_JOURNAL_QUEUE, LR_JOURNAL_BODY. */
  add<T extends JournalType>(type: T, body: JournalBodies[T], options: { urgent?: boolean; own?: boolean; settled?: Settled } = {}): void {
    if (!options.own && this.#drafts.length >= DRAFTS_MAX)
      throw new Fault('full', 'LR_JOURNAL_QUEUE', `journal: ${this.#drafts.length} records wait for the disk`);
    const draft: DraftRecord<T> = { ...this.#now(), type, body };
    checkDraft(draft);
    this.#drafts.push({ draft, urgent: options.urgent ?? false, settled: options.settled });
  }

  /** Makes drafts durable. Throws what the disk throws; nothing is lost by it. */
  flush(options: { closing: boolean }): void {
    while (this.#drafts.length > 0 || this.#wantsCheckpoint(options.closing)) {
      const taken = this.#drafts.slice(0, BATCH_RECORDS);
      const isLast = taken.length === this.#drafts.length;
      const sign = isLast && (options.closing || this.#chain.checkpointDue(this.#now().monoMs) || taken.some(endsPull));
      const batch = this.#chain.encode(
        taken.map((waiting) => waiting.draft),
        sign ? this.#now() : undefined,
      );
      this.#log.append(batch.bytes, batch.next);
      this.#chain.adopt(batch);
      this.#flushedBytes += batch.bytes.length;
      this.#drafts.splice(0, taken.length);
      for (const [index, record] of batch.records.entries()) {
        const waiting = taken[index];
        this.#unapplied.push({ record, urgent: waiting?.urgent ?? false, settled: waiting?.settled });
      }
    }
  }

  #wantsCheckpoint(closing: boolean): boolean {
    return closing ? this.#chain.open : this.#chain.checkpointDue(this.#now().monoMs);
  }

  /** Durable records that the index does not have yet. */
  unapplied(): JournalRecord[] {
    return this.#unapplied.map((item) => item.record);
  }

  /** The index has them: tells those who wait. Undefined when there were none. */
  applied(): { next: number; urgent: boolean } | undefined {
    const done = this.#unapplied;
    this.#unapplied = [];
    for (const item of done) item.settled?.(item.record.seq);
    return done.length > 0 ? { next: this.#chain.next, urgent: done.some((item) => item.urgent) } : undefined;
  }

  /** The spool closes and cannot write: those who wait are told. */
  abandon(fault: Fault): void {
    for (const waiting of [...this.#drafts, ...this.#unapplied]) waiting.settled?.(fault);
    this.#drafts = [];
    this.#unapplied = [];
  }
}

/** What became of a pull is signed at once: whoever exports it need not wait for the next checkpoint. */
function endsPull({ draft }: { draft: DraftRecord }): boolean {
  return draft.type === 'done' && (draft.body as JournalBodies['done']).state !== 'planned';
}
