/** A centre on loopback for tests: authority, store, blobs, broker, ingest and pulls, each the real one, in a folder of its own. */
import { type Clock, systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { createLog, type Log, silentLog } from '@longroof/base/log';
import type { Broker } from '@longroof/controller/broker/broker';
import { type BrokerLimits, createBroker } from '@longroof/controller/broker/embedded';
import { Pulls } from '@longroof/controller/fleet/pulls';
import { createIngest, type Ingest } from '@longroof/controller/ingest/ingest';
import { LiveDesk } from '@longroof/controller/live/desk';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { openFolderBlobs } from '@longroof/controller/store/folder-blobs';
import { openStore, type Store } from '@longroof/controller/store/open';
import { type Authority, type KeyAndCertificate, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import { BACKEND } from './backend.js';
import { type Mosquitto, runMosquitto, startMosquitto } from './mosquitto.js';
import { openWorker, startWorkers, together, type WorkerOptions } from './workers.js';

export interface Centre {
  dir: string;
  authority: Authority;
  store: Store;
  blobs: BlobStore;
  broker: Broker;
  ingest: Ingest;
  pulls: Pulls;
  /** Where two workers share the broker, that of the second. */
  live: LiveDesk;
  port: number;
  stop(): Promise<void>;
}

export interface CentreOptions {
  limits?: Partial<BrokerLimits>;
  port?: number;
  /** Default 127.0.0.1; also a name of its certificate. */
  host?: string;
  wrapBlobs?: (blobs: BlobStore) => BlobStore;
  clock?: Clock;
}

export const testLog: Log = process.env['LONGROOF_TEST_LOG'] ? createLog('centre', 'debug') : silentLog;

interface Keys {
  authority: Authority;
  server: KeyAndCertificate;
  receipt: KeyAndCertificate;
  desired: KeyAndCertificate;
  centre: KeyAndCertificate;
}
const kept = new Map<string, Keys>();
const brokers = new Map<string, Mosquitto>();

const signer = (pair: KeyAndCertificate) => ({ keyPem: pair.keyPem, certPem: pair.certificatePem });

async function keysOf(dir: string, host: string | undefined): Promise<Keys> {
  const known = kept.get(dir);
  if (known) return known;
  const authority = await openAuthority(`${dir}/authority`, systemDisk, systemClock.utc);
  const keys = {
    authority,
    server: await authority.issueServer(['127.0.0.1', 'localhost', ...(host ? [host] : [])]),
    receipt: await authority.issueSigner('receipt'),
    desired: await authority.issueSigner('desired'),
    centre: await authority.issueCentre(),
  };
  kept.set(dir, keys);
  return keys;
}

/** Started again on the same folder it is the same centre with the same keys. */
export async function startCentre(dir: string, options: CentreOptions = {}): Promise<Centre> {
  const keys = await keysOf(dir, options.host);
  const folder = await openFolderBlobs({ dir: `${dir}/data` });
  const blobs = options.wrapBlobs ? options.wrapBlobs(folder) : folder;
  return BACKEND === 'mosquitto' ? onMosquitto(dir, keys, blobs, options) : onEmbedded(dir, keys, blobs, options);
}

async function onEmbedded(dir: string, keys: Keys, blobs: BlobStore, options: CentreOptions): Promise<Centre> {
  const { authority, server, receipt, desired } = keys;
  const store = await openStore({ dir: `${dir}/data`, clock: systemClock, log: testLog });
  const broker = createBroker({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    keys: { serverKeyPem: server.keyPem, serverCertPem: server.certificatePem, rootPem: authority.rootPem },
    log: testLog,
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const clock = options.clock ?? systemClock;
  const show = (...piece: Parameters<LiveDesk['take']>): void => live.take(...piece);
  const ingest = createIngest({
    store,
    blobs,
    broker,
    keys: { receipt: signer(receipt), desired: signer(desired) },
    rootPem: authority.rootPem,
    clock,
    log: testLog,
    live: show,
  });
  const live = new LiveDesk({ store, link: ingest, clock, log: testLog });
  await ingest.start();
  const pulls = new Pulls({ store, ingest, clock: systemClock });
  const stop = async (): Promise<void> => {
    await live.stop();
    await ingest.stop();
    await store.close();
  };
  return { dir, authority, store, blobs, broker, ingest, pulls, live, port: broker.port, stop };
}

export async function openAuthorityOf(dir: string): Promise<Authority> {
  return (await keysOf(dir, undefined)).authority;
}

export async function mosquittoOf(dir: string): Promise<Mosquitto> {
  const known = brokers.get(dir);
  if (known) known.program = await runMosquitto(known.conf);
  const mosquitto = known ?? (await startMosquitto(dir, `${dir}/authority`));
  brokers.set(dir, mosquitto);
  return mosquitto;
}

/** What each worker of this folder is opened with, beside its name. */
export async function workerOptions(dir: string, blobs: BlobStore, centrePort: number): Promise<Omit<WorkerOptions, 'name'>> {
  const { authority, receipt, desired, centre } = await keysOf(dir, undefined);
  const signers = { receipt: signer(receipt), desired: signer(desired) };
  return { dir, blobs, centre, rootPem: authority.rootPem, keys: signers, centrePort, log: testLog };
}

async function onMosquitto(dir: string, keys: Keys, blobs: BlobStore, options: CentreOptions): Promise<Centre> {
  const mosquitto = await mosquittoOf(dir);
  const shared = { ...(await workerOptions(dir, blobs, mosquitto.centrePort)), ...(options.clock ? { clock: options.clock } : {}) };
  const workers = [await openWorker({ ...shared, name: 'a' }), await openWorker({ ...shared, name: 'b' })];
  await startWorkers(workers);
  const { ingest, broker } = together(workers);
  const [{ store }, { live }] = workers as [(typeof workers)[0], (typeof workers)[0]];
  const pulls = new Pulls({ store, ingest, clock: systemClock });
  const stop = async (): Promise<void> => {
    for (const worker of workers) await worker.stop();
    await mosquitto.program.stop();
  };
  return { dir, authority: keys.authority, store, blobs, broker, ingest, pulls, live, port: mosquitto.port, stop };
}

export type { UnitIdentity };
