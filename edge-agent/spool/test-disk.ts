/**
 * A real disk that can fail, for tests. Faults the spool must survive: any operation failing with ENOSPC, EIO or EROFS; a write that
 * stops half way; bytes that were written but not synced, and directory entries that were not synced, being gone after a power cut.
 */
import { cpSync, existsSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import type { Random } from '@longroof/base/random';

export type Operation = 'openAppend' | 'append' | 'datasync' | 'syncDirectory' | 'truncate' | 'remove' | 'read';
export type Verdict = { code: 'ENOSPC' | 'EIO' | 'EROFS'; torn?: number } | undefined;

export class FaultDisk {
  readonly disk: Disk;
  /** Asked before each operation that writes; what it answers happens. */
  judge: (operation: Operation, file: string) => Verdict = () => undefined;
  readonly #files = new Map<number, string>();
  /** Bytes of each file that a power cut leaves. */
  readonly #synced = new Map<string, number>();
  /** Files whose directory entry is not synced. */
  readonly #unlisted = new Set<string>();

  constructor(under: Disk = systemDisk) {
    const check = (operation: Operation, file: string): void => {
      const verdict = this.judge(operation, file);
      if (verdict) throw toFault(Object.assign(new Error(`${verdict.code}: injected`), { code: verdict.code }), `${operation} ${file}`);
    };
    this.disk = {
      ...under,
      openAppend: (file, options) => {
        check('openAppend', file);
        const isNew = !existsSync(file);
        const fd = under.openAppend(file, options);
        this.#files.set(fd, file);
        if (isNew) {
          this.#unlisted.add(file);
          this.#synced.set(file, 0);
        } else if (!this.#synced.has(file)) this.#synced.set(file, statSync(file).size);
        return fd;
      },
      openRead: (file) => {
        const fd = under.openRead(file);
        this.#files.set(fd, file);
        return fd;
      },
      append: (fd, parts) => {
        const file = this.#files.get(fd) ?? '';
        const verdict = this.judge('append', file);
        if (!verdict) return under.append(fd, parts);
        if (verdict.torn) under.append(fd, [Buffer.concat(parts).subarray(0, verdict.torn)]);
        throw toFault(Object.assign(new Error(`${verdict.code}: injected`), { code: verdict.code }), `append ${file}`);
      },
      datasync: (fd) => {
        const file = this.#files.get(fd) ?? '';
        check('datasync', file);
        under.datasync(fd);
        this.#synced.set(file, statSync(file).size);
      },
      syncDirectory: (directory) => {
        check('syncDirectory', directory);
        under.syncDirectory(directory);
        for (const file of [...this.#unlisted]) if (path.dirname(file) === directory) this.#unlisted.delete(file);
      },
      truncate: (file, bytes) => {
        check('truncate', file);
        under.truncate(file, bytes);
        this.#synced.set(file, bytes);
      },
      remove: (file) => {
        check('remove', file);
        under.remove(file);
        this.#synced.delete(file);
        this.#unlisted.delete(file);
      },
      rename: (from, to) => {
        under.rename(from, to);
        this.#synced.set(to, this.#synced.get(from) ?? 0);
        this.#synced.delete(from);
        this.#unlisted.delete(from);
      },
    };
  }

  /** What a power cut would leave of `from`, as a copy in `to`: of unsynced bytes any part, sometimes with wrong ones at the end. */
  powerCut(from: string, to: string, random: Random): void {
    cpSync(from, to, { recursive: true });
    for (const [file, synced] of this.#synced) {
      const copy = path.join(to, path.relative(from, file));
      if (!existsSync(copy)) continue;
      if (this.#unlisted.has(file) && random.next() < 0.7) {
        rmSync(copy);
        continue;
      }
      const written = statSync(copy).size;
      if (written > synced && random.next() < 0.8) truncateSync(copy, random.int(synced, written + 1));
      else if (written > synced) truncateSync(copy, written + random.int(0, 5000));
    }
    for (const name of readdirSync(to)) if (name.endsWith('.tmp')) rmSync(path.join(to, name));
  }
}
