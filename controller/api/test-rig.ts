/** The API over a real store, with three people, a wagon and four seconds of its footage. */
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { silentLog } from '@longroof/base/log';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { AuditLog } from '../accounts/audit-log.js';
import { People } from '../accounts/people.js';
import { ViewTokens } from '../accounts/view-tokens.js';
import { Answers } from '../custody/answers.js';
import type { PullExport } from '../custody/export.js';
import { Alarms } from '../fleet/alarms.js';
import { Configurations } from '../fleet/configurations.js';
import { CoverageReader } from '../fleet/coverage.js';
import { Holds } from '../fleet/holds.js';
import { Pulls } from '../fleet/pulls.js';
import { UnitReader } from '../fleet/units.js';
import { LiveDesk } from '../live/desk.js';
import { Playback } from '../playback/playback.js';
import { makeFootage, storeFootage } from '../playback/test-footage.js';
import { openFolderBlobs } from '../store/folder-blobs.js';
import { openStore, type Store } from '../store/open.js';
import { createApi } from './server.js';

export const EPOCH = 'ef'.repeat(16);
export const clock = new SimClock();
export const T0 = clock.utc() - 3_600_000;
export const iso = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();
const receiptKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-api-'));
t.teardown(() => fs.rmSync(dir, { recursive: true }));
export const footage = makeFootage({ seconds: 4 });

/** What is in an export is the business of custody. */
const anExport: PullExport = {
  fileName: 'wagon-1_1234.zip',
  async *read(done) {
    yield Buffer.from('PK');
    await done('ab'.repeat(32));
  },
};

export interface Rig {
  app: FastifyInstance;
  store: Store;
  as(user: string): Promise<(options: InjectOptions | string) => Promise<LightMyRequestResponse>>;
}

export async function rig(name: string): Promise<Rig> {
  const folder = path.join(dir, name);
  const store = await openStore({ dir: folder, clock, log: silentLog });
  const { db } = store;
  const blobs = await openFolderBlobs({ dir: folder });
  const people = new People(db, clock);
  for (const user of ['ada', 'ben']) await people.set(user, `${user} has a horse`, 'staff');
  await people.set('max', 'max has a horse', 'manager');
  const page = path.join(folder, 'page');
  fs.mkdirSync(path.join(page, 'assets'), { recursive: true });
  fs.writeFileSync(path.join(page, 'index.html'), '<!doctype html><title>Longroof</title>');
  fs.writeFileSync(path.join(page, 'assets', 'a-1234.js'), '1');
  const ingest = { isOnline: () => true, sendDesired: async () => {} };
  const link = { ...ingest, watchLive: () => undefined, acknowledgeLive: () => undefined };
  const live = new LiveDesk({ store, link, clock, log: silentLog });
  const app = await createApi({
    people,
    views: new ViewTokens(Buffer.alloc(32, 1), clock),
    audit: new AuditLog(db, clock),
    units: new UnitReader(db, clock),
    coverage: new CoverageReader(db, clock),
    pulls: new Pulls({ store, ingest, clock }),
    holds: new Holds({ store, ingest, clock }),
    playback: new Playback({ db, blobs, clock }),
    exporter: { prepare: async () => anExport },
    answers: new Answers({ db, clock, signer: { key: receiptKey, certPem: 'a certificate' }, storeEpoch: store.storeEpoch }),
    restores: { list: async () => [] },
    live,
    alarms: new Alarms(db, clock),
    configurations: new Configurations({ store, ingest, clock }),
    clock,
    log: silentLog,
    sessionKey: Buffer.alloc(32, 2),
    behindTls: false,
    pageFolder: page,
    counters: { ingest: () => ({ chunksIn: 7 }), broker: () => ({ connected: 1 }) },
    refused: () => new Map([['LR_CHUNK', 3]]),
    checks: { database: () => db.selectFrom('setting').select('key').execute() },
    version: '0.1.0',
  });
  t.teardown(async () => {
    await app.close();
    await store.close();
  });
  await db
    .insertInto('unit')
    .values({
      unit: 'wagon-1',
      part: '00',
      first_seen_utc_ms: T0,
      last_seen_utc_ms: T0,
      online: 1,
      epoch: EPOCH,
      run: 1,
      version: '0.1.0',
      status_json: JSON.stringify({ online: true, streams: { front: { state: 'recording' }, 'front.proxy': { state: 'recording' } } }),
      generation: 0,
      lat_deg: null,
      lon_deg: null,
      fix_utc_ms: null,
      power_json: null,
      power_utc_ms: null,
    })
    .execute();
  await storeFootage(
    db,
    blobs,
    { unit: 'wagon-1', epoch: EPOCH, camera: 'front', rendition: 'proxy', run: 1, seqFirst: 0, startUtcMs: T0 },
    footage,
  );
  const as = async (user: string) => {
    const answer = await app.inject({ method: 'POST', url: '/api/session', payload: { user, password: `${user} has a horse` } });
    const cookie = String(answer.headers['set-cookie']).split(';')[0] as string;
    return async (options: InjectOptions | string) => {
      const given = typeof options === 'string' ? { url: options } : options;
      return app.inject({ ...given, headers: { ...given.headers, cookie } });
    };
  };
  return { app, store, as };
}
