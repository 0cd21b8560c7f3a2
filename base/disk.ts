/**
 * The disk, passed in: the few operations that durable code is made of, synchronous (they run in workers) so that order in
 * the source is order on the disk. `systemDisk` is the real one. Every failure is a Fault named after the path.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { errorCode, toFault } from './errors.js';

export interface DiskStat {
  bytes: number;
  isFile: boolean;
  isDirectory: boolean;
  /** When its content was last changed, by the system's clock of then. */
  changedUtcMs?: number;
}

export interface DiskSpace {
  totalBytes: number;
  freeBytes: number;
}

export interface Disk {
  /** Opens for appending; with `exclusive` the file must not exist. */
  openAppend(file: string, options?: { exclusive?: boolean }): number;
  openRead(file: string): number;
  close(fd: number): void;
  /** Writes all of all parts at the end of the file (gathered). */
  append(fd: number, parts: readonly Uint8Array[]): void;
  /** Reads exactly `length` bytes at `offset`; fewer only at the end of the file. Into the start of `into` where that is given. */
  read(fd: number, offset: number, length: number, into?: Buffer): Buffer;
  truncate(file: string, bytes: number): void;
  datasync(fd: number): void;
  syncDirectory(directory: string): void;
  makeDirectory(directory: string): void;
  rename(from: string, to: string): void;
  remove(file: string): void;
  readFile(file: string): Buffer;
  writeFile(file: string, data: Uint8Array | string): void;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): string[];
  stat(file: string): DiskStat | undefined;
  space(directory: string): DiskSpace;
}

function act<T>(what: string, file: string | number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw toFault(error, `${what} ${file}`);
  }
}

/** With its parents. Not by Node's `recursive`, which answers ENOENT where the file system is read-only or fails. */
function makeDirectories(directory: string): void {
  const make = (): void => {
    try {
      fs.mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || !fs.statSync(directory).isDirectory()) throw error;
    }
  };
  try {
    make();
  } catch (error) {
    const parent = path.dirname(directory);
    if (errorCode(error) !== 'ENOENT' || parent === directory) throw error;
    makeDirectories(parent);
    make();
  }
}

export const systemDisk: Disk = {
  openAppend: (file, options) => act('open', file, () => fs.openSync(file, options?.exclusive ? 'ax' : 'a', 0o600)),
  openRead: (file) => act('open', file, () => fs.openSync(file, 'r')),
  close: (fd) => act('close', fd, () => fs.closeSync(fd)),
  append: (fd, parts) =>
    act('write', fd, () => {
      let pending = parts.filter((part) => part.length > 0);
      while (pending.length > 0) {
        let written = fs.writevSync(fd, pending);
        const rest: Uint8Array[] = [];
        for (const part of pending) {
          if (written >= part.length) written -= part.length;
          else {
            rest.push(written > 0 ? part.subarray(written) : part);
            written = 0;
          }
        }
        pending = rest;
      }
    }),
  read: (fd, offset, length, into) =>
    act('read', fd, () => {
      const buffer = into ?? Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const got = fs.readSync(fd, buffer, filled, length - filled, offset + filled);
        if (got === 0) break;
        filled += got;
      }
      return filled === buffer.length ? buffer : buffer.subarray(0, filled);
    }),
  truncate: (file, bytes) =>
    act('truncate', file, () => {
      const fd = fs.openSync(file, 'r+');
      try {
        fs.ftruncateSync(fd, bytes);
        fs.fdatasyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    }),
  datasync: (fd) => act('fdatasync', fd, () => fs.fdatasyncSync(fd)),
  syncDirectory: (directory) =>
    act('fsync', directory, () => {
      const fd = fs.openSync(directory, 'r');
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    }),
  makeDirectory: (directory) => act('mkdir', directory, () => makeDirectories(directory)),
  rename: (from, to) => act('rename', from, () => fs.renameSync(from, to)),
  remove: (file) => act('unlink', file, () => fs.unlinkSync(file)),
  readFile: (file) => act('read', file, () => fs.readFileSync(file)),
  writeFile: (file, data) => act('write', file, () => fs.writeFileSync(file, data, { mode: 0o600 })),
  list(directory) {
    try {
      return fs.readdirSync(directory).sort();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw toFault(error, `list ${directory}`);
    }
  },
  stat(file) {
    try {
      const stat = fs.statSync(file);
      return { bytes: stat.size, isFile: stat.isFile(), isDirectory: stat.isDirectory(), changedUtcMs: stat.mtimeMs };
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw toFault(error, `stat ${file}`);
    }
  },
  space: (directory) =>
    act('statfs', directory, () => {
      const stat = fs.statfsSync(directory);
      return { totalBytes: stat.blocks * stat.bsize, freeBytes: stat.bavail * stat.bsize };
    }),
};

/**
 * The one durable write: temporary file, fdatasync, rename, fsync of the directory. After it returns the file holds `data`
 * through a power cut; before, it holds what it held.
 */
export function writeDurably(disk: Disk, file: string, data: Uint8Array | string): void {
  const directory = path.dirname(file);
  const temporary = `${file}.tmp`;
  if (disk.stat(temporary)) disk.remove(temporary);
  const fd = disk.openAppend(temporary, { exclusive: true });
  try {
    disk.append(fd, [typeof data === 'string' ? Buffer.from(data) : data]);
    disk.datasync(fd);
  } finally {
    disk.close(fd);
  }
  disk.rename(temporary, file);
  disk.syncDirectory(directory);
}

/** Runs `use` with an empty folder of its own on the system's temporary disk, and removes it whatever happens. */
export function inScratchFolder<T>(name: string, use: (folder: string) => T): T {
  const folder = act('mkdtemp', name, () => fs.mkdtempSync(path.join(os.tmpdir(), `${name}-`)));
  try {
    return use(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
