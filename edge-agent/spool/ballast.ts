/**
 * A few megabytes held back, given up when the disk is full, so that the record of what has to go can still be written. And the
 * oldest of the journal, removed when the centre has had it for long enough.
 */
import path from 'node:path';
import type { MonoMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { BALLAST_FILE } from './layout.js';
import type { CoreState } from './state.js';
import { isTrusted } from './wall-book.js';

const BALLAST_BYTES_MAX = 4 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024);
/** How often the ballast and the journal's age are looked at. */
const UPKEEP_MS = 60_000;
export const JOURNAL_KEPT_MS = 90 * 86_400_000;
/** Acknowledged records go earlier when the journal takes more than this part of the quota. */
const JOURNAL_PART = 1 / 20;

function ballastBytes(state: CoreState): number {
  return Math.min(BALLAST_BYTES_MAX, Math.floor(state.options.quotaBytes / 64));
}

/** Returns whether there was any. */
export function dropBallast(options: { disk: Disk; path: string }): boolean {
  const file = path.join(options.path, BALLAST_FILE);
  const { disk } = options;
  if (!disk.stat(file)) return false;
  disk.remove(file);
  return true;
}

function layBallast(state: CoreState): void {
  const { disk } = state.options;
  const file = path.join(state.options.path, BALLAST_FILE);
  const wanted = ballastBytes(state);
  const have = disk.stat(file)?.bytes ?? 0;
  if (have >= wanted || disk.space(state.options.path).freeBytes < wanted * 8) return;
  const fd = disk.openAppend(file);
  try {
    for (let bytes = have; bytes < wanted; bytes += PIECE.length) disk.append(fd, [PIECE]);
    disk.datasync(fd);
  } finally {
    disk.close(fd);
  }
}

/** Once a minute, while the disk is well. Throws what the disk throws. */
export function upkeep(state: CoreState, nowMonoMs: MonoMs): void {
  if (nowMonoMs < state.upkeepAtMonoMs) return;
  state.upkeepAtMonoMs = nowMonoMs + UPKEEP_MS;
  layBallast(state);
  pruneJournal(state);
}

function pruneJournal(state: CoreState): void {
  const { log } = state.recovered.journal.opened;
  const now = state.recovered.wall.now();
  const limitBytes = state.options.quotaBytes * JOURNAL_PART;
  log.removeOldest((_segment, nextFirstSeq) => {
    if (nextFirstSeq > state.acknowledged) return false;
    if (log.bytes > limitBytes) return true;
    const wall = log.read(nextFirstSeq, 1)[0]?.wall;
    return wall !== undefined && isTrusted(wall) && isTrusted(now) && now.utcMs - wall.utcMs > JOURNAL_KEPT_MS;
  });
}
