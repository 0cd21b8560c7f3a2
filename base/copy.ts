/**
 * Whole files from one folder to another, on Node's thread pool: linked where both lie on one file system, copied and synced where
 * not, and hashed as they are read. For backups: what is linked must never be written in place.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { errorCode, toFault } from './errors.js';

export interface FileHash {
  bytes: number;
  /** Hex SHA-256. */
  sha256: string;
}

export interface CopyDisk {
  /** Of what stands in the file; undefined where there is none. */
  hash(file: string): Promise<FileHash | undefined>;
  /** `to` must not exist, its folder must. A copy is durable, its directory entry is not. */
  copy(from: string, to: string): Promise<void>;
  /** As `copy`, but the same file under a second name where the file system can do it. */
  linkOrCopy(from: string, to: string): Promise<'linked' | 'copied'>;
  /** A file or folder under another name; on one file system only. */
  move(from: string, to: string): Promise<void>;
  /** All files below a folder, relative to it, in order; none where it does not exist. */
  filesBelow(directory: string): AsyncIterable<string>;
}

const READ_BYTES = 1024 * 1024;
/** Another file system, one that knows no links, or a file with as many names as it can have. */
const NO_LINK: ReadonlySet<unknown> = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS']);

async function hashFile(file: string): Promise<FileHash | undefined> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw toFault(error, `open ${file}`);
  }
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } catch (error) {
    throw toFault(error, `read ${file}`);
  } finally {
    await handle.close();
  }
}

async function copyFile(from: string, to: string): Promise<void> {
  try {
    await fs.copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const handle = await fs.open(to, 'r+');
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toFault(error, `copy ${from} to ${to}`);
  }
}

async function* filesBelow(directory: string, below = ''): AsyncGenerator<string> {
  let entries: { name: string; isDirectory(): boolean; isFile(): boolean }[];
  try {
    entries = await fs.readdir(path.join(directory, below), { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw toFault(error, `list ${directory}`);
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(directory, name);
    else if (entry.isFile()) yield name;
  }
}

export const systemCopyDisk: CopyDisk = {
  hash: hashFile,
  copy: copyFile,
  async linkOrCopy(from, to) {
    try {
      await fs.link(from, to);
      return 'linked';
    } catch (error) {
      if (!NO_LINK.has(errorCode(error))) throw toFault(error, `link ${from} to ${to}`);
      await copyFile(from, to);
      return 'copied';
    }
  },
  async move(from, to) {
    try {
      await fs.rename(from, to);
    } catch (error) {
      throw toFault(error, `move ${from} to ${to}`);
    }
  },
  filesBelow: (directory) => filesBelow(directory),
};
