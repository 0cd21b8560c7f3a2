/**
 * Two ingest workers on one mosquitto: each with its own connections to the database and to the broker, as two processes would have.
 * They share the store of blobs, because a second process would clear the first one's unfinished files at its start.
 */
import { type Clock, systemClock } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { BrokerCounters, PartitionedBroker } from '@longroof/controller/broker/broker';
import { createExternalBroker } from '@longroof/controller/broker/external';
import type { IngestCounters } from '@longroof/controller/ingest/context';
import { createIngest, type Ingest, type SignerKeys } from '@longroof/controller/ingest/ingest';
import { LiveDesk } from '@longroof/controller/live/desk';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { openStore, type Store } from '@longroof/controller/store/open';
import type { KeyAndCertificate } from '@longroof/protocol/authority';
import { until } from '../peers/program.js';

export interface WorkerOptions {
  name: string;
  dir: string;
  blobs: BlobStore;
  centre: KeyAndCertificate;
  rootPem: string;
  keys: { receipt: SignerKeys; desired: SignerKeys };
  centrePort: number;
  log: Log;
  clock?: Clock;
  leaseClock?: Clock;
  leaseMs?: number;
}

export interface Worker {
  name: string;
  store: Store;
  broker: PartitionedBroker;
  ingest: Ingest;
  live: LiveDesk;
  stop(): Promise<void>;
}

export async function openWorker(options: WorkerOptions): Promise<Worker> {
  const { name, dir, blobs, centre, rootPem, keys, centrePort, log } = options;
  const clock = options.clock ?? systemClock;
  const store = await openStore({ dir: `${dir}/data`, clock: systemClock, log });
  const address = { host: '127.0.0.1', port: centrePort, caPem: rootPem, keyPem: centre.keyPem, certificatePem: centre.certificatePem };
  const broker = createExternalBroker({ address, clientId: `centre.${name}`, clock: systemClock, log });
  const partitions = { broker, worker: name, leaseMs: options.leaseMs ?? 15_000, clock: options.leaseClock ?? systemClock };
  const show = (...piece: Parameters<LiveDesk['take']>): void => live.take(...piece);
  const ingest = createIngest({ store, blobs, broker, keys, rootPem, clock, log, partitions, live: show });
  const live = new LiveDesk({ store, link: ingest, clock, log });
  return {
    name,
    store,
    broker,
    ingest,
    live,
    async stop() {
      await live.stop();
      await ingest.stop();
      await store.close();
    },
  };
}

/** Each holds its half and hears it. The first knows of the second from the beginning, so that nothing has to move. */
export async function startWorkers(workers: readonly Worker[]): Promise<void> {
  for (const { name, store } of workers)
    await store.db
      .insertInto('ingest_worker')
      .values({ worker: name, beat: 0 })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  for (const { ingest } of workers) await ingest.start();
  const share = Math.ceil(256 / workers.length);
  await until('each worker holds and hears its share', () =>
    workers.every(({ ingest, broker }) => ingest.held?.size === share && broker.fault === undefined),
  );
}

/** All of them as one. */
export function together(workers: readonly Worker[]): { ingest: Ingest; broker: PartitionedBroker } {
  const [first] = workers as [Worker];
  const sum = <T extends object>(read: (worker: Worker) => T): T => {
    const total = { ...read(first) } as Record<string, number>;
    for (const worker of workers.slice(1)) for (const [key, value] of Object.entries(read(worker))) total[key] = (total[key] ?? 0) + value;
    return total as T;
  };
  const ingest: Ingest = {
    start: () => startWorkers(workers),
    async stop() {
      await Promise.all(workers.map((worker) => worker.ingest.stop()));
    },
    isOnline: (unit) => workers.some((worker) => worker.ingest.isOnline(unit)),
    async sendDesired(unit) {
      await Promise.all(workers.map((worker) => worker.ingest.sendDesired(unit)));
    },
    watchLive(unit, on) {
      for (const worker of workers) worker.ingest.watchLive(unit, on);
    },
    acknowledgeLive: (unit, handle, offset) => first.ingest.acknowledgeLive(unit, handle, offset),
    held: undefined,
    get refused() {
      const total = new Map<string, number>();
      for (const worker of workers) for (const [code, count] of worker.ingest.refused) total.set(code, (total.get(code) ?? 0) + count);
      return total;
    },
    get counters() {
      return sum<IngestCounters>((worker) => worker.ingest.counters);
    },
  };
  const broker: PartitionedBroker = {
    ...{ port: first.broker.port, fault: undefined, hold: () => undefined, drop: async () => undefined },
    ...{ start: async () => undefined, stop: async () => undefined, publish: async () => undefined, kick: () => undefined },
    ...{ tell: async () => undefined, watch: () => undefined },
    session: (unit) => workers.map((worker) => worker.broker.session(unit)).find((session) => session !== undefined),
    get counters() {
      return sum<BrokerCounters>((worker) => worker.broker.counters);
    },
  };
  return { ingest, broker };
}
