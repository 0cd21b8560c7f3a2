/** A centre on loopback for tests: authority, store, blobs, broker, ingest and pulls, each the real one, in a folder of its own. */
import { type Clock, systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { createLog, type Log, silentLog } from '@longroof/base/log';
import type { Broker } from '@longroof/controller/broker/broker';
import { type BrokerLimits, createBroker } from '@longroof/controller/broker/embedded';
import { Pulls } from '@longroof/controller/fleet/pulls';
import { createIngest, type Ingest } from '@longroof/controller/ingest/ingest';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { openFolderBlobs } from '@longroof/controller/store/folder-blobs';
import { openStore, type Store } from '@longroof/controller/store/open';
import { type Authority, type KeyAndCertificate, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';

export interface Centre {
  dir: string;
  authority: Authority;
  store: Store;
  blobs: BlobStore;
  broker: Broker;
  ingest: Ingest;
  pulls: Pulls;
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

const log: Log = process.env['LONGROOF_TEST_LOG'] ? createLog('centre', 'debug') : silentLog;
const kept = new Map<string, { authority: Authority; server: KeyAndCertificate; receipt: KeyAndCertificate; desired: KeyAndCertificate }>();

/** Started again on the same folder it is the same centre with the same keys. */
export async function startCentre(dir: string, options: CentreOptions = {}): Promise<Centre> {
  let keys = kept.get(dir);
  if (!keys) {
    const authority = await openAuthority(`${dir}/authority`, systemDisk, systemClock.utc);
    keys = {
      authority,
      server: await authority.issueServer(['127.0.0.1', 'localhost', ...(options.host ? [options.host] : [])]),
      receipt: await authority.issueSigner('receipt'),
      desired: await authority.issueSigner('desired'),
    };
    kept.set(dir, keys);
  }
  const { authority, server, receipt, desired } = keys;
  const store = await openStore({ dir: `${dir}/data`, clock: systemClock, log });
  const folder = await openFolderBlobs({ dir: `${dir}/data` });
  const blobs = options.wrapBlobs ? options.wrapBlobs(folder) : folder;
  const broker = createBroker({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    keys: { serverKeyPem: server.keyPem, serverCertPem: server.certificatePem, rootPem: authority.rootPem },
    log,
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const signer = (pair: KeyAndCertificate) => ({ keyPem: pair.keyPem, certPem: pair.certificatePem });
  const ingest = createIngest({
    store,
    blobs,
    broker,
    keys: { receipt: signer(receipt), desired: signer(desired) },
    rootPem: authority.rootPem,
    clock: options.clock ?? systemClock,
    log,
  });
  await ingest.start();
  const pulls = new Pulls({ store, ingest, clock: systemClock });
  return {
    dir,
    authority,
    store,
    blobs,
    broker,
    ingest,
    pulls,
    port: broker.port,
    async stop() {
      await ingest.stop();
      await store.close();
    },
  };
}

export type { UnitIdentity };
