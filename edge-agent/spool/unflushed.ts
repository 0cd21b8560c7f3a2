/**
 * What a killed recorder had written and not flushed verifies at the next start, yet stands in the kernel's memory only: a power cut can
 * still take it. It is flushed before the index knows of it (S1); where the disk refuses, which must not keep the spool shut (S7), before
 * anything else is claimed.
 */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';

export class Unflushed {
  readonly #disk: Disk;
  readonly #files = new Set<string>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Now, or with the first commit that the disk takes. */
  flush(file: string): void {
    this.#files.add(file);
    try {
      this.flushAll();
    } catch {
      // The first commit meets the same disk, and makes its fault the disk's state.
    }
  }

  /** Throws the disk's fault; what is left then is tried again with the next call. */
  flushAll(): void {
    for (const file of this.#files) {
      if (this.#disk.stat(file)) this.#flush(file);
      this.#files.delete(file);
    }
  }

  #flush(file: string): void {
    const fd = this.#disk.openRead(file);
    try {
      this.#disk.datasync(fd);
    } finally {
      this.#disk.close(fd);
    }
    this.#disk.syncDirectory(path.dirname(file));
  }
}
