/**
 * One connection of the centre to a broker that is not its own: MQTT 3.1.1 over TLS with both certificates. It never reconnects by
 * itself; what was subscribed and under way ends with it.
 */
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errorCode, Fault } from '@longroof/base/errors';
import type { MqttClient } from 'mqtt';

const KEEP_ALIVE_S = 15;
const CONNECT_MS_MAX = 10_000;

export interface BrokerAddress {
  host: string;
  port: number;
  /** Who must have signed the broker's certificate. */
  caPem: string;
  /** The centre's own. */
  keyPem: string;
  certificatePem: string;
}

export interface BrokerMessage {
  topic: string;
  payload: Buffer;
  retain: boolean;
  qos: number;
}

export interface BrokerLink {
  subscribe(filters: readonly string[]): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** Resolves when it is written (QoS 0), acknowledged (QoS 1), or pointless because the link is closed. */
  publish(topic: string, payload: Buffer, qos: 0 | 1): Promise<void>;
  readonly closed: Promise<Fault>;
  end(how: 'orderly' | 'now'): Promise<void>;
}

/**
 * Resolves after CONNACK. `onMessage` is called in order; while its promise is open nothing more is read. Throws `unavailable`
 * (LR_BROKER_CONNECT), `denied` (LR_BROKER_REFUSED, LR_BROKER_TLS).
 */
export async function openBrokerLink(
  address: BrokerAddress,
  clientId: string,
  onMessage: (message: BrokerMessage) => Promise<void> | undefined,
): Promise<BrokerLink> {
  const mqtt = await import('mqtt');
  const Client = mqtt.MqttClient ?? mqtt.default.MqttClient;
  let cause: unknown;
  const note = (error: unknown): void => {
    cause ??= error;
  };
  const options = {
    clientId,
    protocolVersion: 4 as const,
    clean: true,
    keepalive: KEEP_ALIVE_S,
    reschedulePings: false,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS_MAX,
    queueQoSZero: false,
    resubscribe: false,
    manualConnect: true,
  };
  const client: MqttClient = new Client(() => openSocket(address).on('error', note), options);
  client.on('error', note);
  client.handleMessage = (packet, done) => {
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const later = onMessage({ topic: packet.topic, payload, retain: packet.retain, qos: packet.qos });
    if (!later) return done();
    later.then(() => done(), done);
  };
  const closed = new Promise<Fault>((resolve) => {
    client.once('close', () => resolve(linkFault(cause, address)));
  });
  const connected = new Promise<undefined>((resolve) => {
    client.once('connect', () => resolve(undefined));
  });
  client.connect();
  const failed = await Promise.race([connected, closed]);
  if (failed) {
    client.end(true);
    throw failed;
  }
  return asLink(client, closed);
}

function openSocket({ host, port, caPem, keyPem, certificatePem }: BrokerAddress): ReturnType<typeof connectTls> {
  const tls = {
    host,
    port,
    servername: isIP(host) ? '' : host,
    ca: caPem,
    key: keyPem,
    cert: certificatePem,
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: true,
    noDelay: true,
    keepAlive: true,
  };
  return connectTls(tls);
}

function asLink(client: MqttClient, closed: Promise<Fault>): BrokerLink {
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });
  const orClosed = async (what: Promise<unknown>): Promise<void> => {
    await Promise.race([what, closed]);
  };
  return {
    closed,
    async subscribe(filters) {
      if (isClosed || filters.length === 0) return;
      const asked = client.subscribeAsync([...filters], { qos: 1 }).catch((error: unknown) => {
        if (!isClosed) throw new Fault('denied', 'LR_BROKER_REFUSED', 'the broker refused a subscription', { cause: error });
      });
      await orClosed(asked);
    },
    async unsubscribe(filters) {
      if (!isClosed && filters.length > 0) await orClosed(client.unsubscribeAsync([...filters]).catch(() => undefined));
    },
    async publish(topic, payload, qos) {
      if (isClosed) return;
      const written = new Promise<void>((resolve) => {
        client.publish(topic, payload, { qos, retain: false }, () => resolve());
      });
      await orClosed(written);
    },
    async end(how) {
      client.end(how === 'now');
      await closed;
    },
  };
}

/** MQTT 3.1.1, 3.2.2.3: return codes of CONNACK come as numbers; TLS and certificate errors as names of OpenSSL. */
function linkFault(cause: unknown, { host, port }: BrokerAddress): Fault {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const message = cause instanceof Error ? cause.message : 'closed by the broker';
  const where = `the broker at ${host}:${port}`;
  if (typeof code === 'number')
    return new Fault('denied', 'LR_BROKER_REFUSED', `${where} refused the connection: ${message}`, {
      cause,
      hint: "Check that its access list names the centre's certificate.",
    });
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(errorCode(cause) ?? ''))
    return new Fault('denied', 'LR_BROKER_TLS', `TLS with ${where} failed: ${message}`, {
      cause,
      hint: 'Check that the certificates of both sides are of one fleet and that its names hold mqtt.external.',
    });
  return new Fault('unavailable', 'LR_BROKER_CONNECT', `no connection to ${where}: ${message}`, { cause });
}
