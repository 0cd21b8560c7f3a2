/**
 * 5. Where units are heard: their messages are checked, stored and answered. Whatever one unit sends disturbs no other; whatever is
 * refused is answered with a code, counted, and ends there.
 */
import { createPrivateKey } from 'node:crypto';
import type { Clock } from '@longroof/base/clock';
import { assert, Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { liveTopic, type Up } from '@longroof/protocol/topics';
import type { Broker, PartitionedBroker, Session } from '../broker/broker.js';
import type { BlobStore } from '../store/blobs.js';
import { Commits } from '../store/commits.js';
import type { Store } from '../store/open.js';
import { sendAck, sendRefusal } from './answers.js';
import { CertificateWatch } from './certificate-watch.js';
import { Committer } from './committer.js';
import { type Context, type IngestCounters, type Link, newIngestCounters, newLink } from './context.js';
import { enterSigner, sendCountersigned, sendLastCountersigned } from './countersign.js';
import { DesiredSender } from './desired.js';
import { OPEN_FENCE } from './fence.js';
import { FootageLane } from './footage.js';
import { JournalLane } from './journal.js';
import { LeaseKeeper, type LeaseKeeperOptions } from './lease-keeper.js';
import { LeaseTable } from './lease-table.js';
import { LiveWatch } from './live-watch.js';
import { JournalPacker } from './pack-journal.js';
import { PullWatch } from './pull-watch.js';
import { Refusals } from './refusals.js';
import { Units } from './units.js';

const TURN_AWAY_MS = 2000;
/** What was to be shown may still come so long after it was taken back. */
const UNDER_WAY_MS = 5000;

export interface SignerKeys {
  keyPem: string;
  certPem: string;
}

export interface IngestOptions {
  store: Store;
  blobs: BlobStore;
  /** Started and stopped with ingest. */
  broker: Broker;
  keys: { receipt: SignerKeys; desired: SignerKeys };
  /** Of the fleet. */
  rootPem: string;
  /** Set where several workers share a broker that is not ours. */
  partitions?: Pick<LeaseKeeperOptions, 'worker' | 'leaseMs'> & { broker: PartitionedBroker; clock?: Clock };
  clock: Clock;
  log: Log;
  /** Takes chunks of what is shown live. */
  live?: (unit: string, camera: string, payload: Uint8Array) => void;
  /** Counted into; made here where it is left out. */
  metrics?: IngestCounters;
}

export interface Ingest {
  /** Resolves when units can connect. */
  start(): Promise<void>;
  stop(): Promise<void>;
  isOnline(unit: string): boolean;
  /** Sends the unit its desired state, if it is online here and has something to do; other workers see to theirs. */
  sendDesired(unit: string): Promise<void>;
  /** Whether pieces of this unit's cameras are wanted here. */
  watchLive(unit: string, on: boolean): void;
  /** The unit may send more of a piece. */
  acknowledgeLive(unit: string, handle: number, offset: number): void;
  /** Partitions on which this worker acts; undefined where it is alone. */
  readonly held: ReadonlySet<string> | undefined;
  readonly counters: IngestCounters;
  /** Times that something was refused, by its code. */
  readonly refused: ReadonlyMap<string, number>;
}

export function createIngest(options: IngestOptions): Ingest {
  return new IngestService(options);
}

class IngestService implements Ingest {
  readonly counters: IngestCounters;
  readonly #context: Context;
  readonly #committer: Committer;
  readonly #footage: FootageLane;
  readonly #journal: JournalLane;
  readonly #packer: JournalPacker;
  readonly #desired: DesiredSender;
  readonly #units: Units;
  readonly #certificates: CertificateWatch;
  readonly #pulls: PullWatch;
  readonly #live: LiveWatch;
  readonly #showLive: IngestOptions['live'];
  readonly #keeper: LeaseKeeper | undefined;
  readonly #links = new Map<Session, Link>();
  readonly #known = new Map<Session, Promise<void>>();

  constructor(options: IngestOptions) {
    const { store, blobs, broker, clock, log, keys, rootPem } = options;
    const signer = ({ keyPem, certPem }: SignerKeys) => ({ key: createPrivateKey(keyPem), certPem });
    this.counters = options.metrics ?? newIngestCounters();
    this.#keeper = this.#makeKeeper(options);
    this.#context = {
      store,
      commits: new Commits(store.db, clock),
      blobs,
      broker,
      clock,
      log,
      counters: this.counters,
      refusals: new Refusals(store.db, clock, log),
      receiptSigner: signer(keys.receipt),
      desiredSigner: signer(keys.desired),
      rootPem,
      fence: this.#keeper ?? OPEN_FENCE,
    };
    this.#committer = new Committer(this.#context, (unit) => this.#nextPulls(unit));
    this.#footage = new FootageLane(this.#context, this.#committer);
    this.#journal = new JournalLane(this.#context);
    this.#packer = new JournalPacker(this.#context);
    this.#desired = new DesiredSender(this.#context);
    this.#units = new Units(this.#context);
    const links = () => this.#links.values();
    this.#certificates = new CertificateWatch(this.#context, links, (link, fault) => void this.#turnAway(link, '', fault));
    this.#pulls = new PullWatch(this.#context, this.#desired, links);
    this.#live = new LiveWatch(this.#context, this.#desired, links);
    this.#showLive = options.live;
  }

  get refused(): ReadonlyMap<string, number> {
    return this.#context.refusals.byCode;
  }

  get held(): ReadonlySet<string> | undefined {
    return this.#keeper?.held;
  }

  async start(): Promise<void> {
    await this.#units.start(this.#keeper === undefined);
    await this.#certificates.start();
    await enterSigner(this.#context.store.db, this.#context.receiptSigner);
    this.#context.refusals.start();
    await this.#context.broker.start({
      admit: (unit, certificateSerial) => this.#certificates.check({ unit, certificateSerial }),
      connected: (session) => this.#connected(session),
      message: (session, up, payload, last) => this.#message(session, up, payload, last),
      live: (unit, camera, payload) => this.#shown(unit, camera, payload),
      disconnected: (session) => this.#disconnected(session),
      refused: (unit, fault) => {
        this.counters.refusals += 1;
        this.#context.refusals.count(unit, fault);
      },
    });
    this.#live.start();
    if (!this.#keeper) return;
    await this.#keeper.start();
    this.#pulls.start();
  }

  async stop(): Promise<void> {
    this.#certificates.stop();
    await this.#pulls.stop();
    await this.#live.stop();
    await this.#keeper?.stop();
    await this.#context.broker.stop();
    this.#units.stop();
    await this.#committer.idle();
    await this.#packer.stop();
    await this.#context.refusals.stop();
  }

  #makeKeeper({ partitions, store, clock, log }: IngestOptions): LeaseKeeper | undefined {
    if (!partitions) return undefined;
    const taken = (parts: readonly string[]) => this.#units.taken(parts);
    return new LeaseKeeper({ clock, log, taken, table: new LeaseTable(store.db), ...partitions });
  }

  isOnline(unit: string): boolean {
    return this.#context.broker.session(unit) !== undefined;
  }

  async sendDesired(unit: string): Promise<void> {
    const session = this.#context.broker.session(unit);
    const link = session && this.#links.get(session);
    if (link) await this.#desired.send(link);
  }

  watchLive(unit: string, on: boolean): void {
    this.#context.broker.watch(unit, on);
  }

  acknowledgeLive(unit: string, handle: number, offset: number): void {
    const ack = Buffer.from(JSON.stringify({ handle, offset, what: 'live' }));
    this.#context.broker.tell(unit, 'ack', ack, 0).catch((error: unknown) => {
      this.#context.log.warn({ unit, error: toFault(error) }, 'a live piece could not be acknowledged');
    });
  }

  #shown(unit: string, camera: string, payload: Uint8Array): void {
    const session = this.#context.broker.session(unit);
    const link = session && this.#links.get(session);
    if (link && this.#certificates.check(link)) return;
    const isAsked = !link || link.told.cameras.includes(camera) || this.#context.clock.mono() - link.told.atMs < UNDER_WAY_MS;
    if (isAsked) this.#showLive?.(unit, camera, payload);
    else
      void sendRefusal(this.#context, link, liveTopic(unit, camera), new Fault('denied', 'LR_LIVE_UNASKED', 'nobody watches this camera'));
  }

  #connected(session: Session): void {
    this.#links.set(session, newLink(session, this.#context.store.db));
    const known = this.#units.connected(session.unit).catch((error: unknown) => {
      const fault = toFault(error, 'enter a unit');
      // Whoever holds the partition now has the unit; to cut it off would cut it off from there.
      if (fault.code === 'LR_LEASE_LOST') return;
      this.#context.log.error({ unit: session.unit, error: fault }, 'a unit could not be entered');
      this.#context.broker.kick(session, fault);
    });
    this.#known.set(session, known);
  }

  async #disconnected(session: Session): Promise<void> {
    const link = this.#links.get(session);
    try {
      await this.#known.get(session);
      if (link) await this.#footage.close(link);
      await this.#units.disconnected(session.unit, this.isOnline(session.unit));
    } catch (error) {
      const fault = toFault(error);
      // Whoever holds the partition now tells of the unit.
      if (fault.code !== 'LR_LEASE_LOST')
        this.#context.log.error({ unit: session.unit, error: fault }, 'the end of a connection could not be entered');
    } finally {
      this.#links.delete(session);
      this.#known.delete(session);
    }
  }

  async #message(session: Session, up: Up, payload: Uint8Array, last: boolean): Promise<void> {
    const link = this.#links.get(session);
    assert(link, 'a message of a connection that is not known');
    try {
      await this.#known.get(session);
      // A will tells of an end; where another connection has taken over there was none.
      if (last && this.#context.broker.session(session.unit) !== undefined) return;
      const revoked = this.#certificates.check(link);
      if (revoked) return await this.#turnAway(link, up, revoked);
      this.#units.seen(link.unit);
      await this.#handle(link, up, payload);
    } catch (error) {
      const fault = toFault(error, up);
      if (fault.kind === 'internal' || fault.code.startsWith('LR_SYS_'))
        this.#context.log.error({ unit: link.unit, up, error }, 'a message could not be handled');
      await sendRefusal(this.#context, link, up, fault);
    }
  }

  async #handle(link: Link, up: Up, payload: Uint8Array): Promise<void> {
    if (up === 'chunk') return this.#footage.chunk(link, payload);
    if (up === 'manifest') return this.#footage.manifest(link, payload);
    if (up === 'status') return this.#units.status(link, payload);
    if (up === 'hello') {
      await sendAck(this.#context, link, await this.#units.hello(link, payload));
      await sendLastCountersigned(this.#context, link);
      return this.#desired.send(link);
    }
    const { epoch, next, endedPulls, loose, countersigned } = await this.#journal.take(link, payload);
    await sendAck(this.#context, link, { what: 'journal', epoch, next });
    this.#packer.loose({ unit: link.unit, epoch }, loose);
    if (countersigned !== undefined) await sendCountersigned(this.#context, link, countersigned);
    if (endedPulls) this.#nextPulls(link.unit);
  }

  /** The unit hears why, and then nothing more. */
  async #turnAway(link: Link, topic: string, fault: Fault): Promise<void> {
    const { broker, clock } = this.#context;
    // One that does not listen is cut all the same.
    const late = clock.after(TURN_AWAY_MS, () => broker.kick(link.session, fault));
    await sendRefusal(this.#context, link, topic, fault);
    late.cancel();
    broker.kick(link.session, fault);
  }

  /** A desired state names only so many pulls: when some end, others may follow. */
  #nextPulls(unit: string): void {
    this.sendDesired(unit).catch((error: unknown) => {
      this.#context.log.error({ unit, error: toFault(error, 'send desired state') }, 'desired state could not be sent');
    });
  }
}
