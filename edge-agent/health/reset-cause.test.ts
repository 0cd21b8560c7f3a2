import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemDisk } from '@longroof/base/disk';
import t from 'tap';
import { wasResetByWatchdog } from './reset-cause.js';

t.test('a boot after a reset by the watchdog is told apart', async (t) => {
  const sysfs = mkdtempSync(path.join(tmpdir(), 'longroof-sys-'));
  t.teardown(() => rmSync(sysfs, { recursive: true }));
  t.equal(wasResetByWatchdog(systemDisk, sysfs), false, 'no watchdog');
  const device = path.join(sysfs, 'class/watchdog/watchdog0');
  mkdirSync(device, { recursive: true });
  t.equal(wasResetByWatchdog(systemDisk, sysfs), false, 'one that does not tell');
  for (const [said, expected] of [
    ['0\n', false],
    ['32\n', true],
    ['16\n', false],
    ['34\n', true],
    ['nonsense\n', false],
  ] as const) {
    writeFileSync(path.join(device, 'bootstatus'), said);
    t.equal(wasResetByWatchdog(systemDisk, sysfs), expected, said.trim());
  }
});
