/**
 * The group commit. Order is everything (S1): bytes and directory entries of reels, then the journal, then the index, then whoever
 * waits. A step that fails leaves what came before it in memory and on disk, and the whole is tried again a second later; nothing is
 * claimed that did not get through every step.
 */
import type { MonoMs } from '@longroof/base/clock';
import { type FragmentMeta, isCameraRendition, type WallClaim } from '@longroof/protocol/fragment';
import type { CatalogBody } from '@longroof/protocol/journal';
import { merkleRoot } from '@longroof/protocol/merkle';
import { applyRecord, CLOSED_EVENT, meetGone } from './apply.js';
import { dropBallast, upkeep } from './ballast.js';
import { toDiskFault } from './disk-state.js';
import { holdFinished } from './holds.js';
import { streamOf } from './recover-coverage.js';
import { removeIndex } from './recover-journal.js';
import { startWallOf } from './reel-clock.js';
import { REEL_GRACE_MS, REEL_MS, type Reel } from './reels.js';
import { planReclaim, planRungQuota, sweepGone } from './retention.js';
import { adjoins, durationMs, fragmentRow, type ReelRow, rungOf } from './rows.js';
import { REEL_OPEN } from './schema.js';
import type { DurableStream } from './spool.js';
import { type CoreState, draftGaps, takeTurns } from './state.js';
import { isTrusted } from './wall-book.js';

/** Without anything urgent a commit is made this often: it is the sign of life. */
export const BEAT_MS = 1000;

export interface CommitResult {
  durable: DurableStream[];
  journal: { next: number; urgent: boolean } | undefined;
}

export interface CommitOptions {
  /** No fragment that begins before this can still come. */
  settledMonoMs: MonoMs;
  closing: boolean;
}

export function isCommitDue(state: CoreState, nowMonoMs: MonoMs): boolean {
  if (!state.diskState.mayTry(nowMonoMs)) return false;
  return (
    state.reels.isDirty ||
    state.unindexed.length > 0 ||
    state.releases.length > 0 ||
    state.pendingWrites.length > 0 ||
    [...state.streams.values()].some((stream) => stream.turns.length > 0) ||
    state.ledger.hasUrgent ||
    nowMonoMs - state.lastCommitMonoMs >= BEAT_MS
  );
}

/** Never throws for the disk: a failure becomes the disk's state. */
export function commit(state: CoreState, options: CommitOptions): CommitResult {
  const { clock } = state.options;
  const startMonoMs = clock.mono();
  let result: CommitResult = { durable: [], journal: undefined };
  state.lastCommitMonoMs = startMonoMs;
  try {
    if (options.closing) state.reels.endAll();
    else state.reels.endIdle(startMonoMs);
    state.recovered.unflushed.flushAll();
    const synced = state.reels.sync();
    state.unindexed.push(...synced.fragments);
    state.finished.push(...synced.finished);
    for (const { meta, reel } of synced.fragments) account(state, reel.stream, meta);
    for (const { meta, reel } of synced.dropped) {
      const stream = state.streams.get(reel.stream);
      state.diskState.fail(synced.fault!, startMonoMs);
      if (stream) takeTurns(state, stream, meta.seq);
      stream?.coverage.note(state.diskState.cause, meta.startMonoMs);
    }
    for (const stream of state.streams.values()) takeTurns(state, stream);
    if (!synced.fault) for (const stream of state.streams.values()) draftGaps(state, stream, stream.coverage.tick(options.settledMonoMs));
    draftCatalogs(state, startMonoMs, options.closing);
    const isLast = options.closing && !synced.fault;
    if (isLast) state.ledger.add('event', { event: CLOSED_EVENT }, { own: true });
    else {
      planReclaim(state);
      planRungQuota(state);
    }
    state.ledger.flush({ closing: isLast });
    writeIndex(state);
    result = settle(state);
    sweepGone(state);
    if (!options.closing) upkeep(state, startMonoMs);
    if (synced.fault) state.diskState.fail(toDiskFault(synced.fault, 'spool'), clock.mono());
    else state.diskState.flushed(clock.mono() - startMonoMs);
  } catch (error) {
    failed(state, error);
  }
  return result;
}

/** What a failed commit leaves behind: a state, a little room where there was none, an index that will be made anew if it is broken. */
function failed(state: CoreState, error: unknown): void {
  const fault = toDiskFault(error, 'spool');
  state.diskState.fail(fault, state.options.clock.mono());
  try {
    if (fault.kind === 'full') dropBallast(state.options);
    if (fault.kind === 'corrupt' && fault.code === 'LR_SPOOL_INDEX') removeIndex(state.options.disk, state.options.path);
  } catch (second) {
    // Both are tried again with the next commit; the state tells of the worse of the two.
    state.diskState.fail(toDiskFault(second, 'spool'), state.options.clock.mono());
  }
}

function account(state: CoreState, text: string, meta: FragmentMeta): void {
  const stream = state.streams.get(text);
  // What is made here is of a time that its originals account for.
  if (!stream || !isCameraRendition(meta.rendition)) return;
  takeTurns(state, stream, meta.seq);
  const { startMonoMs, lostPackets } = meta;
  const how = { adjoins: adjoins(stream.last, meta), lostPackets };
  draftGaps(state, stream, stream.coverage.fragment(startMonoMs, startMonoMs + durationMs(meta), how));
  stream.last = meta;
}

/** Catalogue records wait for the reels of all streams of a minute, so that they travel together. */
function draftCatalogs(state: CoreState, nowMonoMs: MonoMs, closing: boolean): void {
  const due = (reel: Reel): boolean => closing || nowMonoMs >= (reel.minute + 1) * REEL_MS + REEL_GRACE_MS;
  const ready = state.finished.filter(due);
  if (ready.length === 0) return;
  state.finished = state.finished.filter((reel) => !due(reel));
  for (const reel of ready) {
    state.ledger.add('catalog', catalogBody(state, reel), { own: true });
    state.catalogued.push(reel);
  }
  holdFinished(state, ready);
}

function catalogBody(state: CoreState, reel: Reel): CatalogBody {
  const { wall } = state.recovered;
  const now = { monoMs: state.options.clock.mono(), wall: wall.now() };
  return {
    ...streamOf(reel.stream),
    run: reel.run,
    seqFirst: reel.seqFirst,
    count: reel.leaves.length,
    startMonoMs: reel.startMono,
    durationMs: Math.round(reel.endMono - reel.startMono),
    bytes: reel.mediaBytes,
    root: merkleRoot(reel.leaves).toString('hex'),
    initSha256: reel.initSha256,
    codec: reel.codec,
    lostPackets: reel.lostPackets,
    ...startWallOf(reel.startMono, wall.at(reel.startMono, startClaim(reel)), now),
  };
}

/** As its first fragments were dated when they were written. */
function startClaim(reel: Reel): WallClaim {
  return { utcMs: reel.startMono + reel.offsetMin, source: reel.wallSource, errorMs: reel.wallErrorMs };
}

/** One transaction: fragments, what the records mean, heartbeat. */
function writeIndex(state: CoreState): void {
  const { index, ledger } = state;
  const { clock, boot } = state.options;
  const { epoch, run } = state.recovered.identity;
  const touched = new Set<Reel>();
  const rowFirst = new Map<number, number>();
  let rowId = state.nextRowId;
  const records = ledger.unapplied();
  index.transaction(() => {
    for (const { meta, at, reel } of state.unindexed) {
      if (!state.rowFirst.has(reel.id) && !rowFirst.has(reel.id)) rowFirst.set(reel.id, rowId);
      index.putFragment({ id: rowId, ...fragmentRow(meta, reel.id, at) });
      rowId += 1;
      touched.add(reel);
    }
    for (const reel of touched) {
      const first = state.rowFirst.get(reel.id) ?? rowFirst.get(reel.id)!;
      const row = reelRow(state, reel, first, null);
      if (rowFirst.has(reel.id)) {
        index.putReel(row);
        meetGone(index, row);
      } else index.updateReel(row);
    }
    for (const reel of state.catalogued) {
      const first = state.rowFirst.get(reel.id) ?? rowFirst.get(reel.id) ?? null;
      index.updateReel(reelRow(state, reel, first, rowId - 1));
    }
    for (const record of records) applyRecord(index, epoch, record);
    for (const release of state.releases) index.setReleased(release.fragment, release.reel, state.storeOrdinal);
    // Behind the releases: a change of store makes those void that came before it.
    for (const write of state.pendingWrites) write();
    for (const stream of state.streams.values()) if (stream.dirty) saveStream(state, stream.text);
    const monoMs = clock.mono();
    index.set('beat', JSON.stringify({ boot, monoMs, wall: state.recovered.wall.now(), spoolMs: state.recovered.time.at(monoMs) }));
    index.set('run', run);
    index.set('acknowledged', state.acknowledged);
    state.endurance.save(index, state.recovered.wall);
    index.set('applied', ledger.next);
    index.set('head', ledger.head);
  });
  state.meter.flush();
  for (const [reel, first] of rowFirst) state.rowFirst.set(reel, first);
  state.nextRowId = rowId;
}

function saveStream(state: CoreState, text: string): void {
  const stream = state.streams.get(text)!;
  const { cause, atMonoMs, detail } = stream.coverage.cause;
  state.index.saveStream(state.index.streamId(text), {
    ...{ open: stream.coverage.isOpen, boot: state.bootId, accounted: stream.coverage.accountedMonoMs, wall: null },
    ...{ cause, causeAt: atMonoMs, detail: detail ?? null },
  });
}

function reelRow(state: CoreState, reel: Reel, rowFirst: number | null, rowLast: number | null): ReelRow {
  const { time } = state.recovered;
  const wall = startClaim(reel);
  return {
    ...{ id: reel.id, stream: state.index.streamId(reel.stream), rung: rungOf(reel.stream), epoch: state.recovered.identity.epoch },
    ...{ run: reel.run, seqFirst: reel.seqFirst, boot: state.bootId, state: REEL_OPEN, count: reel.leaves.length, released: 0 },
    ...{ fileBytes: reel.durableBytes, bytes: reel.mediaBytes, startMono: reel.startMono, endMono: reel.endMono },
    ...{ offsetMin: reel.offsetMin, offsetMax: reel.offsetMax, trustedUtc: isTrusted(wall) ? wall.utcMs : null },
    ...{ bornMs: time.at(reel.startMono), initSha: Buffer.from(reel.initSha256, 'hex'), initBytes: reel.initBytes, codec: reel.codec },
    ...{ lostPackets: reel.lostPackets, rowFirst, rowLast, root: rowLast === null ? null : merkleRoot(reel.leaves) },
  };
}

/** Everything of this commit is durable and indexed. */
function settle(state: CoreState): CommitResult {
  const durable = new Map<string, DurableStream>();
  for (const { meta, reel } of state.unindexed) {
    // A commit may hold the end of one reel and the beginning of the next, in any order.
    if ((durable.get(reel.stream)?.seq ?? -1) > meta.seq) continue;
    durable.set(reel.stream, {
      stream: { camera: meta.camera, rendition: meta.rendition },
      seq: meta.seq,
      endMonoMs: meta.startMonoMs + durationMs(meta),
    });
  }
  state.fragments += state.unindexed.length;
  state.unindexed = [];
  for (const reel of state.catalogued) {
    state.reelBytes += reel.bytes;
    const rung = rungOf(reel.stream);
    state.rungBytes[rung] = (state.rungBytes[rung] ?? 0) + reel.bytes;
    state.rowFirst.delete(reel.id);
  }
  state.catalogued = [];
  state.pendingWrites = [];
  state.released += new Set(state.releases.map((release) => release.fragment)).size;
  for (const release of state.releases.splice(0)) release.settled(true);
  for (const stream of state.streams.values()) stream.dirty = false;
  return { durable: [...durable.values()], journal: state.ledger.applied() };
}
