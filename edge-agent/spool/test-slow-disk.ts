/** A real disk whose first fdatasync of a reel takes LONGROOF_TEST_SYNC_MS, for tests of the worker. */
import { type Disk, systemDisk } from '@longroof/base/disk';

const stall = new Int32Array(new SharedArrayBuffer(4));
const reels = new Set<number>();
let left = 1;

export const disk: Disk = {
  ...systemDisk,
  openAppend(file, options) {
    const fd = systemDisk.openAppend(file, options);
    if (file.includes('/reels/')) reels.add(fd);
    return fd;
  },
  datasync(fd) {
    const ms = Number(process.env['LONGROOF_TEST_SYNC_MS'] ?? 0);
    if (ms > 0 && left > 0 && reels.has(fd)) {
      left -= 1;
      Atomics.wait(stall, 0, 0, ms);
    }
    systemDisk.datasync(fd);
  },
};
