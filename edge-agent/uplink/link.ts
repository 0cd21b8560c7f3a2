/**
 * One connection to the controller: MQTT 3.1.1 over TLS with both certificates (mutual TLS). It never reconnects by itself: what is
 * under way ends with it, and the next connection starts clean. The MQTT library is loaded with the first connection only.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errorCode, Fault } from '@longroof/base/errors';
import { type Down, downTopic, liveTopic, parseTopic, type Up, upTopic } from '@longroof/protocol/topics';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { LiveLine } from './live-lane.js';
import { writeLongAlone } from './long-writes.js';
import type { Wire } from './traffic.js';

const KEEP_ALIVE_S = 30;
/** For the network alone. */
const REACH_MS_MAX = 20_000;
/** For all until CONNACK: a centre to which everybody comes at once lets them in by and by, and closes what waits for 90 s. */
const CONNECT_MS_MAX = 120_000;

/** PEM texts of `identity/`: unit.key, unit.crt, ca.crt. */
export interface LinkIdentity {
  keyPem: string;
  certificatePem: string;
  rootPem: string;
}

export interface LinkOptions {
  host: string;
  port: number;
  unit: string;
  identity: LinkIdentity;
  /** Payload of the will on `status`. */
  will: Buffer;
  /** Ends an attempt to connect. */
  signal: AbortSignal;
  /** In order, one at a time: a promise holds back what follows. */
  onMessage: (down: Down, payload: Uint8Array) => Promise<void> | undefined;
  /** The socket of this attempt, before anything goes over it. */
  onWire: (wire: Wire) => void;
}

/** What the lanes send through. Publishing on a closed link does nothing: its end is told by `closed`. */
export interface Line {
  publish(up: Up, payload: Buffer, qos: 0 | 1): void;
}

export interface Link extends Line, LiveLine {
  publishRetained(up: Up, payload: Buffer): void;
  /** Subscribes to `down/*`; resolves when the controller has granted all of it. */
  subscribe(): Promise<void>;
  /** Resolves once, with the reason. */
  readonly closed: Promise<Fault>;
  /** Ends it after what was published is written, or at once. */
  end(how: 'orderly' | 'now'): Promise<void>;
}

/** Resolves after CONNACK. Throws `unavailable` (LR_UPLINK_CONNECT), `denied` (LR_UPLINK_TLS, LR_UPLINK_REFUSED). */
export async function openLink(options: LinkOptions): Promise<Link> {
  const mqtt = await import('mqtt');
  const Client = mqtt.MqttClient ?? mqtt.default.MqttClient;
  let cause: unknown;
  const note = (error: unknown): void => {
    cause ??= error;
  };
  const client: MqttClient = new Client(() => {
    const { host, port, identity, onWire } = options;
    // A socket of its own under TLS: it counts the bytes that really go.
    const socket = connectTcp({ host, port, noDelay: true, keepAlive: true, timeout: REACH_MS_MAX }).on('error', note);
    socket.once('connect', () => socket.setTimeout(0));
    socket.once('timeout', () => {
      if (socket.connecting) socket.destroy(new Error(`nobody answered within ${REACH_MS_MAX / 1000} s`));
    });
    onWire(wireOf(socket));
    const tls = {
      socket,
      /** Whose certificate it must be. */
      host,
      servername: isIP(host) ? '' : host,
      ca: identity.rootPem,
      key: identity.keyPem,
      cert: identity.certificatePem,
      minVersion: 'TLSv1.2' as const,
      rejectUnauthorized: true,
    };
    return writeLongAlone(connectTls(tls).on('error', note));
  }, mqttOptions(options));
  client.on('error', note);
  client.handleMessage = (packet, done) => {
    const topic = parseTopic(packet.topic);
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const later = topic && 'down' in topic && topic.unit === options.unit ? options.onMessage(topic.down, payload) : undefined;
    if (!later) return done();
    later.then(() => done(), done);
  };
  const closed = new Promise<Fault>((resolve) => {
    client.once('close', () => resolve(linkFault(cause)));
  });
  const connected = new Promise<undefined>((resolve) => {
    client.once('connect', () => resolve(undefined));
  });
  let give = (): void => undefined;
  const given = new Promise<Fault>((resolve) => {
    give = () => resolve(new Fault('cancelled', 'LR_CANCELLED', 'the uplink is being stopped'));
  });
  if (options.signal.aborted) give();
  options.signal.addEventListener('abort', give);
  client.connect();
  const failed = await Promise.race([given, connected, closed]);
  options.signal.removeEventListener('abort', give);
  if (failed) {
    client.end(true);
    throw failed;
  }
  return asLink(client, options.unit, closed);
}

function wireOf(socket: Socket): Wire {
  return {
    ends() {
      const { localAddress, remoteAddress } = socket;
      return localAddress === undefined || remoteAddress === undefined ? undefined : { localAddress, remoteAddress };
    },
    bytes: () => socket.bytesRead + socket.bytesWritten,
  };
}

function mqttOptions(options: LinkOptions): IClientOptions {
  return {
    clientId: options.unit,
    protocolVersion: 4,
    clean: true,
    keepalive: KEEP_ALIVE_S,
    // Also while we publish: only an answer shows that the other side is there.
    reschedulePings: false,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS_MAX,
    queueQoSZero: false,
    resubscribe: false,
    manualConnect: true,
    will: { topic: upTopic(options.unit, 'status'), payload: options.will, qos: 1, retain: true },
  };
}

function asLink(client: MqttClient, unit: string, closed: Promise<Fault>): Link {
  return {
    closed,
    publish: (up, payload, qos) => void client.publish(upTopic(unit, up), payload, { qos }),
    publishLive: (camera, payload) => void client.publish(liveTopic(unit, camera), payload, { qos: 0 }),
    publishRetained: (up, payload) => void client.publish(upTopic(unit, up), payload, { qos: 1, retain: true }),
    async subscribe() {
      const topics = (['ack', 'desired', 'receipt'] as const).map((down) => downTopic(unit, down));
      const granted = client.subscribeAsync(topics, { qos: 1 }).catch((error: unknown) => {
        throw new Fault('denied', 'LR_UPLINK_REFUSED', 'the controller refused the subscription', { cause: error });
      });
      const ended = await Promise.race([granted, closed]);
      if (ended instanceof Fault) throw ended;
      if (ended.some((grant) => grant.qos > 1)) throw new Fault('denied', 'LR_UPLINK_REFUSED', 'the controller refused the subscription');
    },
    async end(how) {
      client.end(how === 'now');
      await closed;
    },
  };
}

/** MQTT 3.1.1, 3.2.2.3: return codes of CONNACK come as numbers; TLS and certificate errors as names of OpenSSL. */
function linkFault(cause: unknown): Fault {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const message = cause instanceof Error ? cause.message : 'closed by the other side';
  if (typeof code === 'number')
    return new Fault('denied', 'LR_UPLINK_REFUSED', `the controller refused the connection: ${message}`, {
      cause,
      hint: "Check that the controller knows this unit and that the certificate's name is the unit's.",
    });
  const name = errorCode(cause) ?? '';
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(name))
    return new Fault('denied', 'LR_UPLINK_TLS', `TLS with the controller failed: ${message}`, {
      cause,
      detail: { reason: name },
      hint: 'Check the certificates of both sides, that they are of one fleet, and the clock.',
    });
  return new Fault('unavailable', 'LR_UPLINK_CONNECT', `no connection to the controller: ${message}`, { cause, detail: { reason: name } });
}
