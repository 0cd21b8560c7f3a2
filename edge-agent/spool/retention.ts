/**
 * Which reels go when space runs short (S4): the released first, oldest first; then those past their promise; last, as a loss that is
 * signed and raises an alarm, those whose promise is broken, originals before proxies, proxies before strips. Held reels never. Whole reels only; a reel's
 * file is removed only after the record of its disposal is durable.
 */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import type { DisposalBody } from '@longroof/protocol/journal';
import { merkleRoot } from '@longroof/protocol/merkle';
import { markGone } from './apply.js';
import type { IndexDb } from './index-db.js';
import { REELS_FOLDER } from './layout.js';
import { streamOf } from './recover-coverage.js';
import { type ReelRow, receiptedRuns } from './rows.js';
import { reelName } from './scan.js';
import { RUNG_DERIVED, RUNG_ORIGINAL, RUNG_PROXY, RUNG_STRIP } from './schema.js';
import type { CoreState } from './state.js';

const RUNGS_MS = 60_000;
const MIB = 1024 * 1024;
const STRIP_MS = 90 * 86_400_000;
/** Reels disposed of in one commit at most. */
const REELS_MAX = 64;

export interface Doomed {
  reel: ReelRow;
  reason: 'released' | 'expired' | 'no-space';
}

export interface Candidates {
  released: readonly ReelRow[];
  /** Oldest first, by rung. */
  originals: readonly ReelRow[];
  proxies: readonly ReelRow[];
  derived: readonly ReelRow[];
  strips: readonly ReelRow[];
}

const NONE: Candidates = { released: [], originals: [], proxies: [], derived: [], strips: [] };

/** Pure: picks until `bytes` are freed or nothing is left. `isExpired` says whether a reel's promise is kept already. */
export function chooseReels(candidates: Candidates, bytes: number, isExpired: (reel: ReelRow) => boolean): Doomed[] {
  const doomed: Doomed[] = [];
  const taken = new Set<number>();
  let left = bytes;
  const take = (reels: readonly ReelRow[], reason: Doomed['reason']): void => {
    for (const reel of reels) {
      if (left <= 0 || doomed.length >= REELS_MAX) return;
      if (taken.has(reel.id)) continue;
      taken.add(reel.id);
      doomed.push({ reel, reason });
      left -= reel.fileBytes;
    }
  };
  const byAge = [...candidates.originals, ...candidates.proxies, ...candidates.derived, ...candidates.strips].sort((a, b) => a.id - b.id);
  take(candidates.released, 'released');
  take(byAge.filter(isExpired), 'expired');
  take(candidates.originals, 'no-space');
  take(candidates.proxies, 'no-space');
  take(candidates.strips, 'no-space');
  return doomed;
}

export function usedBytes(state: CoreState): number {
  return (
    state.reelBytes +
    state.reels.openBytes +
    state.finished.reduce((sum, reel) => sum + reel.bytes, 0) +
    state.recovered.journal.opened.log.bytes
  );
}

/** Whether a reel's promise is kept by now. */
function expiry(state: CoreState): (reel: ReelRow) => boolean {
  const now = { monoMs: state.options.clock.mono(), wall: state.recovered.wall.now() };
  const { originalMs, proxyMs, stripMs = STRIP_MS } = state.options.retention;
  return (reel) => {
    if (reel.rung === RUNG_DERIVED) return true;
    const promisedMs = reel.rung === RUNG_ORIGINAL ? originalMs : reel.rung === RUNG_STRIP ? stripMs : proxyMs;
    return state.recovered.time.ageMs(reel, now.monoMs, now.wall) - (reel.endMono - reel.startMono) > promisedMs;
  };
}

/** Drafts disposal records for what has to go. */
export function planReclaim(state: CoreState): void {
  const { quotaBytes } = state.options;
  const marginBytes = Math.min(Math.max(quotaBytes / 100, MIB), quotaBytes / 8);
  const used = usedBytes(state);
  const isFull = state.diskState.state === 'full';
  const shortBytes = isFull ? marginBytes - state.options.disk.space(state.options.path).freeBytes : 0;
  const overBytes = Math.max(used - (quotaBytes - marginBytes), shortBytes);
  if (overBytes <= 0) return;
  const { index } = state;
  const isExpired = expiry(state);
  const candidates = {
    released: index.releasedReels(REELS_MAX),
    originals: index.oldestReels(RUNG_ORIGINAL, REELS_MAX),
    proxies: index.oldestReels(RUNG_PROXY, REELS_MAX),
    derived: index.oldestReels(RUNG_DERIVED, REELS_MAX),
    strips: index.oldestReels(RUNG_STRIP, REELS_MAX),
  };
  const doomed = chooseReels(candidates, overBytes + marginBytes / 2, isExpired);
  const names = new Map(index.streams().map((row) => [row.id, row.name]));
  let lost = 0;
  for (const { reel, reason } of doomed) {
    const type = reason === 'no-space' ? 'loss' : 'dispose';
    if (reel.epoch !== state.recovered.identity.epoch) {
      disposeOfOldEpoch(state, reel, names.get(reel.stream)!, reason);
      continue;
    }
    if (type === 'loss') lost += 1;
    state.ledger.add(type, disposal(index, reel, names.get(reel.stream)!, reason), { own: true, urgent: type === 'loss' });
  }
  if (lost > 0) state.ledger.add('event', { event: 'footage-lost', detail: { reels: lost, why: 'no-space' } }, { own: true, urgent: true });
}

/**
 * A rung with a quota of its own gives its oldest up when that is reached: the released first, then what is past its promise, then, as
 * a loss, what is not. Nothing is lost of what was made here: it counts as disposed of.
 */
export function planRungQuota(state: CoreState): void {
  const { originalBytes, proxyBytes, derivedBytes, stripBytes } = state.options.retention;
  if (state.options.clock.mono() < (state.rungsAtMonoMs ?? Number.NEGATIVE_INFINITY)) return;
  let lost = 0;
  for (const [rung, quotaBytes] of [
    [RUNG_ORIGINAL, originalBytes],
    [RUNG_PROXY, proxyBytes],
    [RUNG_DERIVED, derivedBytes],
    [RUNG_STRIP, stripBytes],
  ] as const) {
    const overBytes = quotaBytes === undefined ? 0 : (state.rungBytes[rung] ?? 0) - quotaBytes;
    if (overBytes > 0) lost += planRung(state, rung, overBytes);
  }
  if (lost > 0)
    state.ledger.add('event', { event: 'footage-lost', detail: { reels: lost, why: 'over-limit' } }, { own: true, urgent: true });
}

/** Gives the number of reels lost. */
function planRung(state: CoreState, rung: number, overBytes: number): number {
  const { index } = state;
  const names = new Map(index.streams().map((row) => [row.id, row.name]));
  const isMade = rung === RUNG_DERIVED || rung === RUNG_STRIP;
  const oldest = index.oldestReels(rung, REELS_MAX);
  const isExpired = expiry(state);
  const doomed = chooseReels(
    { ...NONE, released: isMade ? [] : index.releasedReelsOf(rung, REELS_MAX), originals: oldest },
    overBytes,
    isMade ? () => false : isExpired,
  );
  // Held, all of it: looked at again in a while.
  if (doomed.length === 0) state.rungsAtMonoMs = state.options.clock.mono() + RUNGS_MS;
  let lost = 0;
  for (const { reel, reason } of doomed) {
    const stream = names.get(reel.stream)!;
    const why = reason === 'no-space' ? 'over-limit' : reason;
    const isLoss = reason === 'no-space' && !isMade;
    if (reel.epoch !== state.recovered.identity.epoch) {
      disposeOfOldEpoch(state, reel, stream, why, isLoss);
      continue;
    }
    if (isLoss) lost += 1;
    state.ledger.add(isLoss ? 'loss' : 'dispose', disposal(index, reel, stream, why), { own: true, urgent: isLoss });
  }
  return lost;
}

function disposal(index: IndexDb, reel: ReelRow, stream: string, reason: DisposalBody['reason']): DisposalBody {
  const root = reel.root ?? merkleRoot(index.fragments(reel).map((row) => row.sha));
  return {
    ...streamOf(stream),
    run: reel.run,
    seqFirst: reel.seqFirst,
    count: reel.count,
    bytes: reel.bytes,
    root: root.toString('hex'),
    reason,
    ...(reason === 'released' ? {} : receiptedRuns(index.fragments(reel))),
  };
}

/** A disposal record names run and seq of its own epoch; a reel of an earlier one is named in an event. */
function disposeOfOldEpoch(state: CoreState, reel: ReelRow, stream: string, reason: string, isLoss = reason === 'no-space'): void {
  const { epoch, ...body } = { epoch: reel.epoch, ...disposal(state.index, reel, stream, 'expired'), reason };
  const { camera, rendition, ...detail } = body;
  state.ledger.add('event', { event: 'old-epoch-disposed', camera, rendition, detail: { epoch, ...detail } }, { own: true });
  state.pendingWrites.push(() => markGone(state.index, reel, isLoss ? 'lost' : 'disposed'));
}

export function reelPath(root: string, stream: string, reel: Pick<ReelRow, 'epoch' | 'run' | 'seqFirst'>): string {
  return path.join(root, REELS_FOLDER, stream, reelName(reel));
}

/** Removes the files of reels whose disposal is durable; their rows go with the next commit. */
export function sweepGone(state: CoreState): void {
  const gone = state.index.goneReels();
  if (gone.length === 0) return;
  const names = new Map(state.index.streams().map((row) => [row.id, row.name]));
  for (const reel of gone) removeIfThere(state.options.disk, reelPath(state.options.path, names.get(reel.stream)!, reel));
  state.index.transaction(() => {
    for (const reel of gone) state.index.deleteReel(reel.id);
  });
  state.meter.flush();
  for (const reel of gone) {
    state.reelBytes -= reel.fileBytes;
    state.rungBytes[reel.rung] = (state.rungBytes[reel.rung] ?? 0) - reel.fileBytes;
    state.fragments -= reel.count;
    state.released -= reel.released;
  }
}

function removeIfThere(disk: Disk, file: string): void {
  if (disk.stat(file)) disk.remove(file);
}
