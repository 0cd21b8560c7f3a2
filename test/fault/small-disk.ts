/** A small file system of its own in memory, to fill and to make read-only. Without the right to mount the scenario fails and says so. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export class SmallDisk {
  readonly path = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-small-'));

  constructor(megabytes: number) {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.path], { stdio: 'pipe' });
    } catch (error) {
      fs.rmdirSync(this.path);
      throw new Error(`not run: no right to mount a small file system (run it as root): ${(error as Error).message.split('\n')[0]}`);
    }
  }

  /** No file of it may be open for writing when it becomes read-only. */
  become(how: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${how}`, this.path], { stdio: 'pipe' });
  }

  remove(): void {
    execFileSync('umount', ['-l', this.path], { stdio: 'pipe' });
    fs.rmdirSync(this.path);
  }
}
