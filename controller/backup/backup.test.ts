/** Backup and restore of a store without its programs: what is refused, what is noticed, what a restore by half leaves. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '@longroof/base/clock';
import { systemCopyDisk } from '@longroof/base/copy';
import { systemDisk } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import t, { type Test } from 'tap';
import { fragmentKey } from '../store/blobs.js';
import { openStore, type Store } from '../store/open.js';
import type { FragmentTable } from '../store/tables.js';
import { makeBackup } from './backup.js';
import { checkRestored, restoreBackup, verifyBackup } from './restore.js';

const EPOCH = 'e'.repeat(32);
const tools = { disk: systemDisk, copyDisk: systemCopyDisk, progress: () => undefined };

function row(seq: number, bytes: Buffer): FragmentTable {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    ...{
      unit: 'wagon-1',
      epoch: EPOCH,
      camera: 'front',
      rendition: 'original',
      run: 1,
      seq,
      sha256,
      init_sha256: 'i',
      bytes: bytes.length,
    },
    ...{
      start_mono_ms: 0,
      start90k: 0,
      duration90k: 90_000,
      start_utc_ms: 0,
      wall_source: 'ntp',
      wall_error_ms: 1,
      by_clock: 0,
      independent: 1,
    },
    ...{ damaged: 0, codec: 'avc1', meta_json: '{}', stored_utc_ms: 0, place: null },
  };
}

interface Rig {
  root: string;
  data: string;
  backup: string;
  store: Store;
  blobs: string[];
  make(): ReturnType<typeof makeBackup>;
  restore(to?: string, replace?: boolean): ReturnType<typeof restoreBackup>;
}

/** A centre with keys, an authority and ten fragments. */
async function rig(t: Test): Promise<Rig> {
  const root = t.testdir({
    authority: { 'root.crt': 'the root', 'root.key': 'secret' },
    data: { keys: { old: { 'a.crt': 'old' }, 'server.pem': 'key' } },
  });
  const data = path.join(root, 'data');
  const backup = path.join(root, 'backup');
  const store = await openStore({ dir: data, clock: systemClock, log: silentLog });
  t.teardown(() => store.close().catch(() => undefined));
  await store.db.insertInto('init').values({ sha256: 'i', codec: 'avc1', base64: '' }).execute();
  const blobs: string[] = [];
  for (let seq = 0; seq < 10; seq += 1) {
    const bytes = Buffer.alloc(1000 + seq, seq);
    const fragment = row(seq, bytes);
    const file = path.join(data, 'blobs', fragmentKey({ ...fragment, stream: 'front' }));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    blobs.push(file);
    await store.db.insertInto('fragment').values(fragment).execute();
  }
  const authority = path.join(root, 'authority');
  const make = () => makeBackup({ ...tools, data, authority, to: backup, version: '1', now: systemClock.utc });
  const restore = (to = path.join(root, 'new'), replace = false) =>
    restoreBackup({ ...tools, from: backup, data: to, authority: path.join(to, 'authority'), replace, clock: systemClock, log: silentLog });
  return { root, data, backup, store, blobs, make, restore };
}

async function opened<T>(data: string, look: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ dir: data, clock: systemClock, log: silentLog });
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

t.test('all of it comes back, under another epoch; footage takes no room twice', async (t) => {
  const one = await rig(t);
  const { manifest } = await one.make();
  t.match(manifest, { fragments: 10, footageBytes: 10_045, files: 15, damaged: [], storeEpoch: one.store.storeEpoch });
  t.equal(statSync(one.blobs[0] as string).nlink, 2, 'linked');
  t.notOk(existsSync(path.join(one.backup, 'longroof.db-wal')), 'one file that stands alone');
  await t.rejects(one.make(), { code: 'LR_BACKUP_TARGET' });
  await one.store.db.deleteFrom('fragment').execute();
  const done = await one.restore();
  const to = path.join(one.root, 'new');
  t.not(done.storeEpoch, one.store.storeEpoch);
  await opened(to, async ({ db, storeEpoch }) => {
    t.equal(storeEpoch, done.storeEpoch);
    t.equal((await db.selectFrom('fragment').select('seq').execute()).length, 10);
    t.match(await db.selectFrom('restore').selectAll().execute(), [{ store_epoch: storeEpoch, before_epoch: one.store.storeEpoch }]);
    t.match(await db.selectFrom('audit').selectAll().execute(), [{ action: 'restore', person: 'operator' }]);
  });
  for (const file of ['keys/old/a.crt', 'keys/server.pem', 'authority/root.key', ...one.blobs.map((blob) => path.relative(one.data, blob))])
    t.ok(existsSync(path.join(to, file)), file);
  t.equal(statSync(path.join(to, 'keys/server.pem')).nlink, 1, 'what is written in place is never linked');
  checkRestored(systemDisk, to);
  await t.rejects(one.restore(), { code: 'LR_RESTORE_EXISTS' });
  const again = await one.restore(to, true);
  t.match(again.aside, [/before-restore-/]);
  t.same(readdirSync(again.aside[0] as string).sort(), ['authority', 'blobs', 'keys', 'longroof.db'], 'moved aside, not deleted');
  t.not(again.storeEpoch, done.storeEpoch, 'each restore is a life of its own');
});

t.test('a backup that is not what it was is not restored, and nothing is touched', async (t) => {
  const one = await rig(t);
  await t.rejects(one.restore(), { code: 'LR_BACKUP_NONE' });
  await one.make();
  await verifyBackup({ ...tools, from: one.backup });
  const inBackup = (file: string): string => path.join(one.backup, file);
  const blob = inBackup(path.relative(one.data, one.blobs[3] as string));
  for (const file of ['longroof.db', 'keys/server.pem', 'SHA256SUMS', blob]) {
    const name = path.resolve(one.backup, file);
    const good = readFileSync(name);
    const bad = Buffer.from(good);
    bad[bad.length >> 1] = (bad[bad.length >> 1] as number) ^ 1;
    rmSync(name);
    await t.rejects(one.restore(), { code: 'LR_BACKUP_DAMAGED' }, `${path.basename(file)} is gone`);
    writeFileSync(name, bad);
    await t.rejects(one.restore(), { code: 'LR_BACKUP_DAMAGED' }, `${path.basename(file)} has another bit`);
    writeFileSync(name, good);
  }
  t.notOk(existsSync(path.join(one.root, 'new')));
  writeFileSync(inBackup('SHA256SUMS'), `${'0'.repeat(64)}  ../../etc/passwd\n`);
  const manifest = JSON.parse(readFileSync(inBackup('manifest.json'), 'utf8')) as Record<string, unknown>;
  const sumsSha256 = createHash('sha256')
    .update(readFileSync(inBackup('SHA256SUMS')))
    .digest('hex');
  writeFileSync(inBackup('manifest.json'), JSON.stringify({ ...manifest, sumsSha256 }));
  await t.rejects(one.restore(), { code: 'LR_BACKUP_DAMAGED', message: /names no file of a backup/ }, 'a path that leads elsewhere');
});

t.test('footage that is damaged at the centre is named, and what restores without it asks for it again', async (t) => {
  const one = await rig(t);
  writeFileSync(one.blobs[2] as string, 'rot');
  rmSync(one.blobs[7] as string);
  const { manifest } = await one.make();
  t.match(manifest, { fragments: 8, damaged: [{ seq: 2 }, { seq: 7 }] });
  const { storeEpoch } = await one.restore();
  const left = await opened(path.join(one.root, 'new'), (store) => store.db.selectFrom('fragment').select('seq').orderBy('seq').execute());
  t.same(
    left.map(({ seq }) => seq),
    [0, 1, 3, 4, 5, 6, 8, 9],
    'it is not taken for stored',
  );
  t.match(storeEpoch, /^[0-9a-f]{32}$/);
});

t.test('a restore that is cut off goes on; until then no controller starts there', async (t) => {
  const one = await rig(t);
  await one.make();
  const to = path.join(one.root, 'new');
  let copies = 0;
  const failing = {
    ...systemCopyDisk,
    linkOrCopy: async (from: string, target: string) => {
      copies += 1;
      if (copies === 5) throw new Error('the power is gone');
      return systemCopyDisk.linkOrCopy(from, target);
    },
  };
  const options = {
    ...tools,
    from: one.backup,
    data: to,
    authority: path.join(to, 'authority'),
    replace: false,
    clock: systemClock,
    log: silentLog,
  };
  await t.rejects(restoreBackup({ ...options, copyDisk: failing }), { message: /power/ });
  t.throws(() => checkRestored(systemDisk, to), { code: 'LR_RESTORE_UNFINISHED' });
  await one.restore();
  checkRestored(systemDisk, to);
  t.equal((await opened(to, (store) => store.db.selectFrom('fragment').select('seq').execute())).length, 10);
});

t.test('nothing is restored under a program that has the database open', async (t) => {
  const one = await rig(t);
  await one.make();
  await t.rejects(one.restore(one.data, true), { code: 'LR_RESTORE_RUNNING' });
  t.equal((await one.store.db.selectFrom('fragment').select('seq').execute()).length, 10);
  await one.store.close();
  await one.restore(one.data, true);
});

t.test('there must be something to back up', async (t) => {
  const root = t.testdir({ data: { 'longroof.db': 'no database at all, but long enough to be looked at as if it were one' } });
  const options = { ...tools, authority: path.join(root, 'authority'), version: '1', now: systemClock.utc };
  await t.rejects(makeBackup({ ...options, data: path.join(root, 'none'), to: path.join(root, 'a') }), { code: 'LR_BACKUP_SOURCE' });
  await t.rejects(makeBackup({ ...options, data: path.join(root, 'data'), to: path.join(root, 'b') }), { code: 'LR_BACKUP_SOURCE' });
});
