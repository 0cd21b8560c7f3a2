/**
 * The journal lane: every record, in order, to the controller, one batch under way at a time. Urgent records go at once, the others
 * are gathered for up to 30 s. A batch that is not acknowledged within 30 s goes again; only an acknowledgement moves on.
 */
import type { Clock, Timer } from '@longroof/base/clock';
import { assert, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX, encodeBatch, type JournalRecord, recordHash } from '@longroof/protocol/journal';
import type { Spool } from '../spool/spool.js';
import type { UplinkCounters } from './counters.js';
import type { Line } from './link.js';

const GATHER_MS = 30_000;
const RESEND_MS = 30_000;
const DISK_RETRY_MS = 5_000;
/** Of text; gzip takes it to a fraction, and what does not shrink is halved until it fits. */
const BATCH_TEXT_BYTES = 128 * 1024;

export interface JournalLaneOptions {
  spool: Spool;
  clock: Clock;
  log: Log;
  counters: UplinkCounters;
  /** Called whenever footage may have been let go on. */
  onIdle: () => void;
}

export class JournalLane {
  readonly #options: JournalLaneOptions;
  #line: Line | undefined;
  /** Seq that goes next. */
  #next = 0;
  /** Everything below has to go now. */
  #dueBelow = 0;
  #underWay = false;
  #reading = false;
  #held = false;
  #gather: Timer | undefined;
  #resend: Timer | undefined;

  constructor(options: JournalLaneOptions) {
    this.#options = options;
    options.spool.onJournal((next, urgent) => this.#appended(next, urgent));
  }

  /** True while a batch is due that has not been handed to the connection: footage waits for it. */
  get unsent(): boolean {
    return this.#line !== undefined && !this.#underWay && !this.#held && this.#next < this.#dueBelow;
  }

  /** The controller has everything below `next` of this epoch; what it cannot have is sent from the oldest that is left. */
  open(line: Line, next: number): void {
    const position = this.#options.spool.journalPosition();
    this.close();
    this.#line = line;
    this.#next = Math.min(Math.max(next, position.oldest), position.next);
    this.#dueBelow = position.next;
    this.#send();
  }

  close(): void {
    this.#line = undefined;
    this.#settle();
    this.#gather?.cancel();
    this.#gather = undefined;
  }

  /** False when the acknowledgement is none that we can have asked for. */
  acknowledged(next: number): boolean {
    const position = this.#options.spool.journalPosition();
    if (!this.#line || next > position.next) return false;
    this.#settle();
    this.#options.spool.journalAcknowledged(next);
    this.#next = Math.max(next, position.oldest);
    this.#send();
    this.#options.onIdle();
    return true;
  }

  #settle(): void {
    this.#underWay = false;
    this.#held = false;
    this.#resend?.cancel();
    this.#resend = undefined;
  }

  #appended(next: number, urgent: boolean): void {
    if (!this.#line) return;
    if (urgent) this.#due(next);
    else
      this.#gather ??= this.#options.clock.after(GATHER_MS, () => {
        this.#gather = undefined;
        this.#due(this.#options.spool.journalPosition().next);
      });
  }

  #due(below: number): void {
    this.#dueBelow = Math.max(this.#dueBelow, below);
    this.#send();
  }

  #send(): void {
    if (!this.unsent || this.#reading) return;
    this.#reading = true;
    const line = this.#line;
    const from = this.#next;
    this.#options.spool.journal(from, BATCH_TEXT_BYTES).then(
      (records) => {
        this.#reading = false;
        if (this.#line === line && line && this.#next === from && !this.#underWay) this.#publish(line, records);
        else this.#send();
      },
      (error: unknown) => {
        this.#reading = false;
        const { log } = this.#options;
        log.warn({ error: toFault(error, 'read the journal'), retryMs: DISK_RETRY_MS }, 'the journal cannot be read');
        this.#hold(DISK_RETRY_MS);
      },
    );
  }

  #publish(line: Line, records: JournalRecord[]): void {
    if (records.length === 0) {
      this.#dueBelow = this.#next;
      this.#options.onIdle();
      return;
    }
    const { counters, spool, clock } = this.#options;
    const { message, count } = encodeThatFits(spool.identity.epoch, records);
    line.publish('journal', message, 1);
    counters.journalSent += count;
    counters.journalBatches += 1;
    counters.bytesSent += message.length;
    this.#underWay = true;
    this.#resend?.cancel();
    this.#resend = clock.after(RESEND_MS, () => {
      counters.journalResent += 1;
      this.#settle();
      this.#send();
    });
    this.#options.onIdle();
  }

  /** Lets footage go on while the disk has no journal to give. */
  #hold(ms: number): void {
    if (!this.#line) return;
    this.#held = true;
    this.#resend?.cancel();
    this.#resend = this.#options.clock.after(ms, () => {
      this.#settle();
      this.#send();
    });
    this.#options.onIdle();
  }
}

/** As many of the records, from the first on, as one message carries. */
export function encodeThatFits(epoch: string, records: readonly JournalRecord[]): { message: Buffer; count: number } {
  let count = Math.min(records.length, BATCH_RECORDS_MAX);
  for (;;) {
    const some = records.slice(0, count);
    const last = some.at(-1);
    assert(last, 'a record fits a journal message');
    const message = encodeBatch({ epoch, records: some, head: recordHash(last) });
    if (message.length <= BATCH_BYTES_MAX) return { message, count };
    count = Math.floor(count / 2);
  }
}
