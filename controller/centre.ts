/** A running centre: store, broker, ingest, API and page, started in order and stopped in the other. */
import { createPrivateKey } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { assert, type Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { type Authority, type KeyAndCertificate, openAuthority } from '@longroof/protocol/authority';
import type { FastifyInstance } from 'fastify';
import { AuditLog } from './accounts/audit-log.js';
import { People } from './accounts/people.js';
import { openSecrets, type Secrets } from './accounts/secrets.js';
import { ViewTokens } from './accounts/view-tokens.js';
import { createApi } from './api/server.js';
import { checkRestored } from './backup/restore.js';
import type { Broker } from './broker/broker.js';
import { hostPort, makeBroker } from './centre-broker.js';
import type { ControllerConfig } from './config.js';
import { Answers } from './custody/answers.js';
import { Exporter } from './custody/export.js';
import { Alarms } from './fleet/alarms.js';
import { Configurations } from './fleet/configurations.js';
import { CoverageReader } from './fleet/coverage.js';
import { Holds } from './fleet/holds.js';
import { Pulls } from './fleet/pulls.js';
import { RestoreReader } from './fleet/restores.js';
import { UnitReader } from './fleet/units.js';
import { createIngest, type Ingest } from './ingest/ingest.js';
import { type CentreKeys, checkKeys, openKeys } from './keys.js';
import { LiveDesk } from './live/desk.js';
import { Playback } from './playback/playback.js';
import { RestoreReport } from './restore-report.js';
import type { BlobStore } from './store/blobs.js';
import { openFolderBlobs } from './store/folder-blobs.js';
import { openStore, type Store } from './store/open.js';
import { startAlone } from './store/start-lock.js';
import { VERSION } from './version.js';

export interface CentreOptions {
  config: ControllerConfig;
  clock: Clock;
  disk: Disk;
  log: Log;
}

const PAGE_FOLDER = fileURLToPath(new URL('../web/dist', import.meta.url));

export class Centre {
  readonly httpUrl: string;
  readonly mqttUrl: string;
  readonly #store: Store;
  readonly #ingest: Ingest;
  readonly #live: LiveDesk;
  readonly #api: FastifyInstance;
  readonly #report: RestoreReport;

  private constructor(parts: {
    store: Store;
    ingest: Ingest;
    live: LiveDesk;
    api: FastifyInstance;
    report: RestoreReport;
    httpUrl: string;
    mqttUrl: string;
  }) {
    this.#store = parts.store;
    this.#ingest = parts.ingest;
    this.#live = parts.live;
    this.#api = parts.api;
    this.#report = parts.report;
    this.httpUrl = parts.httpUrl;
    this.mqttUrl = parts.mqttUrl;
  }

  /** Resolves when units can connect and people can sign in. */
  static async start(options: CentreOptions): Promise<Centre> {
    const { config, clock, disk, log } = options;
    const { data, http } = config;
    checkRestored(disk, data);
    disk.makeDirectory(data);
    const { authority, keys, secrets, store, blobs } = await startAlone(data, () => openData(options));
    const undo: (() => Promise<unknown>)[] = [() => store.close()];
    try {
      const { rootPem } = authority;
      const { broker, partitions, url } = makeBroker({ config, keys, rootPem, disk, clock, log });
      const signers = { receipt: signer(keys.receipt), desired: signer(keys.desired) };
      const show = (...piece: Parameters<LiveDesk['take']>): void => live.take(...piece);
      const parts = { store, blobs, broker, keys: signers, rootPem, clock, log, live: show };
      const ingest = createIngest({ ...parts, ...(partitions ? { partitions } : {}) });
      const live = new LiveDesk({ store, link: ingest, clock, log: log.child({ part: 'live' }) });
      const heard = (): Fault | undefined => partitions?.broker.fault;
      const api = await openApi({ ...options, store, ingest, live, blobs, broker, heard, keys, secrets, authority });
      undo.push(() => api.close());
      await ingest.start();
      undo.push(() => ingest.stop());
      live.start();
      undo.push(() => live.stop());
      await api.listen({ host: http.host, port: http.port });
      const report = new RestoreReport({ db: store.db, data, disk, clock, log });
      await report.start();
      const httpUrl = `http://${hostPort(http.host, portOf(api))}`;
      return new Centre({ store, ingest, live, api, report, httpUrl, mqttUrl: url() });
    } catch (error) {
      for (const act of undo.reverse()) await act();
      throw error;
    }
  }

  /** Throws what went wrong first, after trying all of it. */
  async stop(): Promise<void> {
    const results: PromiseSettledResult<unknown>[] = [];
    const parts = [() => this.#live.stop(), () => this.#ingest.stop(), () => this.#report.stop(), () => this.#store.close()];
    for (const act of [() => this.#api.close(), ...parts]) results.push(...(await Promise.allSettled([act()])));
    for (const result of results) if (result.status === 'rejected') throw toFault(result.reason, 'stop');
  }
}

interface Data {
  authority: Authority;
  keys: CentreKeys;
  secrets: Secrets;
  store: Store;
  blobs: BlobStore;
}

/** What is made at the first start and found at every other; of several processes one does so at a time. */
async function openData({ config, clock, disk, log }: CentreOptions): Promise<Data> {
  const { data, mqtt } = config;
  const authority = await openAuthority(config.authority, disk, clock.utc);
  const hosts = mqtt.external ? certificateHosts('localhost', []) : certificateHosts(mqtt.host, mqtt.names);
  const asClient = mqtt.external !== undefined && mqtt.identity === undefined;
  const keys = await openKeys({ directory: path.join(data, 'keys'), hosts, asClient, authority, disk, clock, log });
  const secrets = openSecrets(disk, path.join(data, 'keys', 'secret.key'));
  const store = await openStore({ dir: data, clock, log });
  try {
    // Who has a broker of its own has the folder to itself.
    const blobs = await openFolderBlobs({ dir: data, clock, ...(mqtt.external ? { shared: clock } : {}) });
    return { authority, keys, secrets, store, blobs };
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface ApiNeeds extends CentreOptions, Pick<Data, 'store' | 'blobs' | 'keys' | 'secrets'> {
  ingest: Ingest;
  live: LiveDesk;
  broker: Broker;
  /** Why units are not heard, where a broker that is not ours is to blame. */
  heard: () => Fault | undefined;
  authority: Pick<Authority, 'rootPem'>;
}

async function openApi({
  config,
  clock,
  disk,
  log,
  store,
  ingest,
  live,
  blobs,
  broker,
  heard,
  keys,
  secrets,
  authority,
}: ApiNeeds): Promise<FastifyInstance> {
  const { db, reads } = store;
  const answerSigner = { key: createPrivateKey(keys.receipt.keyPem), certPem: keys.receipt.certificatePem };
  return createApi({
    people: new People(db, clock),
    views: new ViewTokens(secrets.viewKey, clock),
    audit: new AuditLog(db, clock),
    units: new UnitReader(reads, clock),
    coverage: new CoverageReader(reads, clock),
    restores: new RestoreReader(reads),
    pulls: new Pulls({ store, ingest, clock }),
    holds: new Holds({ store, ingest, clock }),
    live,
    alarms: new Alarms(db, clock),
    configurations: new Configurations({ store, ingest, clock }),
    playback: new Playback({ db: reads, blobs, clock }),
    answers: new Answers({ db, clock, signer: answerSigner, storeEpoch: store.storeEpoch }),
    exporter: new Exporter({
      db,
      blobs,
      clock,
      signer: answerSigner,
      rootPem: authority.rootPem,
      storeEpoch: store.storeEpoch,
      version: VERSION,
    }),
    clock,
    log,
    sessionKey: secrets.sessionKey,
    behindTls: config.http.behindTls,
    pageFolder: disk.stat(path.join(PAGE_FOLDER, 'index.html'))?.isFile ? PAGE_FOLDER : undefined,
    counters: { ingest: () => ingest.counters, broker: () => broker.counters },
    refused: () => ingest.refused,
    checks: {
      database: () => db.selectFrom('setting').select('key').limit(1).execute(),
      certificates: async () => checkKeys(keys, clock),
      broker: async () => {
        const fault = heard();
        if (fault) throw fault;
      },
    },
    version: VERSION,
  });
}

function signer(pair: KeyAndCertificate): { keyPem: string; certPem: string } {
  return { keyPem: pair.keyPem, certPem: pair.certificatePem };
}

/** Names for the server's certificate: those that are configured, the address it listens on, and this machine by its own names. */
function certificateHosts(host: string, configured: readonly string[]): string[] {
  const everywhere = host === '0.0.0.0' || host === '::';
  return [...new Set([...configured, ...(everywhere ? [os.hostname()] : [host]), 'localhost', '127.0.0.1', '::1'])];
}

function portOf(api: FastifyInstance): number {
  const address = api.server.address();
  assert(typeof address === 'object' && address !== null, 'a server that listens has an address');
  return address.port;
}
