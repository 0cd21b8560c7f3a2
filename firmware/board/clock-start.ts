/**
 * The system's clock at the start of a board without a clock battery: set forward to the newest time that was written before, and never
 * before the build, so that time does not run backwards and certificates can be checked. Never set back: a clock that is ahead is left
 * to those who know better (chrony, GNSS).
 */
import { execFile } from 'node:child_process';
import type { Clock, UtcMs } from '@longroof/base/clock';
import { rfc3339 } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';

/** What is later was written by a clock gone wrong. */
const LATEST_UTC_MS: UtcMs = Date.UTC(2100, 0, 1);
const DATE_MS = 10_000;
const FILES_MAX = 1000;

/** The newest time at which one of the files was written; of a folder, one of those in it. */
export function newestWritten(disk: Disk, files: readonly string[]): UtcMs | undefined {
  let newest: UtcMs | undefined;
  const see = (file: string): void => {
    const utcMs = disk.stat(file)?.changedUtcMs;
    if (utcMs !== undefined && utcMs < LATEST_UTC_MS && utcMs > (newest ?? 0)) newest = utcMs;
  };
  for (const file of files) {
    see(file);
    if (disk.stat(file)?.isDirectory) for (const name of disk.list(file).slice(-FILES_MAX)) see(`${file}/${name}`);
  }
  return newest;
}

/** Where the clock is to be set to; undefined where it may stay. */
export function clockStart(nowUtcMs: UtcMs, buildUtcMs: UtcMs, newestUtcMs: UtcMs | undefined): UtcMs | undefined {
  const floorUtcMs = Math.max(buildUtcMs, newestUtcMs ?? 0);
  return nowUtcMs < floorUtcMs ? floorUtcMs : undefined;
}

export interface ClockStartOptions {
  clock: Clock;
  disk: Disk;
  buildUtcMs: UtcMs;
  /** Written by whoever runs on this board. */
  files: readonly string[];
  /** Gives words of a command that sets the clock; date(1) where left out. */
  setClock?: (utcMs: UtcMs) => Promise<void>;
}

/** What was done, in one sentence. Throws LR_BOARD_CLOCK where the clock may not be set. */
export async function startClock({ clock, disk, buildUtcMs, files, setClock = setByDate }: ClockStartOptions): Promise<string> {
  const nowUtcMs = clock.utc();
  const toUtcMs = clockStart(nowUtcMs, buildUtcMs, newestWritten(disk, files));
  if (toUtcMs === undefined) return `The clock shows ${rfc3339(nowUtcMs)}, and nothing was written later: it stays.`;
  await setClock(toUtcMs);
  return `The clock showed ${rfc3339(nowUtcMs)} and was set forward to ${rfc3339(toUtcMs)}, the newest time that was written here.`;
}

function setByDate(utcMs: UtcMs): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('date', ['-u', '-s', `@${(utcMs / 1000).toFixed(3)}`], { timeout: DATE_MS }, (error) => {
      if (!error) return resolve();
      const hint = 'It needs the right to set the clock (CAP_SYS_TIME); longroof-clock.service has it.';
      reject(new Fault('denied', 'LR_BOARD_CLOCK', `the clock was not set: ${error.message.trim()}`, { cause: error, hint }));
    });
  });
}
