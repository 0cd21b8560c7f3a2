/**
 * The footage lane: fragments, best priority first, each as a manifest and its chunks, within the window. Only a verified receipt
 * ends one well; whatever else happens it is sent again. In memory is at most the window and one fragment: the rest is read from the
 * spool when its turn comes. It outlives connections: what was under way goes back to the queue. A better claim goes before what is
 * under way as soon as the window lets anything go, and that goes on afterwards where it was; what may not go over this link waits.
 */

import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { CHUNK_HEADER_BYTES } from '@longroof/protocol/chunk';
import type { Rendition } from '@longroof/protocol/fragment';
import type { AckMessage, ManifestMessage, StoredReceipt } from '@longroof/protocol/messages';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { arrived, type Connection, flightOf, isOpeningBetter, nextToSend, openHandles } from './connection.js';
import type { UplinkCounters } from './counters.js';
import { Flight } from './flight.js';
import { type Entry, FragmentQueue, fragmentKey, type Outcome } from './fragment-queue.js';
import type { Line } from './link.js';
import { MessagePool } from './message-pool.js';
import { type Claim, claimOf, goesBefore } from './priority.js';
import { checkReceiptBytes } from './receipts.js';
import type { Reporter } from './reporter.js';
import { Window } from './window.js';

/** The controller keeps no more open for one unit. */
const HANDLES_MAX = 8;
const STALL_MS = 30_000;
/** Without a sign of life this long the connection is given up. */
const SILENCE_MS = 90_000;
const PROBE_MS = 5_000;
const TICK_MS = 1_000;
/** Chunks behind a hole each make the controller ask again; within this time that is one request. */
const REWIND_ONCE_MS = 1_000;
const WRONG_RECEIPTS_MAX = 3;

export interface FootageLaneOptions {
  spool: Spool;
  clock: Clock;
  counters: UplinkCounters;
  reporter: Reporter;
  /** The lanes in front have something to send. */
  journalUnsent: () => boolean;
  /** Whether it may go over the link of now. */
  allows?: (claim: Claim, rendition: Rendition) => boolean;
  /** Counts what has gone: called before each chunk. */
  count?: () => void;
  /** Nothing has come back for 90 s though footage is under way. */
  onSilence: () => void;
}

export class FootageLane {
  readonly #options: FootageLaneOptions;
  readonly #queue = new FragmentQueue();
  #connection: Connection | undefined;

  constructor(options: FootageLaneOptions) {
    this.#options = options;
  }

  /** Bytes sent and not acknowledged. */
  get underWayBytes(): number {
    let bytes = 0;
    for (const flight of this.#connection?.flights.values() ?? []) bytes += flight.underWayBytes;
    return bytes;
  }

  enqueue(fragment: StoredFragment, priority: number): Promise<Outcome> {
    const entry = this.#queue.add(fragment, priority);
    this.#options.counters.queued = this.#queue.length;
    this.pump();
    return entry.outcome;
  }

  open(line: Line, creditBytes: number): void {
    this.close();
    const { clock } = this.#options;
    this.#connection = {
      line,
      window: new Window(creditBytes),
      messages: new MessagePool(),
      flights: new Map(),
      inits: new Set(),
      handle: 0,
      reads: 0,
      heardMs: clock.mono(),
      tick: clock.every(TICK_MS, () => this.#tick()),
    };
    this.pump();
  }

  close(): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    connection.tick.cancel();
    for (const flight of connection.flights.values()) {
      if (flight.sent >= flight.total) flight.entry.probe = true;
      flight.land();
      this.#queue.putBack(flight.entry);
    }
  }

  /** Ends what waits with this fault; nothing is sent any more. */
  end(fault: Fault): void {
    this.close();
    this.#queue.clear(fault);
  }

  /** Sends what the window lets go; called whenever something has changed. */
  pump(): void {
    const connection = this.#connection;
    if (!connection) return;
    const { clock, counters, journalUnsent } = this.#options;
    let underWay = this.underWayBytes;
    while (!journalUnsent()) {
      counters.windowBytes = connection.window.bytes;
      this.#options.count?.();
      const chunkBytes = connection.window.chunkBytes;
      if (underWay > 0 && underWay + chunkBytes > connection.window.bytes) return;
      const nowMs = clock.mono();
      const flight = nextToSend(connection, nowMs, this.#mayGo);
      const better = openHandles(connection) < HANDLES_MAX && this.#queue.peek(this.#mayGo);
      if (!flight || (better && goesBefore(better.priority, flight.entry.priority))) {
        this.#openNext(connection);
        return;
      }
      if (isOpeningBetter(connection, flight)) return;
      const message = flight.nextChunk(chunkBytes, nowMs);
      if (!message) {
        this.#load(connection, flight);
        return;
      }
      connection.line.publish('chunk', message, 0);
      counters.chunksSent += 1;
      counters.bytesSent += message.length;
      counters.footageBytesSent += message.length - CHUNK_HEADER_BYTES;
      underWay = this.underWayBytes;
    }
  }

  acknowledged(ack: Exclude<AckMessage, { what: 'welcome' | 'journal' | 'live' }>): void {
    const connection = this.#connection;
    const flight = ack.handle === undefined ? undefined : connection?.flights.get(ack.handle);
    if (!connection || !flight) return;
    const { clock, counters, reporter } = this.#options;
    const nowMs = clock.mono();
    connection.heardMs = nowMs;
    if (ack.what === 'part') {
      const sentAtMs = flight.acknowledge(ack.offset, nowMs, 'part');
      if (sentAtMs !== undefined) connection.window.acknowledged(sentAtMs, nowMs, 'part');
    } else if (ack.what === 'rewind') {
      if (flight.rewindOnce(ack.offset, nowMs, REWIND_ONCE_MS)) counters.rewinds += 1;
    } else if (ack.what === 'want-init') {
      flight.rewind(0);
      connection.inits.delete(ack.initSha256);
      this.#announceAgain(connection, flight);
    } else {
      counters.refusals += 1;
      reporter.report('upload-refused', ack.code, flight.entry.fragment.meta);
      this.#drop(connection, flight, ack.code);
    }
    this.pump();
  }

  /** A receipt whose signer, unit and epoch are right. Throws a Fault (LR_RECEIPT_HASH, LR_RECEIPT_UNKNOWN) where it frees nothing. */
  async receipt(receipt: StoredReceipt): Promise<void> {
    const { spool, clock, counters } = this.#options;
    const entry = this.#queue.get(fragmentKey(receipt));
    const connection = this.#connection;
    if (connection) connection.heardMs = clock.mono();
    if (entry) {
      checkReceiptBytes(receipt, entry.fragment.meta);
      if (connection) arrived(connection, entry, clock.mono());
      this.pump();
    }
    const freed = await spool.release(receipt);
    // Its footage may have gone while it was under way: it is stored all the same, and nothing is left to free.
    if (!freed && !entry) throw new Fault('denied', 'LR_RECEIPT_UNKNOWN', 'a receipt for a fragment that is not here');
    if (!entry || this.#queue.get(entry.key) !== entry) return;
    counters.fragmentsStored += 1;
    this.#settle(entry, 'stored');
    const flight = flightOf(this.#connection, entry);
    if (this.#connection && flight) this.#land(this.#connection, flight);
    this.pump();
  }

  /** A receipt for this fragment could not be accepted: after three the fragment is given up, still unreleased. */
  wrongReceipt(id: Parameters<typeof fragmentKey>[0], code: string): void {
    const entry = this.#queue.get(fragmentKey(id));
    if (!entry) return;
    entry.wrongReceipts += 1;
    const flight = flightOf(this.#connection, entry);
    // Its bytes have arrived, whatever was made of them: they hold back no others.
    flight?.acknowledge(flight.total, this.#options.clock.mono(), 'receipt');
    if (entry.wrongReceipts >= WRONG_RECEIPTS_MAX) {
      if (flight && this.#connection) this.#land(this.#connection, flight);
      this.#settle(entry, { refused: code });
    }
    this.pump();
  }

  #settle(entry: Entry, outcome: Outcome): void {
    this.#queue.settle(entry, outcome);
    this.#options.counters.queued = this.#queue.length;
  }

  #land(connection: Connection, flight: Flight): void {
    connection.flights.delete(flight.handle);
    flight.land();
  }

  #drop(connection: Connection, flight: Flight, code: string): void {
    this.#land(connection, flight);
    this.#settle(flight.entry, { refused: code });
  }

  readonly #mayGo = ({ priority, fragment }: Entry): boolean => this.#options.allows?.(claimOf(priority), fragment.meta.rendition) ?? true;

  #openNext(connection: Connection): void {
    if (connection.reads > 0 || openHandles(connection) >= HANDLES_MAX) return;
    const entry = this.#queue.take(this.#mayGo);
    if (!entry) return;
    connection.handle += 1;
    const { clock, spool } = this.#options;
    const flight = new Flight(connection.handle, entry, { spool, messages: connection.messages }, clock.mono(), PROBE_MS);
    connection.flights.set(flight.handle, flight);
    this.#act(connection, flight, async () => {
      if (!entry.probe) await flight.load();
      await this.#announce(connection, flight);
    });
  }

  #load(connection: Connection, flight: Flight): void {
    if (connection.reads > 0) return;
    this.#act(connection, flight, () => flight.load());
  }

  #announceAgain(connection: Connection, flight: Flight): void {
    flight.announced = false;
    this.#act(connection, flight, () => this.#announce(connection, flight));
  }

  /** Disk work for a flight; what the disk cannot give is not sent, and whoever asked for it is told. */
  #act(connection: Connection, flight: Flight, work: () => Promise<void>): void {
    connection.reads += 1;
    work()
      .catch((error: unknown) => {
        if (this.#connection !== connection) return;
        const fault = toFault(error, 'read a fragment');
        this.#options.reporter.report('upload-refused', fault.code, flight.entry.fragment.meta);
        this.#drop(connection, flight, fault.code);
      })
      .finally(() => {
        connection.reads -= 1;
        flight.progressMs = this.#options.clock.mono();
        if (this.#connection === connection) this.pump();
      });
  }

  async #announce(connection: Connection, flight: Flight): Promise<void> {
    const { meta, place } = flight.entry.fragment;
    const manifest: ManifestMessage = { handle: flight.handle, meta, ...place };
    if (!connection.inits.has(meta.initSha256)) {
      const init = await this.#options.spool.init(meta.initSha256);
      if (init) manifest.init = init.toString('base64');
      connection.inits.add(meta.initSha256);
    }
    if (this.#connection !== connection) return;
    const message = Buffer.from(canonicalJson(manifest as unknown as Json));
    connection.line.publish('manifest', message, 1);
    flight.announced = true;
    this.#options.counters.bytesSent += message.length;
  }

  #tick(): void {
    const connection = this.#connection;
    if (!connection) return;
    const { clock, counters, onSilence } = this.#options;
    const nowMs = clock.mono();
    if (connection.flights.size === 0) connection.heardMs = nowMs;
    if (nowMs - connection.heardMs >= SILENCE_MS) {
      onSilence();
      return;
    }
    for (const flight of connection.flights.values()) {
      if (nowMs - flight.progressMs < STALL_MS || connection.reads > 0 || flight.waits) continue;
      counters.stalls += 1;
      flight.progressMs = nowMs;
      flight.rewind(flight.acked);
      this.#announceAgain(connection, flight);
    }
    this.pump();
  }
}
