/**
 * The embedded broker: aedes (MQTT 3.1.1) over TLS with both certificates. Units speak only to the centre: whatever they publish is
 * handed to its reader and routed to nobody, and what goes down to a unit is written to its own connection.
 */
import type { TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes';
import { admit, type Connect, maySubscribe, readTopic } from './admission.js';
import { type Broker, type BrokerCounters, type BrokerHandlers, newBrokerCounters, type Session } from './broker.js';
import { Entrance, type Pass } from './entrance.js';
import { GATE_LIMITS, type GateLimits } from './gate.js';
import { GuardedStream } from './guarded-stream.js';
import { EmbeddedSession } from './session.js';
import { readPeer } from './tls.js';

export interface BrokerKeys {
  serverKeyPem: string;
  serverCertPem: string;
  /** The fleet's root: who may connect. */
  rootPem: string;
}

export interface BrokerLimits {
  connectBytesMax: number;
  packetBytesMax: number;
  /** Outstanding bytes of one connection at which it is no longer read from. */
  pauseBytes: number;
  drainMs: number;
  handshakeMs: number;
  connectMs: number;
  connectionsMax: number;
  gate: GateLimits;
}

export const BROKER_LIMITS: BrokerLimits = {
  connectBytesMax: 4 * 1024,
  packetBytesMax: 160 * 1024,
  pauseBytes: 1024 * 1024,
  drainMs: 10_000,
  handshakeMs: 10_000,
  connectMs: 10_000,
  connectionsMax: 10_000,
  gate: GATE_LIMITS,
};

export interface EmbeddedBrokerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  keys: BrokerKeys;
  log: Log;
  clock?: Clock;
  limits?: Partial<BrokerLimits>;
}

/** What completes a packet in aedes 1.2 without routing it; it must not run inside the parser's call. */
interface ClientInternals {
  _nextBatch(): void;
}

export function createBroker(options: EmbeddedBrokerOptions): Broker {
  return new EmbeddedBroker(options);
}

class EmbeddedBroker implements Broker {
  readonly #counters: BrokerCounters = newBrokerCounters();
  readonly #options: EmbeddedBrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #sessions = new Map<string, EmbeddedSession>();
  readonly #ending = new Set<Promise<void>>();
  readonly #connects = new WeakMap<Client, Connect>();
  /** Admitted and not yet ready, by unit: what it replaces ends silently. */
  readonly #arriving = new Map<string, Client>();
  readonly #streams = new Set<GuardedStream>();
  readonly #entrance: Entrance;
  #aedes: Aedes | undefined;
  #handlers: BrokerHandlers | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#limits = { ...BROKER_LIMITS, ...options.limits };
    this.#entrance = new Entrance({
      ...this.#limits,
      keys: options.keys,
      clock: options.clock ?? systemClock,
      connection: (socket, pass) => this.#connection(socket, pass),
      refused: (fault) => this.#refuse('', fault),
    });
  }

  get counters(): BrokerCounters {
    this.#counters.waiting = this.#entrance.waiting;
    return this.#counters;
  }

  get port(): number {
    return this.#entrance.port;
  }

  async start(handlers: BrokerHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#aedes = await Aedes.createBroker(this.#aedesOptions());
    this.#aedes.on('clientReady', (client) => this.#ready(client));
    this.#aedes.on('clientDisconnect', (client) => this.#gone(client));
    this.#aedes.on('clientError', (client, error) => this.#clientError(client, error));
    this.#aedes.on('connectionError', (client, error) => this.#clientError(client, error));
    await this.#entrance.listen(this.#options.host, this.#options.port);
  }

  session(unit: string): Session | undefined {
    return this.#sessions.get(unit);
  }

  publish(session: Session, down: Parameters<Broker['publish']>[1], payload: Buffer, qos: 0 | 1): Promise<void> {
    this.#counters.messagesOut += 1;
    return (session as EmbeddedSession).publish(down, payload, qos);
  }

  async tell(unit: string, ...what: [Parameters<Broker['publish']>[1], Buffer, 0 | 1]): Promise<void> {
    const session = this.#sessions.get(unit);
    if (session) await this.publish(session, ...what);
  }

  /** All that units send comes here. */
  watch(): void {}

  kick(session: Session, why: Fault): void {
    this.#options.log.info({ unit: session.unit, error: why }, 'connection closed by us');
    (session as EmbeddedSession).close();
  }

  async stop(): Promise<void> {
    const closed = this.#entrance.close();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(() => resolve()) : resolve()));
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(this.#ending);
    await closed;
  }

  #aedesOptions(): AedesOptions {
    return {
      drainTimeout: this.#limits.drainMs,
      connectTimeout: this.#limits.connectMs,
      preConnect: (client, packet, done) => {
        this.#connects.set(client, packet);
        done(null, true);
      },
      authenticate: (client, _name, _password, done) => {
        const { peer } = client.conn as GuardedStream;
        const fault = admit(peer, this.#connects.get(client)) ?? this.#handlers?.admit?.(peer.unit, peer.certificateSerial);
        this.#connects.delete(client);
        if (!fault) {
          this.#arriving.set(peer.unit, client);
          return done(null, true);
        }
        this.#refuse(peer.unit, fault);
        // MQTT 3.1.1, 3.2.2.3: 2 identifier rejected, 5 not authorized.
        done(Object.assign(new Error(fault.message), { returnCode: fault.code === 'LR_CLIENT_ID' ? 2 : 5 }), false);
      },
      authorizePublish: (client, packet, done) => this.#published(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const { peer } = client.conn as GuardedStream;
        if (maySubscribe(peer.unit, subscription.topic)) return done(null, subscription);
        this.#refuse(peer.unit, new Fault('denied', 'LR_SUBSCRIBE', `a subscription to ${subscription.topic.slice(0, 120)}`));
        done(null, null);
      },
    };
  }

  #connection(socket: TLSSocket, pass: Pass): void {
    let peer: ReturnType<typeof readPeer>;
    try {
      peer = readPeer(socket);
    } catch (error) {
      this.#refuse('', toFault(error));
      socket.destroy();
      return;
    }
    const stream = new GuardedStream({ socket, peer, pass, limits: this.#limits, onBreach: (fault) => this.#breach(stream, fault) });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    this.#aedes?.handle(stream);
  }

  #ready(client: Client): void {
    const stream = client.conn as GuardedStream;
    const { peer } = stream;
    const session = new EmbeddedSession({
      ...peer,
      client,
      stream,
      pauseBytes: this.#limits.pauseBytes,
      paused: () => {
        this.#counters.pauses += 1;
      },
      ended: (self) => this.#handlers?.disconnected(self) ?? Promise.resolve(),
    });
    stream.session = session;
    if (this.#arriving.get(peer.unit) === client) this.#arriving.delete(peer.unit);
    this.#sessions.set(peer.unit, session);
    this.#counters.connections += 1;
    this.#counters.connected = this.#sessions.size;
    this.#handlers?.connected(session);
  }

  #gone(client: Client): void {
    const session = (client.conn as GuardedStream).session;
    if (!session) return;
    if (this.#sessions.get(session.unit) === session) this.#sessions.delete(session.unit);
    this.#counters.connected = this.#sessions.size;
    const ending = session.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #published(client: Client | null, packet: PublishPacket, done: (error?: Error) => void): void {
    const session = (client?.conn as GuardedStream | undefined)?.session;
    // A will of a client that never was ready: nobody's to hear.
    if (!client || !session) {
      done(new Error('no session'));
      return;
    }
    // The will of a connection that another one replaces: nothing has ended.
    if (client.closed && this.#arriving.get(session.unit)?.closed === false) {
      done();
      return;
    }
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const verdict = readTopic(session.unit, packet);
    if ('live' in verdict) {
      this.#counters.messagesIn += 1;
      this.#counters.bytesIn += payload.length;
      this.#handlers?.live?.(session.unit, verdict.live, payload);
    } else if ('up' in verdict) {
      this.#counters.messagesIn += 1;
      this.#counters.bytesIn += payload.length;
      const last = client.closed;
      const { pass } = client.conn as GuardedStream;
      if (verdict.up === 'hello') pass.serving();
      const handle = async (): Promise<void> => {
        await this.#handlers?.message(session, verdict.up, payload, last);
        if (verdict.up === 'hello') pass.served();
      };
      session.inbox.push(payload.length, handle, last);
    } else {
      this.#refuse(session.unit, verdict.fault);
      session.inbox.push(0, async () => {
        await session.refuse(packet.topic, verdict.fault);
        if (verdict.close) session.close();
      });
    }
    // With QoS 0 the packet ends here; with QoS 1 it is acknowledged first, and then finds nobody who could have subscribed to it.
    if (packet.qos === 0 && !client.closed) setImmediate(() => (client as unknown as ClientInternals)._nextBatch());
    else done();
  }

  #breach(stream: GuardedStream, fault: Fault): void {
    this.#refuse(stream.peer.unit, fault);
    const { session } = stream;
    if (session) void session.refuse('', fault).then(() => session.close());
    else stream.destroy();
  }

  #refuse(unit: string, fault: Fault): void {
    this.#counters.connectionsRefused += unit === '' ? 1 : 0;
    this.#handlers?.refused(unit, fault);
  }

  #clientError(client: Client, error: Error): void {
    const unit = (client.conn as GuardedStream | undefined)?.peer?.unit ?? '';
    // Of aedes 1.2: an error without a code of its own.
    if (error.message === 'connect did not arrive in time')
      this.#refuse(unit, new Fault('timeout', 'LR_CONNECT_TIME', 'a connection that did not say who it is in time'));
    this.#options.log.debug({ unit, error }, 'connection ended');
  }
}
