/**
 * One connection's conversation: status, hello, welcome, then both lanes until it closes. What comes down is read with care and given
 * to whom it concerns; a message that is wrong is counted and, where it matters afterwards, reported to the journal, never fatal.
 */
import type { KeyObject } from 'node:crypto';
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { Clock, Timer } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { signerKeys } from '@longroof/protocol/certificates';
import {
  type AckMessage,
  type CheckpointReceipt,
  HELLO_CERTIFICATE_CHARS_MAX,
  type HelloMessage,
  type Signed,
} from '@longroof/protocol/messages';
import type { Down } from '@longroof/protocol/topics';
import type { Spool } from '../spool/spool.js';
import type { UplinkCounters } from './counters.js';
import type { Countersigned } from './countersigned.js';
import { readAck, readDesired, readReceipt } from './down.js';
import type { FootageLane } from './footage-lane.js';
import type { JournalLane } from './journal-lane.js';
import type { Line } from './link.js';
import type { LiveLane, LiveLine } from './live-lane.js';
import { checkReceipt, checkSignature, checkSigned, isStored } from './receipts.js';
import type { Reporter } from './reporter.js';

/** A hello may be lost where no controller hears the broker yet; one that only has to wait is not to be asked for again and again. */
const HELLO_AGAIN = { firstMs: 10_000, maxMs: 60_000 };
const DISK_RETRY_MS = 5_000;
/** Receipts whose release is being written; more of them wait in the connection. */
const RELEASES_MAX = 32;

/** Takes a desired state whose signer, unit and epoch are right. Throws `invalid` (LR_DESIRED_SHAPE). */
export interface DesiredReceiver {
  /** Highest generation accepted so far, kept through restarts. */
  generation(): number;
  desired(statement: Record<string, unknown>): void;
}

export interface SessionOptions {
  spool: Spool;
  clock: Clock;
  log: Log;
  counters: UplinkCounters;
  reporter: Reporter;
  journal: JournalLane;
  footage: FootageLane;
  live: LiveLane;
  /** Where countersigned checkpoints are kept; undefined where they are not. */
  countersigned: Countersigned | undefined;
  rootPem: string;
  /** By which this connection was made. */
  certificatePem: string;
  version: string;
  receiver: () => DesiredReceiver | undefined;
  onWelcome: () => void;
  /** Footage that an earlier store had may wait to be offered to this one. */
  onOffers: (storeEpoch: string) => void;
}

type Welcome = Extract<AckMessage, { what: 'welcome' }>;

export class Session {
  readonly #options: SessionOptions;
  #line: (Line & LiveLine) | undefined;
  #welcomed = false;
  #hello: Timer | undefined;
  #adopting: Timer | undefined;
  #storeEpoch: string | undefined;
  #receiptKeys: KeyObject[] = [];
  #desiredKeys: KeyObject[] = [];
  #journalRefused = false;
  #releases = 0;
  #releaseDone: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }

  /** After the subscription is granted and the status is out. */
  begin(line: Line & LiveLine): void {
    this.#line = line;
    this.#helloAgain(HELLO_AGAIN.firstMs);
  }

  close(): void {
    this.#line = undefined;
    this.#welcomed = false;
    this.#hello?.cancel();
    this.#adopting?.cancel();
    this.#options.journal.close();
    this.#options.live.close();
    this.#options.footage.close();
  }

  /** A message from the controller. A promise holds back the next one. */
  onMessage(down: Down, payload: Uint8Array): Promise<void> | undefined {
    try {
      if (down === 'ack') this.#onAck(readAck(payload));
      else if (down === 'desired') this.#onDesired(payload);
      else return this.#onReceipt(payload);
    } catch (error) {
      const fault = toFault(error, `down/${down}`);
      this.#options.counters.badMessages += 1;
      this.#options.log.warn({ down, error: fault }, 'a message of the controller was not accepted');
      if (down !== 'ack') this.#options.reporter.report(down === 'desired' ? 'desired-refused' : 'receipt-refused', fault.code);
    }
    return undefined;
  }

  #helloAgain(waitMs: number): void {
    this.#sayHello();
    this.#hello = this.#options.clock.after(waitMs, () => this.#helloAgain(Math.min(HELLO_AGAIN.maxMs, waitMs * 2)));
  }

  #sayHello(): void {
    const { spool, receiver, version, certificatePem } = this.#options;
    const { unit, epoch, run } = spool.identity;
    const position = spool.journalPosition();
    const hello: HelloMessage = {
      unit,
      epoch,
      run,
      version,
      generation: receiver()?.generation() ?? 0,
      journalNext: position.next,
      journalOldest: position.oldest,
      ...(certificatePem.length <= HELLO_CERTIFICATE_CHARS_MAX ? { certificate: certificatePem } : {}),
    };
    this.#line?.publish('hello', Buffer.from(canonicalJson(hello as unknown as Json)), 1);
  }

  #onAck(ack: AckMessage): void {
    const { spool, journal, footage, live, counters, log, reporter } = this.#options;
    if (ack.what === 'welcome') this.#onWelcome(ack);
    else if (ack.what === 'live') live.acknowledged(ack.handle, ack.offset);
    else if (ack.what === 'journal') {
      if (ack.epoch !== spool.identity.epoch || !journal.acknowledged(ack.next)) counters.badMessages += 1;
    } else if (ack.what !== 'refused' || ack.handle !== undefined) footage.acknowledged(ack);
    else {
      counters.refusals += 1;
      log.warn({ topic: ack.topic, code: ack.code, reason: ack.message, limit: ack.limit }, 'the controller refused a message');
      if (!ack.topic.endsWith('journal') || this.#journalRefused) return;
      // The report is itself in the journal: once a connection is enough.
      this.#journalRefused = true;
      reporter.report('journal-refused', ack.code);
    }
  }

  #onWelcome(welcome: Welcome): void {
    const line = this.#line;
    if (!line || this.#welcomed) return;
    const { clock, journal, live, log, onWelcome } = this.#options;
    this.#welcomed = true;
    this.#hello?.cancel();
    const utcMs = Math.max(clock.utc(), welcome.utcMs);
    this.#receiptKeys = this.#keys(welcome, 'receipt', utcMs);
    this.#desiredKeys = this.#keys(welcome, 'desired', utcMs);
    log.info({ storeEpoch: welcome.storeEpoch, journalNext: welcome.journalNext, creditBytes: welcome.creditBytes }, 'connected');
    journal.open(line, welcome.journalNext);
    live.open(line, welcome.creditBytes);
    this.#storeEpoch = welcome.storeEpoch;
    this.#adopt(line, welcome);
    onWelcome();
  }

  /** Footage goes out once it is durable which store's receipts count: until then none could be told from a void one. */
  #adopt(line: Line, welcome: Welcome): void {
    const { spool, footage, clock, log, onOffers } = this.#options;
    const { storeEpoch, journalNext, creditBytes } = welcome;
    spool.adoptStore(storeEpoch, journalNext).then(
      ({ changed, offers }) => {
        if (changed) log.warn({ storeEpoch }, 'the controller has another store: what it had released is pending again');
        if (this.#line !== line) return;
        if (this.#receiptKeys.length > 0) footage.open(line, creditBytes);
        if (offers) onOffers(storeEpoch);
      },
      (error: unknown) => {
        log.error({ error: toFault(error, 'adopt the store'), retryMs: DISK_RETRY_MS }, 'footage waits for the disk');
        if (this.#line !== line) return;
        this.#adopting = clock.after(DISK_RETRY_MS, () => this.#adopt(line, welcome));
      },
    );
  }

  /** None where the controller has shown none that holds: then no footage goes out that no receipt could free. */
  #keys(welcome: Welcome, usage: 'receipt' | 'desired', utcMs: number): KeyObject[] {
    try {
      return signerKeys(this.#options.rootPem, welcome.receiptCertificates, usage, utcMs);
    } catch (error) {
      const fault = toFault(error, `the controller's certificates for ${usage}`);
      this.#options.reporter.report(usage === 'receipt' ? 'receipt-refused' : 'desired-refused', fault.code);
      return [];
    }
  }

  #onDesired(payload: Uint8Array): void {
    const { spool, receiver, counters } = this.#options;
    const signed = readDesired(payload);
    try {
      const signature = checkSignature(signed, this.#desiredKeys);
      if (signature === 'other-key') throw new Fault('denied', 'LR_DESIRED_KEY', 'signed by a key that may not sign desired state');
      if (signature === 'wrong') throw new Fault('denied', 'LR_DESIRED_SIGNATURE', 'the signature of the desired state does not fit');
      const { unit, epoch } = signed.statement;
      if (unit !== spool.identity.unit || epoch !== spool.identity.epoch)
        throw new Fault('denied', 'LR_DESIRED_UNIT', 'a desired state for another unit or another life of the spool');
      receiver()?.desired(signed.statement);
    } catch (error) {
      counters.desiredRefused += 1;
      throw error;
    }
  }

  #onReceipt(payload: Uint8Array): Promise<void> | undefined {
    const { spool, footage } = this.#options;
    const signed = readReceipt(payload);
    if (!isStored(signed)) return this.#onCountersigned(signed);
    try {
      const receipt = checkReceipt(signed, this.#receiptKeys, spool.identity, this.#storeEpoch);
      this.#releases += 1;
      footage
        .receipt(receipt)
        .catch((error: unknown) => this.#wrongReceipt(receipt, toFault(error, 'release a fragment')))
        .finally(() => {
          this.#releases -= 1;
          this.#releaseDone?.();
          this.#releaseDone = undefined;
        });
    } catch (error) {
      this.#wrongReceipt(signed.statement, toFault(error, 'check a receipt'));
    }
    if (this.#releases < RELEASES_MAX) return undefined;
    return new Promise((resolve) => {
      this.#releaseDone = resolve;
    });
  }

  async #onCountersigned(signed: Signed<CheckpointReceipt>): Promise<void> {
    const { countersigned, counters, reporter, log } = this.#options;
    try {
      checkSigned(signed, this.#receiptKeys);
      if (await countersigned?.take(signed)) counters.checkpointsCountersigned += 1;
    } catch (error) {
      const fault = toFault(error, 'keep a countersigned checkpoint');
      log.warn({ seq: signed.statement.seq, error: fault }, 'a countersigned checkpoint was not kept');
      if (fault.kind !== 'denied') return;
      counters.receiptsRefused += 1;
      reporter.report('receipt-refused', fault.code);
    }
  }

  /** What failed on our own disk is asked for again in time; what was wrong with the receipt is reported. */
  #wrongReceipt(receipt: Parameters<Reporter['report']>[2] & object, fault: Fault): void {
    const { counters, reporter, footage, log } = this.#options;
    if (!fault.code.startsWith('LR_RECEIPT_')) {
      log.error({ error: fault }, 'a fragment could not be released; its receipt comes again');
      return;
    }
    counters.receiptsRefused += 1;
    reporter.report('receipt-refused', fault.code, receipt);
    footage.wrongReceipt(receipt, fault.code);
  }
}
