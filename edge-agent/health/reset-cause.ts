/**
 * Whether the board's hardware watchdog started this boot, as the kernel's driver tells (Documentation/watchdog/watchdog-api.rst:
 * WDIOF_CARDRESET in `bootstatus`): PID 1 had hung, or the kernel. Most boards without a watchdog have nothing there.
 */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';

const WDIOF_CARDRESET = 0x20;
const DEVICES_MAX = 16;

export function wasResetByWatchdog(disk: Disk, sysfs = '/sys'): boolean {
  const folder = path.join(sysfs, 'class/watchdog');
  try {
    return disk
      .list(folder)
      .slice(0, DEVICES_MAX)
      .some(
        (name) =>
          (Number(
            disk
              .readFile(path.join(folder, name, 'bootstatus'))
              .toString('latin1')
              .trim(),
          ) &
            WDIOF_CARDRESET) !==
          0,
      );
  } catch (error) {
    // A driver that does not tell: then nobody knows.
    if (error instanceof Fault) return false;
    throw error;
  }
}
