/**
 * 6. Footage in a folder: `blobs/KEY`, written first under `tmp/`. A key appears only with all of its bytes synced, and its entry and
 * those of new folders above it synced too. What a stop left under `tmp/` is removed at the next start; where several processes share
 * the folder, only what nobody has written to for an hour: a live one that loses its file is refused at the commit, and nothing is claimed.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type AsyncDisk, type AsyncFile, systemAsyncDisk } from '@longroof/base/async-disk';
import { type Clock, systemClock, type UtcMs } from '@longroof/base/clock';
import { assert, Fault, toFault } from '@longroof/base/errors';
import type { BlobStore, BlobWriter } from './blobs.js';

/** Small writes are gathered up to this. */
const GATHER_BYTES = 256 * 1024;
const KEY_CHARS_MAX = 512;
/** A fragment whose bytes are durable waits so long for others to share the fsync of its folder: its receipt has no hurry. */
const TOGETHER_MS = 25;
/** Of a shared folder: a fragment comes within seconds, or its unit gives it up. */
const IDLE_MS = 60 * 60_000;
const SEGMENT = /^[A-Za-z0-9_.-]{1,128}$/;

function checkKey(key: string): void {
  const segments = key.split('/');
  const ok = key.length <= KEY_CHARS_MAX && segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..');
  if (!ok) throw new Fault('invalid', 'LR_BLOB_KEY', `no key for a blob: ${JSON.stringify(key.slice(0, 80))}`);
}

export interface FolderOptions {
  dir: string;
  disk?: AsyncDisk;
  clock?: Pick<Clock, 'sleep'>;
  /** Set where other processes may write into the folder: the clock by which what they left is told from what they do. */
  shared?: Pick<Clock, 'utc'>;
}

export async function openFolderBlobs({ dir, disk = systemAsyncDisk, clock = systemClock, shared }: FolderOptions): Promise<BlobStore> {
  const blobs = new FolderBlobs(dir, disk, clock);
  await blobs.open(shared && shared.utc() - IDLE_MS);
  return blobs;
}

export class FolderBlobs implements BlobStore {
  readonly #root: string;
  readonly #temporary: string;
  readonly #disk: AsyncDisk;
  readonly #syncs: DirectorySyncs;
  /** Of this process alone, in whatever container it runs. */
  readonly #name = randomBytes(6).toString('hex');
  #created = 0;

  constructor(directory: string, disk: AsyncDisk, clock: Pick<Clock, 'sleep'>) {
    this.#root = path.resolve(directory, 'blobs');
    this.#temporary = path.resolve(directory, 'tmp');
    this.#disk = disk;
    this.#syncs = new DirectorySyncs(disk, clock);
  }

  /** Removes what is under way: all of it, or what was last written to before `beforeUtcMs`. */
  async open(beforeUtcMs?: UtcMs): Promise<void> {
    await this.#disk.makeDirectory(this.#root);
    await this.#disk.makeDirectory(this.#temporary);
    await this.#disk.syncDirectory(path.dirname(this.#root));
    for (const name of await this.#disk.list(this.#temporary)) {
      const file = path.join(this.#temporary, name);
      const writtenUtcMs = beforeUtcMs === undefined ? undefined : await this.#disk.writtenUtcMs(file);
      if (beforeUtcMs === undefined || (writtenUtcMs !== undefined && writtenUtcMs < beforeUtcMs)) await this.#disk.remove(file);
    }
  }

  async create(key: string): Promise<BlobWriter> {
    checkKey(key);
    this.#created += 1;
    const temporary = path.join(this.#temporary, `${this.#name}-${this.#created}`);
    const file = await this.#disk.create(temporary);
    return new FolderWriter({
      disk: this.#disk,
      syncs: this.#syncs,
      file,
      temporary,
      target: path.join(this.#root, key),
      root: this.#root,
    });
  }

  async has(key: string): Promise<boolean> {
    checkKey(key);
    return this.#disk.exists(path.join(this.#root, key));
  }

  async read(key: string, start = 0, endExclusive?: number): Promise<Buffer | undefined> {
    checkKey(key);
    assert(start >= 0 && (endExclusive === undefined || endExclusive >= start), 'a range of a blob');
    return this.#disk.read(path.join(this.#root, key), start, endExclusive);
  }
}

interface WriterParts {
  disk: AsyncDisk;
  syncs: DirectorySyncs;
  file: AsyncFile;
  temporary: string;
  target: string;
  root: string;
}

class FolderWriter implements BlobWriter {
  readonly #parts: WriterParts;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #ended = false;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.#ended, 'write to a blob that has ended');
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= GATHER_BYTES) await this.#flush();
  }

  async commit(): Promise<void> {
    assert(!this.#ended, 'commit of a blob that has ended');
    const { disk, syncs, file, temporary, target, root } = this.#parts;
    const directory = path.dirname(target);
    try {
      await this.#flush();
      await file.datasync();
      // Nearly always there already.
      await disk.rename(temporary, target).catch(async (error: unknown) => {
        if (toFault(error).kind !== 'not-found') throw error;
        await disk.makeDirectory(directory);
        await disk.rename(temporary, target);
      });
    } catch (error) {
      await this.abort();
      throw error;
    }
    this.#ended = true;
    await file.close();
    // Another writer may have made a folder that it has not synced yet, so all that lead to the blob are synced once by us too.
    await syncs.known(directory, root);
    await syncs.sync(directory, TOGETHER_MS);
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#gathered = [];
    await this.#parts.file.close();
    await this.#parts.disk.remove(this.#parts.temporary);
  }

  async #flush(): Promise<void> {
    const parts = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (parts.length > 0) await this.#parts.file.append(parts);
  }
}

/** Folders whose own entry in their parent is known to be durable; beyond this they are forgotten and synced again. */
const KNOWN_MAX = 10_000;

/** One fsync of a folder serves all that were renamed into it before the fsync began: it waits a little for more of them. */
class DirectorySyncs {
  readonly #disk: AsyncDisk;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #due = new Map<string, Promise<void>>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #known = new Set<string>();

  constructor(disk: AsyncDisk, clock: Pick<Clock, 'sleep'>) {
    this.#disk = disk;
    this.#clock = clock;
  }

  async known(directory: string, root: string): Promise<void> {
    if (this.#known.has(directory) || directory === root) return;
    const parent = path.dirname(directory);
    await this.known(parent, root);
    await this.sync(parent, 0);
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.add(directory);
  }

  sync(directory: string, waitMs: number): Promise<void> {
    const due = this.#due.get(directory) ?? this.#soon(directory, waitMs);
    this.#due.set(directory, due);
    return due;
  }

  async #soon(directory: string, waitMs: number): Promise<void> {
    if (waitMs > 0) await this.#clock.sleep(waitMs);
    // Of one folder one at a time, or a slow disk would take all of the pool's threads.
    await this.#running.get(directory)?.catch(() => undefined);
    this.#due.delete(directory);
    const running = this.#disk.syncDirectory(directory);
    this.#running.set(directory, running);
    try {
      await running;
    } finally {
      if (this.#running.get(directory) === running) this.#running.delete(directory);
    }
  }
}
