/**
 * Cuts of the power while a recorder runs on Debian's kernel in QEMU: the machine is killed, its disk loses what was not flushed, and what is
 * left is mounted and checked by longroof-fsck; what the recorder had been told is durable must be there. Then the machine starts again from
 * that disk, again and again.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@longroof/base/random';
import { rowKey, spoolRows } from '../fault/rows.js';
import { unitImage } from '../guest/image.js';
import { Machine, type MachineOptions } from '../guest/machine.js';
import { type GuestWagon, prepareGuestWagon, spoolDisk } from '../guest/wagon.js';
import { fsck } from '../peers/wagon.js';
import { startNbdServer } from './nbd-server.js';
import { VolatileDisk } from './volatile-disk.js';

const SPOOL_MB = 192;
const START_MS = 900_000;
const WRITES_MS = 20_000;
const DURABLE = /^durable (\S+);/gm;

export interface Cuts {
  cuts: number;
  durable: number;
  lostBytes: number;
  seconds: number;
  findings: string[];
}

export interface CutsOptions {
  folder: string;
  cuts: number;
  random: Random;
  /** The negative control: a disk that forgets in spite of flushes. */
  lies: boolean;
  progress: (text: string) => void;
}

/** Mounts what the disk holds after the cut, and looks. */
async function look(folder: string, image: Buffer, promised: ReadonlySet<string>): Promise<string[]> {
  const file = path.join(folder, 'after.img');
  const mount = path.join(folder, 'after');
  fs.writeFileSync(file, image);
  fs.mkdirSync(mount, { recursive: true });
  try {
    execFileSync('mount', ['-o', 'loop,noatime', file, mount]);
  } catch (error) {
    return [`the file system cannot be mounted: ${(error as Error).message}`];
  }
  try {
    const answer = await fsck(mount);
    const found = answer.code === 0 || promised.size === 0 ? [] : [`fsck ended with ${answer.code}: ${answer.text.slice(0, 1500)}`];
    const rows = new Set(spoolRows(mount).map(rowKey));
    for (const key of promised) if (!rows.has(key)) found.push(`${key} was reported durable and is gone`);
    return found;
  } catch (error) {
    return [`the spool cannot be read: ${(error as Error).message}`];
  } finally {
    execFileSync('umount', [mount]);
  }
}

/** Records until the cut, which comes some time after the first durable fragment, or while the machine still starts. */
async function recordAndCut(machine: Machine, disk: VolatileDisk, random: Random, promised: Set<string>): Promise<void> {
  if (random.next() < 0.85) {
    await machine.says(DURABLE, START_MS);
    await delay(random.int(100, 4000));
  } else {
    await machine.says(/mounted/, START_MS);
    await delay(random.int(0, 8000));
  }
  // The power goes in the midst of writing, where there is something to lose.
  await Promise.race([disk.dieAfter(random.int(1, 20)), delay(WRITES_MS, undefined, { ref: false })]);
  await machine.cut();
  for (const [, key] of machine.console.matchAll(DURABLE)) promised.add(key as string);
}

export async function cutInGuest(options: CutsOptions): Promise<Cuts> {
  const { folder, random } = options;
  const image = await unitImage();
  const wagon: GuestWagon = await prepareGuestWagon({ folder, image, withCentre: false });
  const disk = new VolatileDisk(fs.readFileSync(await spoolDisk(folder, image, SPOOL_MB)));
  disk.lies = options.lies;
  const server = await startNbdServer(path.join(folder, 'spool.sock'), disk);
  const machineOptions: MachineOptions = {
    ...{ folder, image, config: wagon.config, init: '/sbin/only-record' },
    spool: `file=nbd:unix:${server.socket},format=raw`,
  };
  const result: Cuts = { cuts: 0, durable: 0, lostBytes: 0, seconds: 0, findings: [] };
  const promised = new Set<string>();
  const startMs = performance.now();
  try {
    while (result.cuts < options.cuts) {
      const machine = await Machine.start(machineOptions);
      await recordAndCut(machine, disk, random, promised).finally(() => machine.cut());
      const after = disk.cut(random);
      result.cuts += 1;
      result.lostBytes += after.lostBytes;
      const found = await look(folder, after.image, promised);
      result.findings.push(...found.map((what) => `cut ${result.cuts}: ${what}`));
      result.durable = promised.size;
      options.progress(`cut ${result.cuts}: ${promised.size} durable, ${after.lostBytes} unflushed bytes lost, ${found.length} findings`);
      if (options.lies && found.length > 0) break;
    }
  } finally {
    await server.close();
    await wagon.close();
  }
  result.seconds = (performance.now() - startMs) / 1000;
  return result;
}
