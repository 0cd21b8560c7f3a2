/**
 * What a backup is: a folder with `longroof.db`, `keys/`, `authority/`, `blobs/`, each as in the data folder; `SHA256SUMS` over all of
 * it, as sha256sum(1) writes and checks it; and `manifest.json`, written last: a folder without it is no backup.
 */
import path from 'node:path';
import { canonicalJson, type Json, sha256Hex } from '@longroof/base/canonical';
import type { UtcMs } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { FragmentTable } from '../store/tables.js';

export const DATABASE = 'longroof.db';
export const KEYS = 'keys';
export const AUTHORITY = 'authority';
export const BLOBS = 'blobs';
export const SUMS = 'SHA256SUMS';
const MANIFEST = 'manifest.json';
const MANIFEST_BYTES_MAX = 16 * 1024 * 1024;

/** A fragment by its name; its bytes could not be read whole. */
export type FragmentName = Pick<FragmentTable, 'unit' | 'epoch' | 'camera' | 'rendition' | 'run' | 'seq' | 'sha256'>;

export interface BackupManifest {
  what: 'longroof-backup-1';
  /** Of the program that made it. */
  version: string;
  madeUtcMs: UtcMs;
  storeEpoch: string;
  fragments: number;
  footageBytes: number;
  /** All files that SHA256SUMS names. */
  files: number;
  /** Named by the database, but not readable whole at the centre: not in the backup. */
  damaged: FragmentName[];
  sumsSha256: string;
}

/** Gives the SHA-256 of the manifest. */
export function writeManifest(disk: Disk, directory: string, manifest: BackupManifest): string {
  const text = canonicalJson(manifest as unknown as Json);
  writeDurably(disk, path.join(directory, MANIFEST), text);
  return sha256Hex(text);
}

/** Throws `not-found` (LR_BACKUP_NONE) or `corrupt` (LR_BACKUP_DAMAGED). */
export function readManifest(disk: Disk, directory: string): { manifest: BackupManifest; sha256: string } {
  const file = path.join(directory, MANIFEST);
  const stat = disk.stat(file);
  if (!stat?.isFile)
    throw new Fault('not-found', 'LR_BACKUP_NONE', `${directory} holds no backup that was finished: it has no ${MANIFEST}`, {
      hint: 'A backup that was cut off is of no use: make another into an empty folder.',
    });
  if (stat.bytes > MANIFEST_BYTES_MAX) throw damaged(`${MANIFEST} is too large`);
  const bytes = disk.readFile(file);
  let manifest: Partial<BackupManifest>;
  try {
    manifest = JSON.parse(bytes.toString('utf8')) as Partial<BackupManifest>;
  } catch (error) {
    throw damaged(`${MANIFEST}: ${toFault(error).message}`);
  }
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  const { what, madeUtcMs, storeEpoch, fragments, footageBytes, files, sumsSha256, damaged: lacking } = manifest;
  const ok =
    what === 'longroof-backup-1' &&
    [fragments, footageBytes, files].every(isCount) &&
    typeof madeUtcMs === 'number' &&
    typeof storeEpoch === 'string' &&
    /^[0-9a-f]{64}$/.test(String(sumsSha256)) &&
    Array.isArray(lacking);
  if (!ok) throw damaged(`${MANIFEST} is none of a backup that this program knows`);
  return { manifest: manifest as BackupManifest, sha256: sha256Hex(bytes) };
}

export function damaged(why: string): Fault {
  return new Fault('corrupt', 'LR_BACKUP_DAMAGED', `the backup is damaged: ${why}`, { hint: 'Take another backup; nothing was changed.' });
}
