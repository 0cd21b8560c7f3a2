/**
 * Puts a backup in place as a new life of the store. All of it is verified before anything is touched; what was there is moved aside,
 * never deleted. A marker stands until all is in place: a controller does not start on a folder that was restored by half, and the same
 * restore run again goes on. Last of all the database gets a new store epoch, by which units know that receipts from before are void.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type Clock, rfc3339 } from '@longroof/base/clock';
import type { CopyDisk } from '@longroof/base/copy';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { appendAudit } from '../store/audit.js';
import { openStore, type Store } from '../store/open.js';
import type { Progress } from './backup.js';
import { isOpenElsewhere } from './database.js';
import { AUTHORITY, type BackupManifest, BLOBS, DATABASE, damaged, readManifest, SUMS } from './manifest.js';
import { readSums, type Sum } from './sums.js';

export interface RestoreOptions {
  /** The backup. */
  from: string;
  data: string;
  authority: string;
  /** What is there already is moved aside. */
  replace: boolean;
  disk: Disk;
  copyDisk: CopyDisk;
  clock: Clock;
  log: Log;
  progress: (progress: Progress) => void;
}

export interface Restored {
  manifest: BackupManifest;
  storeEpoch: string;
  /** Where what was there before lies now. */
  aside: string[];
}

const MARKER = 'restore-unfinished';
/** Beginning of the names of folders with what was there before. */
const ASIDE = 'before-restore-';
const OPEN_FILES = [DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`];

/** Throws `conflict` (LR_RESTORE_UNFINISHED) for a data folder in which a restore was begun and not ended. */
export function checkRestored(disk: Disk, data: string): void {
  if (!disk.stat(path.join(data, MARKER))) return;
  throw new Fault('conflict', 'LR_RESTORE_UNFINISHED', `${data} was restored by half`, { hint: 'Run the same restore again: it goes on.' });
}

/** Checks the whole backup. Throws LR_BACKUP_NONE, LR_BACKUP_DAMAGED. */
export async function verifyBackup(options: Pick<RestoreOptions, 'from' | 'disk' | 'copyDisk' | 'progress'>): Promise<Verified> {
  const { from, disk, copyDisk, progress } = options;
  const verified = readManifest(disk, from);
  const { manifest } = verified;
  if ((await copyDisk.hash(path.join(from, SUMS)))?.sha256 !== manifest.sumsSha256)
    throw damaged(`${SUMS} is not the one it was made with`);
  const done = { files: 0, fragments: 0, bytes: 0 };
  for (const { name, sha256 } of readSums(disk, from)) {
    const hash = await copyDisk.hash(path.join(from, name));
    if (hash?.sha256 !== sha256) throw damaged(hash ? `${name} has changed` : `${name} is gone`);
    done.files += 1;
    if (!name.startsWith(`${BLOBS}/`)) continue;
    done.fragments += 1;
    done.bytes += hash.bytes;
    progress({ step: 'check', fragments: done.fragments, bytes: done.bytes, bytesTotal: manifest.footageBytes });
  }
  if (done.files !== manifest.files) throw damaged(`it names ${done.files} files instead of ${manifest.files}`);
  return verified;
}

export type Verified = ReturnType<typeof readManifest>;

/** Throws LR_BACKUP_NONE, LR_BACKUP_DAMAGED, LR_RESTORE_EXISTS, LR_RESTORE_RUNNING. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { data, disk } = options;
  const verified = await verifyBackup(options);
  const marker = path.join(data, MARKER);
  const goesOn = disk.stat(marker)?.isFile === true && disk.readFile(marker).toString('latin1') === verified.sha256;
  const aside = goesOn ? [] : await makeRoom(options, verified.sha256);
  await place(options, verified.manifest);
  const storeEpoch = await beginLife(options, verified);
  disk.remove(marker);
  disk.syncDirectory(data);
  return { manifest: verified.manifest, storeEpoch, aside };
}

/** Nothing is there afterwards but the marker, and an authority that is the backup's own. */
async function makeRoom(options: RestoreOptions, sha256: string): Promise<string[]> {
  const { data, authority, replace, disk, from } = options;
  const there = (): string[] => disk.list(data).filter((name) => !name.startsWith(ASIDE));
  const root = path.join(authority, 'root.crt');
  const other = disk.stat(root)?.isFile === true && !disk.readFile(root).equals(disk.readFile(path.join(from, AUTHORITY, 'root.crt')));
  if ((there().length > 0 || other) && !replace)
    throw new Fault('conflict', 'LR_RESTORE_EXISTS', `${there().length > 0 ? data : authority} is not empty`, {
      hint: 'Restore into an empty folder, or say --replace: what is there is then moved aside, not deleted.',
    });
  if (isOpenElsewhere(path.join(data, DATABASE)))
    throw new Fault('conflict', 'LR_RESTORE_RUNNING', 'a controller is running on this data folder', { hint: 'Stop it first.' });
  const stamp = `${ASIDE}${rfc3339(options.clock.utc()).replace(/[:.]/g, '-')}`;
  const aside: string[] = [];
  // Listed anew: to look whether the database is open takes in what its log held.
  const entries = there();
  if (entries.length > 0) aside.push(await moveAside(options, data, entries, stamp));
  // Where it lies within the data it has been moved with them.
  if (other && disk.stat(root)) aside.push(await moveAside(options, authority, disk.list(authority), stamp));
  disk.makeDirectory(data);
  writeDurably(disk, path.join(data, MARKER), sha256);
  return aside;
}

async function moveAside({ disk, copyDisk }: RestoreOptions, folder: string, names: readonly string[], stamp: string): Promise<string> {
  const to = path.join(folder, stamp);
  disk.makeDirectory(to);
  for (const name of names) if (!name.startsWith(ASIDE)) await copyDisk.move(path.join(folder, name), path.join(to, name));
  disk.syncDirectory(to);
  disk.syncDirectory(folder);
  return to;
}

async function place(options: RestoreOptions, manifest: BackupManifest): Promise<void> {
  const { data, disk, from, progress } = options;
  // A life that was begun by half is begun anew.
  for (const name of OPEN_FILES) if (disk.stat(path.join(data, name))) disk.remove(path.join(data, name));
  const folders = new Set<string>();
  const done = { fragments: 0, bytes: 0 };
  for (const sum of readSums(disk, from)) {
    const isFootage = sum.name.startsWith(`${BLOBS}/`);
    const target = targetOf(options, sum.name);
    folders.add(path.dirname(target));
    await placeFile(options, sum, target, isFootage);
    if (!isFootage) continue;
    done.fragments += 1;
    done.bytes += disk.stat(target)?.bytes ?? 0;
    progress({ step: 'place', ...done, bytesTotal: manifest.footageBytes });
  }
  for (const folder of leadingTo(folders, data)) disk.syncDirectory(folder);
}

function targetOf({ data, authority }: RestoreOptions, name: string): string {
  return name.startsWith(`${AUTHORITY}/`) ? path.join(authority, name.slice(AUTHORITY.length + 1)) : path.join(data, name);
}

async function placeFile({ from, disk, copyDisk }: RestoreOptions, sum: Sum, target: string, isFootage: boolean): Promise<void> {
  if (disk.stat(target)) {
    if ((await copyDisk.hash(target))?.sha256 === sum.sha256) return;
    disk.remove(target);
  }
  disk.makeDirectory(path.dirname(target));
  // Footage is never written in place, so it may be the backup's own file; all else is changed by the controller.
  if (isFootage) await copyDisk.linkOrCopy(path.join(from, sum.name), target);
  else await copyDisk.copy(path.join(from, sum.name), target);
}

/** The folders and all between them and the root, innermost first. */
function leadingTo(folders: ReadonlySet<string>, root: string): string[] {
  const all = new Set<string>([root]);
  for (const folder of folders) for (let at = folder; !all.has(at) && at.startsWith(root + path.sep); at = path.dirname(at)) all.add(at);
  for (const folder of folders) all.add(folder);
  return [...all].sort((a, b) => b.length - a.length);
}

/** The database's tables are brought up to date on the way, should the backup be older than this program. */
async function beginLife({ data, clock, log, disk }: RestoreOptions, { manifest, sha256 }: Verified): Promise<string> {
  const store = await openStore({ dir: data, clock, log, disk });
  try {
    const storeEpoch = randomBytes(16).toString('hex');
    await enter(store, { storeEpoch, manifest, sha256, nowMs: Math.round(clock.utc()) });
    return storeEpoch;
  } finally {
    await store.close();
  }
}

interface NewLife {
  storeEpoch: string;
  manifest: BackupManifest;
  sha256: string;
  nowMs: number;
}

async function enter(store: Store, { storeEpoch, manifest, sha256, nowMs }: NewLife): Promise<void> {
  await store.db.transaction().execute(async (trx) => {
    await trx.updateTable('setting').set({ value: storeEpoch }).where('key', '=', 'store-epoch').execute();
    const times = { backup_utc_ms: manifest.madeUtcMs, restored_utc_ms: nowMs };
    const row = { store_epoch: storeEpoch, before_epoch: manifest.storeEpoch, ...times, manifest_sha256: sha256 };
    await trx.insertInto('restore').values(row).execute();
    await trx.updateTable('unit').set({ online: 0 }).execute();
    // What was damaged when the backup was made is not here: a unit that still has it sends it again.
    for (const { unit, epoch, camera, rendition, run, seq } of manifest.damaged)
      await trx
        .deleteFrom('fragment')
        .where('unit', '=', unit)
        .where('epoch', '=', epoch)
        .where('camera', '=', camera)
        .where('rendition', '=', rendition)
        .where('run', '=', run)
        .where('seq', '=', seq)
        .execute();
    await appendAudit(trx, {
      utcMs: nowMs,
      person: 'operator',
      action: 'restore',
      subject: 'store',
      detail: { storeEpoch, before: manifest.storeEpoch, backupMade: rfc3339(manifest.madeUtcMs), manifestSha256: sha256 },
    });
  });
}
