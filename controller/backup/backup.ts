/**
 * Makes a backup while the controller runs. The database first, as of one moment; then the footage that it names, which is durable
 * before its row is and is never changed, so that whatever arrives meanwhile does no harm. Footage is linked where the backup lies on
 * the same file system. Every file is hashed where it lies in the backup; the manifest is written when all of it fits.
 */
import path from 'node:path';
import type { UtcMs } from '@longroof/base/clock';
import type { CopyDisk, FileHash } from '@longroof/base/copy';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { snapshot, viewDatabase } from './database.js';
import { AUTHORITY, type BackupManifest, BLOBS, DATABASE, type FragmentName, KEYS, SUMS, writeManifest } from './manifest.js';
import { SumsWriter } from './sums.js';

export interface BackupOptions {
  data: string;
  /** Folder of the fleet's authority. */
  authority: string;
  /** Empty, or not there. */
  to: string;
  version: string;
  disk: Disk;
  copyDisk: CopyDisk;
  now: () => UtcMs;
  progress: (progress: Progress) => void;
}

export interface Progress {
  step: 'database' | 'footage' | 'check' | 'place';
  fragments: number;
  bytes: number;
  bytesTotal: number;
}

const DAMAGED_MAX = 10_000;

/** Throws LR_BACKUP_TARGET, LR_BACKUP_SOURCE, LR_BACKUP_FOOTAGE. */
export async function makeBackup(options: BackupOptions): Promise<{ manifest: BackupManifest; sha256: string }> {
  const { data, to, disk, now, version } = options;
  if (disk.list(to).length > 0)
    throw new Fault('conflict', 'LR_BACKUP_TARGET', `${to} is not empty`, { hint: 'Name a new folder for each backup.' });
  disk.makeDirectory(to);
  const madeUtcMs = Math.round(now());
  options.progress({ step: 'database', fragments: 0, bytes: 0, bytesTotal: 0 });
  await snapshot(path.join(data, DATABASE), path.join(to, DATABASE));
  const sums = new SumsWriter(disk, to);
  await add(options, sums, DATABASE);
  await addFolder(options, sums, path.join(data, KEYS), KEYS);
  await addFolder(options, sums, options.authority, AUTHORITY);
  const footage = await addFootage(options, sums);
  sums.end();
  const hash = await options.copyDisk.hash(path.join(to, SUMS));
  for (const folder of footage.folders) disk.syncDirectory(folder);
  const { storeEpoch, fragments, footageBytes, damaged } = footage;
  const manifest: BackupManifest = {
    ...{ what: 'longroof-backup-1', version, madeUtcMs, storeEpoch, fragments, footageBytes, files: sums.lines, damaged },
    sumsSha256: (hash as FileHash).sha256,
  };
  return { manifest, sha256: writeManifest(disk, to, manifest) };
}

/** Hashes a file of the backup, makes it durable and enters it. */
async function add({ to, disk, copyDisk }: BackupOptions, sums: SumsWriter, name: string): Promise<void> {
  const file = path.join(to, name);
  const hash = await copyDisk.hash(file);
  if (!hash) throw new Fault('internal', 'LR_ASSERT', `${file} has just been written`);
  const fd = disk.openAppend(file);
  disk.datasync(fd);
  disk.close(fd);
  sums.add({ name, sha256: hash.sha256 });
}

/** Small files that may be replaced while we look: each is copied, never linked. */
async function addFolder(options: BackupOptions, sums: SumsWriter, from: string, folder: string): Promise<void> {
  const { to, disk, copyDisk } = options;
  const made = new Set<string>([path.join(to, folder)]);
  disk.makeDirectory(path.join(to, folder));
  for await (const below of copyDisk.filesBelow(from)) {
    // What a durable write is about to rename.
    if (below.endsWith('.tmp')) continue;
    const name = `${folder}/${below}`;
    const directory = path.dirname(path.join(to, name));
    disk.makeDirectory(directory);
    made.add(directory);
    await copyDisk.copy(path.join(from, below), path.join(to, name));
    await add(options, sums, name);
  }
  for (const directory of made) disk.syncDirectory(directory);
}

interface Footage {
  storeEpoch: string;
  fragments: number;
  footageBytes: number;
  damaged: FragmentName[];
  folders: Iterable<string>;
}

async function addFootage(options: BackupOptions, sums: SumsWriter): Promise<Footage> {
  const { data, to, disk, copyDisk, progress } = options;
  const view = viewDatabase(path.join(to, DATABASE));
  const folders = new Set<string>([path.join(to, BLOBS)]);
  disk.makeDirectory(path.join(to, BLOBS));
  const found: Footage = { storeEpoch: view.storeEpoch, fragments: 0, footageBytes: 0, damaged: [], folders };
  const say = (): void =>
    progress({ step: 'footage', fragments: found.fragments, bytes: found.footageBytes, bytesTotal: view.footageBytes });
  try {
    for (const { fragment, key, expected } of view.blobs()) {
      const name = `${BLOBS}/${key}`;
      const target = path.join(to, name);
      makeFolders(disk, path.dirname(target), to, folders);
      if (!(await take(copyDisk, path.join(data, name), target, expected))) {
        found.damaged.push(fragment);
        if (disk.stat(target)) disk.remove(target);
        if (found.damaged.length > DAMAGED_MAX)
          throw new Fault('corrupt', 'LR_BACKUP_FOOTAGE', `more than ${DAMAGED_MAX} fragments at the centre are damaged or gone`);
        continue;
      }
      sums.add({ name, sha256: expected.sha256 });
      found.fragments += 1;
      found.footageBytes += expected.bytes;
      say();
    }
  } finally {
    view.close();
  }
  say();
  return { ...found, folders: [...folders, to].reverse() };
}

/** With all that lead to it, outermost first. */
function makeFolders(disk: Disk, directory: string, root: string, folders: Set<string>): void {
  if (folders.has(directory) || directory === root) return;
  makeFolders(disk, path.dirname(directory), root, folders);
  disk.makeDirectory(directory);
  folders.add(directory);
}

/** False where the centre does not have its bytes, or has others. */
async function take(copyDisk: CopyDisk, from: string, to: string, expected: FileHash): Promise<boolean> {
  try {
    await copyDisk.linkOrCopy(from, to);
  } catch (error) {
    if (error instanceof Fault && error.kind === 'not-found') return false;
    throw error;
  }
  const hash = await copyDisk.hash(to);
  return hash?.sha256 === expected.sha256 && hash.bytes === expected.bytes;
}
