/**
 * 4. The uplink: keeps one connection to the controller, with a pause that grows to 30 s and differs from unit to unit when there is
 * none, and runs both lanes over it. Everything it has to send lives in the spool; nothing piles up here while the controller is away.
 */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import type { Clock, MonoMs, Timer, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { DesiredLive } from '@longroof/protocol/live';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { newCounters, type UplinkCounters } from './counters.js';
import { Countersigned } from './countersigned.js';
import type { Outcome } from './fragment-queue.js';
import { Lanes } from './lanes.js';
import { type Link, type LinkIdentity, openLink } from './link.js';
import { Rest } from './rest.js';
import { sourceTowards } from './route.js';
import { type DesiredReceiver, Session } from './session.js';
import { checkTlsClock } from './tls-clock.js';
import { Traffic } from './traffic.js';
import { Watch } from './watch.js';

const RETRY = { firstMs: 1_000, maxMs: 30_000 };
/** A connection that lasted this long after its welcome ends the row of failures: two units of one name must not chase each other. */
const STABLE_MS = 10_000;
const STATUS_MS = 1_000;
const SUBSCRIBE_MS = 20_000;
const END_MS = 3_000;

export interface UplinkOptions {
  config: { host: string; port: number; unit: string };
  /** Read anew for each connection, so that a renewed certificate is taken. */
  identity: () => LinkIdentity;
  spool: Spool;
  clock: Clock;
  log: Log;
  status: () => StatusMessage['streams'];
  /** The system's clock, by which TLS checks certificates; `clock` has what the unit believes. */
  systemUtc?: () => UtcMs;
  version: string;
  /** Tells links apart and counts them. */
  traffic?: Traffic;
  /** For tests: in place of real connections, the kernel's routes, and chance in the pauses. */
  network?: { open: typeof openLink; sourceTowards: typeof sourceTowards; random?: () => number };
  /** Where countersigned checkpoints are kept; left out, they are not. */
  keep?: { disk: Disk; dir: string };
}

export interface Uplink {
  /** Begins to connect, and never stops trying. */
  start(): void;
  /** The streams' states are no longer those last published. */
  statusChanged(): void;
  /** What may go over the link of now is another. */
  linkChanged(): void;
  /** Who takes the desired state: the commander. */
  attach(receiver: DesiredReceiver): void;
  /**
   * Sends a fragment, lowest priority number first. Resolves when its receipt is verified and it is released, or when it has been
   * refused. Throws LR_UPLINK_QUEUE when too many wait, and rejects with LR_CANCELLED at `stop`.
   */
  enqueue(fragment: StoredFragment, priority: number): Promise<Outcome>;
  /** Cameras to be shown live from now on, all of them. */
  live(wanted: readonly DesiredLive[]): void;
  /** Says goodbye and keeps away from the centre, until told otherwise. */
  rest(isResting: boolean): void;
  /** Says goodbye and closes. */
  stop(): Promise<void>;
  /** Welcomed by the controller. */
  readonly connected: boolean;
  /** When the controller was last there; undefined before it first was. */
  readonly contactMonoMs: MonoMs | undefined;
  readonly resting: boolean;
  /** Why there is no connection, while there is none. */
  readonly fault: Fault | undefined;
  readonly counters: Readonly<UplinkCounters>;
}

export function createUplink(options: UplinkOptions): Uplink {
  return new MqttUplink(options);
}

class MqttUplink implements Uplink {
  readonly counters = newCounters();
  readonly #options: UplinkOptions;
  readonly #lanes: Lanes;
  readonly #traffic: Traffic;
  readonly #watch: Watch;
  readonly #network: NonNullable<UplinkOptions['network']>;
  readonly #countersigned: Countersigned | undefined;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #receiver: DesiredReceiver | undefined;
  #link: Link | undefined;
  #running: Promise<void> | undefined;
  #statusTimer: Timer | undefined;
  #stable: Timer | undefined;
  #fault: Fault | undefined;
  #contactMonoMs: MonoMs | undefined;
  #resting: Rest | undefined;

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { spool, clock, log, status, keep, traffic = new Traffic({ rules: undefined }) } = options;
    this.#countersigned = keep && new Countersigned({ spool, log, ...keep });
    this.#traffic = traffic;
    this.#network = options.network ?? { open: openLink, sourceTowards };
    const { random } = this.#network;
    this.#backoff = new Backoff({ ...RETRY, ...(random ? { random } : {}) });
    this.#watch = new Watch({ traffic, clock, sourceTowards: this.#network.sourceTowards, changed: () => this.#linkChanged() });
    const parts = { spool, clock, log, counters: this.counters, status, traffic };
    this.#lanes = new Lanes({ ...parts, connected: () => this.connected, onSilence: () => void this.#link?.end('now') });
  }

  get connected(): boolean {
    return this.counters.connected === 1;
  }

  get contactMonoMs(): MonoMs | undefined {
    return this.connected ? this.#options.clock.mono() : this.#contactMonoMs;
  }

  get resting(): boolean {
    return this.#resting !== undefined;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  attach(receiver: DesiredReceiver): void {
    this.#receiver = receiver;
  }

  enqueue(fragment: StoredFragment, priority: number): Promise<Outcome> {
    if (this.#stopping.signal.aborted) throw stopped();
    return this.#lanes.footage.enqueue(fragment, priority);
  }

  live(wanted: readonly DesiredLive[]): void {
    this.#lanes.live.want(wanted);
  }

  linkChanged(): void {
    this.#watch.look();
    this.#lanes.footage.pump();
  }

  #linkChanged(): void {
    this.statusChanged();
    this.#lanes.footage.pump();
    if (this.#traffic.tells) this.#lanes.unasked.changed();
  }

  statusChanged(): void {
    if (!this.#link) return;
    this.#statusTimer ??= this.#options.clock.after(STATUS_MS, () => {
      this.#statusTimer = undefined;
      this.#link?.publishRetained('status', this.#status(true));
    });
  }

  rest(isResting: boolean): void {
    if (isResting === (this.#resting !== undefined)) return;
    this.#options.log.info({}, isResting ? 'the link rests' : 'the link rests no more');
    this.#resting?.end();
    this.#resting = isResting ? new Rest() : undefined;
    if (isResting) void this.#goodbye();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#resting?.end();
    await this.#lanes.end(stopped());
    this.#statusTimer?.cancel();
    await this.#goodbye();
    await this.#running;
  }

  async #goodbye(): Promise<void> {
    const link = this.#link;
    if (!link) return;
    link.publishRetained('status', this.#status(false));
    await this.#end(link);
  }

  /** In order, or at once where that takes too long. */
  async #end(link: Link): Promise<void> {
    const late = this.#options.clock.after(END_MS, () => void link.end('now'));
    await link.end('orderly').finally(() => late.cancel());
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#stopping.signal.aborted) {
      if (this.#resting) {
        await this.#resting.over;
        continue;
      }
      const fault = await this.#connectOnce().catch((error: unknown) => toFault(error, 'uplink'));
      if (this.#stopping.signal.aborted) return;
      if (this.#resting) continue;
      const waitMs = this.#backoff.nextMs();
      if (fault.code !== this.#fault?.code || this.#backoff.failures === 1)
        log.warn({ error: fault, waitMs: Math.round(waitMs) }, 'no connection to the controller');
      this.#fault = fault;
      await clock.sleep(waitMs, this.#stopping.signal).catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) throw error;
      });
    }
  }

  /** Runs one connection to its end and says why it ended. */
  async #connectOnce(): Promise<Fault> {
    const { config, identity, clock, systemUtc } = this.#options;
    if (systemUtc) checkTlsClock(systemUtc());
    const pems = identity();
    const session = this.#session(pems);
    let link: Link;
    try {
      link = await this.#network.open({
        ...config,
        identity: pems,
        will: this.#status(false),
        signal: this.#stopping.signal,
        onMessage: (down, payload) => session.onMessage(down, payload),
        onWire: (wire) => this.#traffic.begin(wire),
      });
    } catch (error) {
      this.#traffic.end();
      this.counters.connectFailures += 1;
      throw error;
    }
    this.counters.connects += 1;
    this.#link = link;
    try {
      if (this.#stopping.signal.aborted || this.#resting) throw stopped();
      const late = clock.after(SUBSCRIBE_MS, () => void link.end('now'));
      await link.subscribe().finally(() => late.cancel());
      this.#watch.begin((to) => this.#move(link, to));
      link.publishRetained('status', this.#status(true));
      session.begin(link);
      return await link.closed;
    } finally {
      this.#stable?.cancel();
      this.#watch.end();
      this.#contactMonoMs = this.contactMonoMs;
      this.counters.connected = 0;
      session.close();
      this.#link = undefined;
      await this.#end(link);
      this.#traffic.end();
    }
  }

  #move(link: Link, to: string): void {
    this.#options.log.info({ from: this.#traffic.interface, to }, 'the centre is reached by another interface now');
    this.#backoff.reset();
    void this.#end(link);
  }

  #session({ rootPem, certificatePem }: LinkIdentity): Session {
    const { spool, clock, log, version } = this.#options;
    return new Session({
      ...this.#lanes,
      ...{ spool, clock, log, version, rootPem, certificatePem },
      counters: this.counters,
      countersigned: this.#countersigned,
      receiver: () => this.#receiver,
      onOffers: (storeEpoch) => this.#lanes.offers.begin(storeEpoch),
      onWelcome: () => {
        this.counters.connected = 1;
        this.#fault = undefined;
        this.#stable = clock.after(STABLE_MS, () => this.#backoff.reset());
        if (this.#traffic.tells) this.#lanes.unasked.changed();
      },
    });
  }

  #status(online: boolean): Buffer {
    const { spool, clock, status, version } = this.#options;
    const { epoch, run } = spool.identity;
    const link = online ? this.#traffic.status() : undefined;
    const message: StatusMessage = { online, epoch, run, utcMs: clock.utc(), streams: status(), version, ...(link ? { link } : {}) };
    return Buffer.from(canonicalJson(message as unknown as Json));
  }
}

function stopped(): Fault {
  return new Fault('cancelled', 'LR_CANCELLED', 'the uplink is being stopped');
}
