/** The broker of a centre, as its configuration has it: its own, or one that it is a client of. */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { assert } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { Broker, PartitionedBroker } from './broker/broker.js';
import type { BrokerAddress } from './broker/broker-link.js';
import { createBroker } from './broker/embedded.js';
import { createExternalBroker } from './broker/external.js';
import type { ControllerConfig, ExternalBrokerPlace } from './config.js';
import type { CentreKeys } from './keys.js';

const MQTTS_PORT = 8883;

export interface CentreBroker {
  broker: Broker;
  /** Where several may share it: who we are among them. */
  partitions?: { broker: PartitionedBroker; worker: string };
  /** By which it is reached; known once it has started. */
  url(): string;
}

interface Needs {
  config: ControllerConfig;
  keys: CentreKeys;
  rootPem: string;
  disk: Disk;
  clock: Clock;
  log: Log;
}

export function makeBroker({ config, keys, rootPem, disk, clock, log }: Needs): CentreBroker {
  const { mqtt } = config;
  if (mqtt.external) {
    const worker = workerName();
    const address = addressOf(mqtt, keys, rootPem, disk);
    // The dot keeps it apart from every unit.
    const broker = createExternalBroker({ address, clientId: `centre.${worker}`, clock, log });
    return { broker, partitions: { broker, worker }, url: () => mqtt.external.href };
  }
  const server = { serverKeyPem: keys.server.keyPem, serverCertPem: keys.server.certificatePem, rootPem };
  const broker = createBroker({ host: mqtt.host, port: mqtt.port, keys: server, log, clock });
  return { broker, url: () => `mqtts://${hostPort(mqtt.host, broker.port)}` };
}

function addressOf({ external, ca, identity }: ExternalBrokerPlace, keys: CentreKeys, rootPem: string, disk: Disk): BrokerAddress {
  const read = (file: string): string => disk.readFile(file).toString('utf8');
  const own = identity ? { keyPem: read(identity.key), certificatePem: read(identity.certificate) } : keys.centre;
  assert(own, 'the centre has a certificate as a client');
  return {
    host: external.hostname.replace(/^\[|\]$/g, ''),
    port: external.port === '' ? MQTTS_PORT : Number(external.port),
    caPem: ca === undefined ? rootPem : read(ca),
    ...own,
  };
}

/** New with each start: what an earlier start held runs out or was given back. */
function workerName(): string {
  return `${os.hostname().slice(0, 32)}-${process.pid}-${randomBytes(3).toString('hex')}`;
}

export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
