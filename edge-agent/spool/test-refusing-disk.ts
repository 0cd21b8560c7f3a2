/**
 * A real disk on which the spool cannot be opened while LONGROOF_TEST_REFUSES names an errno; each worker sees what it was when it began.
 * `EBUG` stands for a mistake in the code, `EHANG` for a disk that does not answer.
 */
import { type Disk, systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';

const never = new Int32Array(new SharedArrayBuffer(4));

export const disk: Disk = {
  ...systemDisk,
  makeDirectory(directory) {
    const code = process.env['LONGROOF_TEST_REFUSES'] ?? '';
    if (code === 'EHANG') Atomics.wait(never, 0, 0);
    if (code === 'EBUG') Buffer.alloc(-1);
    if (code !== '') throw toFault(Object.assign(new Error(`${code}: injected`), { code }), `mkdir ${directory}`);
    systemDisk.makeDirectory(directory);
  },
};
