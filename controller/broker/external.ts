/**
 * A broker that is not ours (mosquitto, EMQX): the centre is its client and hears the partitions that it holds. Who a unit is, the
 * broker has checked: its access list binds the UNIT in a topic to the certificate's name. Order is kept, memory is bounded: a unit
 * that sends beyond every window loses what is beyond, and when all together wait for our disk, nothing more is read.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import { type Down, downTopic, liveTopic, partition } from '@longroof/protocol/topics';
import { readTopic } from './admission.js';
import { type BrokerCounters, type BrokerHandlers, newBrokerCounters, type PartitionedBroker, type Session } from './broker.js';
import { type BrokerAddress, type BrokerLink, type BrokerMessage, openBrokerLink } from './broker-link.js';
import { EXTERNAL_LIMITS, type ExternalLimits } from './external-limits.js';
import { Kicker } from './kicker.js';
import { UnitLane } from './unit-lane.js';

export interface ExternalBrokerOptions {
  address: BrokerAddress;
  /** Of this worker alone among all clients of the broker. */
  clientId: string;
  clock: Clock;
  log: Log;
  limits?: Partial<ExternalLimits>;
}

const RETRY = { firstMs: 500, maxMs: 15_000 };
/** Of a status that is looked into here; a longer one is refused by its reader. */
const STATUS_BYTES_MAX = 16 * 1024;
const FILTERS_TOGETHER = 64;

export function createExternalBroker(options: ExternalBrokerOptions): PartitionedBroker {
  return new ExternalBroker(options);
}

class ExternalBroker implements PartitionedBroker {
  readonly counters: BrokerCounters = newBrokerCounters();
  readonly port: number;
  readonly #options: ExternalBrokerOptions;
  readonly #limits: ExternalLimits;
  readonly #lanes = new Map<string, UnitLane>();
  readonly #parts = new Set<string>();
  /** Of those, what the broker has granted on this connection. */
  readonly #heardParts = new Set<string>();
  /** Units whose pieces are heard. */
  readonly #watched = new Set<string>();
  readonly #kicker: Kicker;
  readonly #stopping = new AbortController();
  #handlers: BrokerHandlers | undefined;
  #link: BrokerLink | undefined;
  #running: Promise<void> | undefined;
  #fault: Fault | undefined = new Fault('unavailable', 'LR_BROKER_CONNECT', 'not connected to the broker yet');
  #outstanding = 0;
  #goOn: (() => void) | undefined;

  constructor(options: ExternalBrokerOptions) {
    this.#options = options;
    this.#limits = { ...EXTERNAL_LIMITS, ...options.limits };
    this.port = options.address.port;
    this.#kicker = new Kicker(options.address, options.clock, options.log);
  }

  get fault(): Fault | undefined {
    if (this.#fault || this.#heardParts.size >= this.#parts.size) return this.#fault;
    return new Fault('unavailable', 'LR_BROKER_CONNECT', `${this.#parts.size - this.#heardParts.size} partitions are not heard yet`);
  }

  async start(handlers: BrokerHandlers): Promise<void> {
    const { counters } = this;
    this.#handlers = {
      connected(session) {
        counters.connections += 1;
        counters.connected += 1;
        handlers.connected(session);
      },
      live: (unit, camera, payload) => handlers.live?.(unit, camera, payload),
      message: (session, up, payload, last) => handlers.message(session, up, payload, last),
      disconnected(session) {
        counters.connected -= 1;
        return handlers.disconnected(session);
      },
      refused: (unit, fault) => handlers.refused(unit, fault),
    };
    this.#running = this.#run();
  }

  session(unit: string): Session | undefined {
    return this.#lanes.get(unit)?.session;
  }

  async publish(session: Session, down: Down, payload: Buffer, qos: 0 | 1): Promise<void> {
    // A receipt holds whatever connection its footage came by; anything else would be taken for an answer to the one that is live now.
    const isFor = session.closed ? down === 'receipt' && this.session(session.unit) !== undefined : true;
    if (!isFor) return;
    this.counters.messagesOut += 1;
    const link = this.#link;
    if (!link) return;
    // MQTT 3.1.1 sends nothing again within a connection: without this a lost acknowledgement would hold its unit for ever.
    const late = this.#options.clock.after(this.#limits.acknowledgeMs, () => {
      this.#options.log.error({ unit: session.unit, down }, 'the broker does not acknowledge what it was sent; connected to anew');
      void link.end('now');
    });
    await link.publish(downTopic(session.unit, down), payload, qos).finally(() => late.cancel());
  }

  async tell(unit: string, down: Down, payload: Buffer, qos: 0 | 1): Promise<void> {
    this.counters.messagesOut += 1;
    await this.#link?.publish(downTopic(unit, down), payload, qos);
  }

  watch(unit: string, on: boolean): void {
    if (on === this.#watched.has(unit)) return;
    if (on) this.#watched.add(unit);
    else this.#watched.delete(unit);
    const link = this.#link;
    const filters = [liveTopic(unit, '+')];
    const done = on ? link?.subscribe(filters) : link?.unsubscribe(filters);
    done?.catch((error: unknown) => link && this.#distrust(link, error));
  }

  kick(session: Session, why: Fault): void {
    this.#options.log.info({ unit: session.unit, error: why }, 'connection closed by us');
    this.#kicker.kick(session.unit);
  }

  hold(parts: readonly string[]): void {
    const fresh = parts.filter((part) => !this.#parts.has(part));
    for (const part of fresh) this.#parts.add(part);
    const link = this.#link;
    if (link) this.#subscribe(link, fresh).catch((error: unknown) => this.#distrust(link, error));
  }

  async drop(parts: readonly string[]): Promise<void> {
    const gone = new Set(parts.filter((part) => this.#parts.delete(part)));
    for (const part of gone) this.#heardParts.delete(part);
    const lanes = [...this.#lanes].filter(([unit]) => gone.has(partition(unit)));
    // Sessions end before the broker answers: from here on nothing is done for them.
    const ends = lanes.map(([unit]) => this.#close(unit));
    await this.#link?.unsubscribe([...gone].map(filterOf));
    await Promise.all(ends);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#kicker.stop();
    await this.#link?.end('orderly');
    await this.#running;
  }

  async #run(): Promise<void> {
    const { address, clientId, clock, log } = this.#options;
    const backoff = new Backoff(RETRY);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const link = await openBrokerLink(address, clientId, (message) => this.#arrived(message));
        if (signal.aborted) await link.end('now');
        else await this.#use(link, backoff);
      } catch (error) {
        this.#fault = toFault(error, 'connect to the broker');
      }
      if (signal.aborted) break;
      if (backoff.failures === 0) log.error({ error: this.#fault }, 'no connection to the broker');
      await clock.sleep(backoff.nextMs(), signal).catch(() => undefined);
    }
    await this.#closeAll();
  }

  /** Until it closes. What the units sent meanwhile is lost to us, so all sessions end with it. */
  async #use(link: BrokerLink, backoff: Backoff): Promise<void> {
    this.#link = link;
    this.#heardParts.clear();
    this.#fault = undefined;
    this.#options.log.info({ parts: this.#parts.size }, 'connected to the broker');
    const live = link.subscribe([...this.#watched].map((unit) => liveTopic(unit, '+')));
    Promise.all([live, this.#subscribe(link, [...this.#parts])]).then(
      () => backoff.reset(),
      (error: unknown) => this.#distrust(link, error),
    );
    this.#fault = await link.closed;
    this.#link = undefined;
    await this.#closeAll();
  }

  async #subscribe(link: BrokerLink, parts: readonly string[]): Promise<void> {
    for (let at = 0; at < parts.length; at += FILTERS_TOGETHER) {
      const some = parts.slice(at, at + FILTERS_TOGETHER);
      await link.subscribe(some.map(filterOf));
      if (this.#link === link) for (const part of some) if (this.#parts.has(part)) this.#heardParts.add(part);
    }
  }

  #distrust(link: BrokerLink, error: unknown): void {
    this.#options.log.error({ error: toFault(error, 'subscribe') }, 'the broker does not let us hear the units');
    void link.end('now');
  }

  /** A promise while too much is outstanding in all: then the link is not read from. */
  #arrived(message: BrokerMessage): Promise<void> | undefined {
    const unit = message.topic.split('/')[3];
    if (!isId(unit)) {
      this.#handlers?.refused('', new Fault('denied', 'LR_TOPIC', `no topic for a unit: ${message.topic.slice(0, 120)}`));
      return undefined;
    }
    if (this.#watched.has(unit) && this.#shown(unit, message)) return undefined;
    // What still comes of a partition that was given back is another worker's.
    if (!this.#parts.has(message.topic.split('/')[2] ?? '')) return undefined;
    this.counters.messagesIn += 1;
    this.counters.bytesIn += message.payload.length;
    if (message.retain) this.#remembered(unit, message);
    else this.#heard(unit, message);
    if (this.#outstanding < this.#limits.pauseBytes) return undefined;
    this.counters.pauses += 1;
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  /** True where it was a piece of a camera. */
  #shown(unit: string, message: BrokerMessage): boolean {
    const verdict = readTopic(unit, { ...message, qos: 0 });
    if (!('live' in verdict)) return false;
    this.counters.messagesIn += 1;
    this.counters.bytesIn += message.payload.length;
    this.#handlers?.live?.(unit, verdict.live, message.payload);
    return true;
  }

  #heard(unit: string, message: BrokerMessage): void {
    const verdict = readTopic(unit, { ...message, qos: 0 });
    // What is still on its way when nobody watches any more.
    if ('live' in verdict) return;
    if (!('up' in verdict)) {
      this.#handlers?.refused(unit, verdict.fault);
      return;
    }
    const lane = this.#lanes.get(unit) ?? this.#open(unit);
    if (verdict.up === 'status' && isOffline(message.payload)) lane.goodbye(message.payload);
    else if (!lane.take(verdict.up, message.payload)) {
      this.counters.dropped += 1;
      const fault = new Fault('too-large', 'LR_FLOOD', 'a unit sends more than any window allows');
      this.#handlers?.refused(unit, fault);
      if (lane.thrownAway % this.#limits.floodMax === 0 && lane.session) this.kick(lane.session, fault);
    }
  }

  /** What the broker kept from before we listened: a unit that is online has said hello to nobody here, so it is to come again. */
  #remembered(unit: string, message: BrokerMessage): void {
    const verdict = readTopic(unit, { ...message, qos: 0 });
    if ('fault' in verdict) this.#handlers?.refused(unit, verdict.fault);
    else if (!isOffline(message.payload) && !this.#lanes.get(unit)?.session) this.#kicker.kick(unit);
  }

  #open(unit: string): UnitLane {
    const lane = new UnitLane({
      unit,
      handlers: this.#handlers as BrokerHandlers,
      bytesMax: this.#limits.unitBytesMax,
      weigh: (bytes) => this.#weigh(bytes),
      idle: () => {
        if (this.#lanes.get(unit) === lane) this.#lanes.delete(unit);
      },
    });
    this.#lanes.set(unit, lane);
    return lane;
  }

  #weigh(bytes: number): void {
    this.#outstanding += bytes;
    if (this.#outstanding > this.#limits.pauseBytes / 2) return;
    this.#goOn?.();
    this.#goOn = undefined;
  }

  async #close(unit: string): Promise<void> {
    const lane = this.#lanes.get(unit);
    this.#lanes.delete(unit);
    await lane?.close();
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#lanes.keys()].map((unit) => this.#close(unit)));
    this.#goOn?.();
    this.#goOn = undefined;
  }
}

function filterOf(part: string): string {
  return `lr/1/${part}/+/+`;
}

function isOffline(payload: Buffer): boolean {
  if (payload.length > STATUS_BYTES_MAX) return false;
  try {
    return (JSON.parse(payload.toString('utf8')) as { online?: unknown } | null)?.online === false;
  } catch {
    return false;
  }
}
