/**
 * A program of the crash points, one for each core: lays each disk into a file, lets the kernel mount it and play its journal, and looks: fsck finds no
 * damage, the recorder starts, everything that was reported durable is there and hashes to what it was, and fsck finds no damage after.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { openCore, type SpoolCore } from '@longroof/edge-agent/spool/core';
import { checkSpool } from '@longroof/edge-agent/spool/fsck';
import { type CrashPoint, type Promised, promisedAt, Replay } from './crash-points.js';
import { rowsOf, spoolOptions } from './life.js';
import type { Recording } from './recording.js';

export interface CheckerTask {
  recording: Recording;
  points: CrashPoint[];
  folder: string;
  journalKeyPem: string;
}

export interface Finding {
  point: CrashPoint;
  what: string;
}

export type FromChecker = { kind: 'progress'; fragments: number } | { kind: 'finding'; finding: Finding };

const HOUR_MS = 3_600_000;

function fsck(spool: string, folder: string): string[] {
  const scratch = fs.mkdtempSync(path.join(folder, 'scratch-'));
  try {
    return checkSpool(systemDisk, spool, scratch).damage.map(({ what, where, detail }) => `fsck: ${what} ${where} ${detail}`);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

function checkMounted(spool: string, folder: string, promised: Promised, journalKeyPem: string): string[] {
  const found: string[] = [];
  try {
    found.push(...fsck(spool, folder));
  } catch (error) {
    const fault = toFault(error);
    if (fault.code !== 'LR_FSCK') throw error;
    found.push(`fsck: ${fault.message}`);
  }
  // A spool whose making was cut off holds nothing yet; the start makes it anew.
  if (!promised.any) found.length = 0;
  const clock = new SimClock(9000, promised.utcMs + HOUR_MS);
  // With room enough: this start shall not reclaim what is looked for.
  const core = openCore({ ...spoolOptions(spool, journalKeyPem, 'boot-2', clock), quotaBytes: 2 ** 30 });
  try {
    found.push(...missing(core, promised));
  } finally {
    core.close();
  }
  found.push(...fsck(spool, folder).map((text) => `after a start: ${text}`));
  return found;
}

/** Everything that was promised, and what of it is not there. */
function missing(core: SpoolCore, promised: Promised): string[] {
  const found: string[] = [];
  const rows = rowsOf(core);
  for (const [key, sha256] of promised.fragments)
    if (rows.get(key) !== sha256) found.push(`${key} was reported durable and is ${rows.has(key) ? 'another' : 'gone'}`);
  const records = new Map(core.journal(0, 1e9).map((record) => [record.seq, record]));
  for (const [seq, note] of promised.records)
    if ((records.get(seq)?.body as { event?: string } | undefined)?.event !== note)
      found.push(`record ${seq} was reported durable and is gone`);
  return found;
}

function check(task: CheckerTask, image: Buffer, point: CrashPoint): { found: string[]; fragments: number } {
  const file = path.join(task.folder, 'crashed.img');
  const mount = path.join(task.folder, 'mount');
  const promised = promisedAt(task.recording.marks, point.at);
  fs.writeFileSync(file, image);
  fs.mkdirSync(mount, { recursive: true });
  try {
    execFileSync('mount', ['-o', 'loop,noatime', file, mount], { encoding: 'utf8' });
  } catch (error) {
    return { found: [`the file system cannot be mounted: ${(error as Error).message}`], fragments: 0 };
  }
  try {
    return {
      found: checkMounted(path.join(mount, 'spool'), task.folder, promised, task.journalKeyPem),
      fragments: promised.fragments.size,
    };
  } catch (error) {
    return { found: [`the recorder does not start: ${(error as Error).stack}`], fragments: 0 };
  } finally {
    execFileSync('umount', [mount]);
  }
}

function tell(message: FromChecker): void {
  process.send?.(message);
}

const [task] = (await once(process, 'message')) as [CheckerTask];
const replay = new Replay(task.recording);
for (const point of task.points) {
  const { found, fragments } = check(task, replay.imageAt(point), point);
  for (const what of found) tell({ kind: 'finding', finding: { point, what } });
  tell({ kind: 'progress', fragments });
}
process.disconnect?.();
