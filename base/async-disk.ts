/**
 * The disk for a program whose main loop must not wait for it: the same promises as `Disk`, kept on Node's thread pool. Used at the
 * centre; a unit's disk work is synchronous in a worker, but for small files. Every failure is a Fault named after the path.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { UtcMs } from './clock.js';
import { errorCode, toFault } from './errors.js';

export interface AsyncFile {
  /** Writes all of all parts at the end of the file (gathered). */
  append(parts: readonly Uint8Array[]): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface AsyncDisk {
  /** Opens for appending; the file must not exist. */
  create(file: string): Promise<AsyncFile>;
  /** Bytes [start, end), fewer only at the end of the file; undefined when the file does not exist. */
  read(file: string, start: number, endExclusive: number | undefined): Promise<Buffer | undefined>;
  exists(file: string): Promise<boolean>;
  /** When it was last written to, by the disk's clock; undefined when it does not exist. */
  writtenUtcMs(file: string): Promise<UtcMs | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** No error when it is not there. */
  remove(file: string): Promise<void>;
  /** Makes it with all that leads to it; those that were made, outermost first. */
  makeDirectory(directory: string): Promise<string[]>;
  syncDirectory(directory: string): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<string[]>;
}

async function act<T>(what: string, file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toFault(error, `${what} ${file}`);
  }
}

function isAbsent(error: unknown): boolean {
  return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR';
}

class SystemFile implements AsyncFile {
  readonly #handle: fs.FileHandle;
  readonly #file: string;

  constructor(handle: fs.FileHandle, file: string) {
    this.#handle = handle;
    this.#file = file;
  }

  async append(parts: readonly Uint8Array[]): Promise<void> {
    await act('write', this.#file, async () => {
      let pending = parts.filter((part) => part.length > 0);
      while (pending.length > 0) {
        let written = (await this.#handle.writev(pending as Uint8Array[])).bytesWritten;
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
    });
  }

  datasync(): Promise<void> {
    return act('fdatasync', this.#file, () => this.#handle.datasync());
  }

  close(): Promise<void> {
    return act('close', this.#file, () => this.#handle.close());
  }
}

async function readRange(file: string, start: number, endExclusive: number | undefined): Promise<Buffer | undefined> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  try {
    const size = (await handle.stat()).size;
    const end = Math.min(size, endExclusive ?? size);
    const buffer = Buffer.allocUnsafe(Math.max(0, end - start));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled === buffer.length ? buffer : buffer.subarray(0, filled);
  } finally {
    await handle.close();
  }
}

export const systemAsyncDisk: AsyncDisk = {
  create: (file) => act('open', file, async () => new SystemFile(await fs.open(file, 'ax', 0o600), file)),
  read: (file, start, endExclusive) => act('read', file, () => readRange(file, start, endExclusive)),
  async exists(file) {
    try {
      return (await fs.stat(file)).isFile();
    } catch (error) {
      if (isAbsent(error)) return false;
      throw toFault(error, `stat ${file}`);
    }
  },
  async writtenUtcMs(file) {
    try {
      return (await fs.stat(file)).mtimeMs;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw toFault(error, `stat ${file}`);
    }
  },
  rename: (from, to) => act('rename', from, () => fs.rename(from, to)),
  remove: (file) => act('unlink', file, () => fs.rm(file, { force: true })),
  makeDirectory: (directory) =>
    act('mkdir', directory, async () => {
      const first = await fs.mkdir(directory, { recursive: true, mode: 0o700 });
      if (first === undefined) return [];
      const made = [first];
      const rest = path.relative(first, directory);
      for (const part of rest === '' ? [] : rest.split(path.sep)) made.push(path.join(made.at(-1) as string, part));
      return made;
    }),
  syncDirectory: (directory) =>
    act('fsync', directory, async () => {
      const handle = await fs.open(directory, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }),
  async list(directory) {
    try {
      return (await fs.readdir(directory)).sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw toFault(error, `list ${directory}`);
    }
  },
};

/** As `writeDurably` of disk.ts, on Node's thread pool. One at a time for each file. */
export async function writeDurablyAsync(disk: AsyncDisk, file: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${file}.tmp`;
  await disk.remove(temporary);
  const handle = await disk.create(temporary);
  try {
    await handle.append([typeof data === 'string' ? Buffer.from(data) : data]);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await disk.rename(temporary, file);
  await disk.syncDirectory(path.dirname(file));
}
