/**
 * How the centre's database grows with the journals of wagons whose disks are full, and what it costs to take them: the real ingest and the
 * real database; the units are the fleet bench's, their days made beforehand on a clock that is told the time. At the end the journals are
 * compared whole.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { seededRandom } from '@longroof/base/random';
import { type Broker, type BrokerHandlers, newBrokerCounters, type Session } from '@longroof/controller/broker/broker';
import { RecordReader } from '@longroof/controller/custody/records';
import { CoverageReader } from '@longroof/controller/fleet/coverage';
import { UnitReader } from '@longroof/controller/fleet/units';
import { createIngest } from '@longroof/controller/ingest/ingest';
import { openFolderBlobs } from '@longroof/controller/store/folder-blobs';
import { openStore, type Store } from '@longroof/controller/store/open';
import { type Authority, openAuthority, type UnitIdentity } from '@longroof/protocol/authority';
import { encodeBatch } from '@longroof/protocol/journal';
import { keyId } from '@longroof/protocol/signed';
import { readDatabase } from '../peers/wagon.js';
import { type Compared, compare } from './fleet/compare.js';
import { Day } from './fleet/day.js';
import { JournalSpool } from './fleet/journal-spool.js';

export interface GrowthOptions {
  units: number;
  /** Of each unit. */
  hours: number;
  seed: number;
  say: (text: string) => void;
}

export interface GrowthResult {
  records: number;
  bytesPerRecord: number;
  /** Of a wagon whose disk is full. */
  mbPerUnitDay: number;
  /** Bytes a record of each table with its indexes, and of each index. */
  shares: Record<string, number>;
  /** All threads, CPU milliseconds. */
  cpuMsPer1000Records: number;
  /** Milliseconds, median. */
  queries: Record<string, number>;
  compared: Compared;
}

/** Of simulated time, from one batch to the next. */
const BATCH_MS = 30_000;
const BATCH_BYTES_MAX = 256 * 1024;
const HOUR_MS = 3_600_000;
const ASKED = 21;
/** Records that are read as an export reads them. */
const STRETCH = 2000;

interface Made {
  unit: string;
  spool: JournalSpool;
  session: Session;
  batches: Buffer[];
}

async function makeUnit(unit: string, identity: UnitIdentity, hours: number, seed: number): Promise<Made> {
  const clock = new SimClock(1_000_000, Date.UTC(2026, 5, 1));
  const publicKey = createPublicKey(createPrivateKey(identity.journalKeyPem));
  const spool = new JournalSpool(unit, identity.journalKeyPem, `3f2b9c1e-0000-4000-8000-${String(seed).padStart(12, '0')}`, clock);
  const day = new Day(spool, seededRandom(seed), clock);
  day.begin(publicKey.export({ type: 'spki', format: 'pem' }) as string);
  const batches: Buffer[] = [];
  for (let ms = 0; ms < hours * HOUR_MS; ms += BATCH_MS) {
    await clock.advance(BATCH_MS);
    for (;;) {
      const records = await spool.journal(spool.acknowledged, BATCH_BYTES_MAX);
      const last = records.at(-1);
      if (!last) break;
      spool.journalAcknowledged(last.seq + 1);
      const { oldest, next } = spool.journalPosition();
      if (oldest !== next) throw new Error('more records in a batch than it may have');
      batches.push(encodeBatch({ epoch: spool.identity.epoch, records, head: spool.head }));
    }
  }
  day.end();
  const session = { unit, journalKeySha256: keyId(publicKey), certificatePem: identity.unitCertificatePem, closed: false };
  return { unit, spool, session, batches };
}

/** Hands over what it is told to; what goes back to the units is nobody's here. */
class HandBroker implements Broker {
  readonly port = 0;
  readonly counters = newBrokerCounters();
  readonly #sessions = new Map<string, Session>();
  handlers: BrokerHandlers | undefined;

  async start(handlers: BrokerHandlers): Promise<void> {
    this.handlers = handlers;
  }
  connect(session: Session): void {
    this.#sessions.set(session.unit, session);
    this.handlers?.connected(session);
  }
  session(unit: string): Session | undefined {
    return this.#sessions.get(unit);
  }
  async publish(): Promise<void> {}
  async tell(): Promise<void> {}
  watch(): void {}
  kick(): void {}
  async stop(): Promise<void> {}
}

async function take(store: Store, authority: Authority, folder: string, made: readonly Made[]): Promise<number> {
  const [receipt, desired] = [await authority.issueSigner('receipt'), await authority.issueSigner('desired')];
  const signer = ({ keyPem, certificatePem }: typeof receipt) => ({ keyPem, certPem: certificatePem });
  const broker = new HandBroker();
  const blobs = await openFolderBlobs({ dir: folder });
  const keys = { receipt: signer(receipt), desired: signer(desired) };
  const ingest = createIngest({ store, blobs, broker, keys, rootPem: authority.rootPem, clock: systemClock, log: silentLog });
  await ingest.start();
  const before = process.cpuUsage();
  await Promise.all(
    made.map(async ({ session, batches }) => {
      broker.connect(session);
      for (const batch of batches) await broker.handlers?.message(session, 'journal', batch, false);
    }),
  );
  await ingest.stop();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function median(ask: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < ASKED; n += 1) {
    const fromMs = systemClock.mono();
    await ask();
    took.push(systemClock.mono() - fromMs);
  }
  return took.sort((a, b) => a - b)[Math.floor(ASKED / 2)] as number;
}

async function askAll(store: Store, { unit, spool }: Made, hours: number): Promise<Record<string, number>> {
  const { epoch, next } = { epoch: spool.identity.epoch, next: spool.next };
  const toMs = Date.UTC(2026, 5, 1) + hours * HOUR_MS;
  const coverage = new CoverageReader(store.reads, systemClock);
  const units = new UnitReader(store.reads, systemClock);
  const records = new RecordReader(store.reads);
  const first = Math.max(0, Math.floor(next / 2) - STRETCH);
  const stretch = async (): Promise<void> => {
    for await (const _ of records.lines({ unit, epoch }, { first, last: first + STRETCH - 1 }));
  };
  return {
    'units, all': await median(() => units.list()),
    'coverage, an hour of one unit': await median(() => coverage.read({ unit, fromMs: toMs - HOUR_MS, toMs })),
    'coverage, all of one unit': await median(() => coverage.read({ unit, fromMs: toMs - hours * HOUR_MS, toMs })),
    [`${STRETCH} records for an export`]: await median(stretch),
  };
}

function sharesOf(file: string, records: number): Pick<GrowthResult, 'bytesPerRecord' | 'shares'> {
  return readDatabase(file, (db) => {
    const rows = db.prepare('select name, sum(pgsize) as bytes from dbstat group by name order by bytes desc').all();
    const shares = (rows as { name: string; bytes: number }[]).map(({ name, bytes }) => [name, bytes / records] as const);
    const bytesPerRecord = shares.reduce((sum, [, bytes]) => sum + bytes, 0);
    return { bytesPerRecord, shares: Object.fromEntries(shares.filter(([, bytes]) => bytes >= bytesPerRecord / 100)) };
  });
}

export async function benchGrowth({ units, hours, seed, say }: GrowthOptions): Promise<GrowthResult> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-growth-'));
  try {
    const authority = await openAuthority(path.join(folder, 'authority'), systemDisk, systemClock.utc);
    say(`making ${hours} hours of ${units} units, seed ${seed}`);
    const made: Made[] = [];
    for (let n = 0; n < units; n += 1) {
      const unit = `wagon-${n}`;
      made.push(await makeUnit(unit, await authority.issueUnit(unit), hours, seed + n));
    }
    const records = made.reduce((sum, { spool }) => sum + spool.next, 0);
    const store = await openStore({ dir: folder, clock: systemClock, log: silentLog });
    say(`taking ${records} records`);
    const cpuMs = await take(store, authority, path.join(folder, 'blobs'), made);
    const queries = await askAll(store, made[0] as Made, hours);
    await store.close();
    const file = path.join(folder, 'longroof.db');
    const ends = made.map(({ unit, spool }) => ({ unit, epoch: spool.identity.epoch, next: spool.next, head: spool.head }));
    const sizes = sharesOf(file, records);
    const mbPerUnitDay = ((sizes.bytesPerRecord * records) / units / hours) * (24 / 1e6);
    return { records, ...sizes, mbPerUnitDay, cpuMsPer1000Records: (cpuMs / records) * 1000, queries, compared: compare(file, ends) };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
