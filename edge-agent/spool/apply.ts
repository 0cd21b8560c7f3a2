/**
 * What a durable journal record means for the index. The same function serves each commit and the rebuilding of a lost index, so the
 * two cannot drift apart. Applying a record twice does no harm.
 */

import type { MonoMs } from '@longroof/base/clock';
import { streamText } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import type { CatalogBody, DisposalBody, GapBody, JournalRecord } from '@longroof/protocol/journal';
import { restoreWritten } from './endurance.js';
import type { IndexDb } from './index-db.js';
import { CLOCK_STEP_MS } from './reel-clock.js';
import { type FragmentRow, type ReelRow, rungOf } from './rows.js';
import { REEL_CLOSED, REEL_GONE } from './schema.js';

/** The last record but a checkpoint of an orderly end. */
export const CLOSED_EVENT = 'spool-closed';
/** Disposals closer than this in time make one range. */
const JOIN_MS = 2000;

export function disposalCause(type: 'dispose' | 'loss'): GapCause {
  return type === 'dispose' ? 'disposed' : 'lost';
}

export function applyRecord(index: IndexDb, epoch: string, record: JournalRecord): void {
  if (record.type !== 'checkpoint') {
    const body = record.body as { event?: unknown };
    const clean = record.type === 'event' && body.event === CLOSED_EVENT;
    if ((index.get('clean') === 1) !== clean) index.set('clean', clean ? 1 : 0);
  }
  switch (record.type) {
    case 'run': {
      const body = (record as JournalRecord<'run'>).body;
      index.setRun(epoch, record.run, index.bootId(body.boot));
      for (const camera of body.cameras)
        for (const rendition of camera.renditions) index.streamId(streamText({ camera: camera.camera, rendition }));
      index.set('cameras', JSON.stringify(body.cameras));
      return;
    }
    case 'gap':
      applyGap(index, epoch, record as JournalRecord<'gap'>);
      return;
    case 'clock': {
      const boot = index.bootOfRun(epoch, record.run);
      if (boot !== undefined) index.addAnchor(boot, (record as JournalRecord<'clock'>).body);
      return;
    }
    case 'catalog':
      applyCatalog(index, epoch, record as JournalRecord<'catalog'>);
      return;
    case 'dispose':
    case 'loss':
      applyDisposal(index, epoch, (record as JournalRecord<'dispose'>).body, disposalCause(record.type));
      return;
    case 'health':
      restoreWritten(index, (record as JournalRecord<'health'>).body['disk']);
      return;
    case 'hold': {
      const body = (record as JournalRecord<'hold'>).body;
      if (body.action === 'placed') index.putHold(body.holdId, JSON.stringify(body));
      else if (body.action === 'released') index.deleteHold(body.holdId);
      return;
    }
    default:
      return;
  }
}

function applyGap(index: IndexDb, epoch: string, record: JournalRecord<'gap'>): void {
  const body: GapBody = record.body;
  const boot = index.bootOfRun(epoch, record.run);
  if (boot === undefined) return;
  index.addGap({
    stream: index.streamId(streamText(body)),
    boot,
    fromMono: body.fromMonoMs,
    duration: body.durationMs,
    fromUtc: body.fromWall?.utcMs ?? null,
    claimOffset: record.wall.utcMs - record.monoMs,
    claimSource: record.wall.source,
    claimError: record.wall.errorMs,
    cause: body.cause,
    detail: body.detail ?? null,
  });
}

/** A reel that the index does not have is put in as the record says; its rows come from the file. */
function applyCatalog(index: IndexDb, epoch: string, record: JournalRecord<'catalog'>): void {
  const body: CatalogBody = record.body;
  const stream = index.streamId(streamText(body));
  const root = Buffer.from(body.root, 'hex');
  const known = index.reelAt(stream, epoch, body.run, body.seqFirst);
  if (known) {
    if (known.state !== REEL_GONE) index.putReel({ ...known, state: REEL_CLOSED, root });
    return;
  }
  const offset = body.startWall ? body.startWall.utcMs - body.startMonoMs : record.wall.utcMs - record.monoMs;
  const reel: ReelRow = {
    ...{ id: index.maxIds().reel + 1, stream, rung: rungOf(streamText(body)), epoch, run: body.run, seqFirst: body.seqFirst },
    ...{ boot: index.bootOfRun(epoch, body.run) ?? 0, state: REEL_CLOSED, count: body.count, released: 0, fileBytes: 0, bytes: body.bytes },
    ...{ startMono: body.startMonoMs, endMono: body.startMonoMs + body.durationMs, offsetMin: offset, offsetMax: offset },
    ...{ trustedUtc: null, bornMs: 0, initSha: Buffer.from(body.initSha256, 'hex'), initBytes: 0, codec: body.codec },
    ...{ lostPackets: body.lostPackets, rowFirst: null, rowLast: null, root },
  };
  index.putReel(reel);
  meetGone(index, reel);
}

/** Its rows go at once; the reel's row stays, marked, until the file is gone too. */
function applyDisposal(index: IndexDb, epoch: string, body: DisposalBody, cause: GapCause): void {
  const stream = index.streamId(streamText(body));
  for (const reel of index.reelsInRange(stream, epoch, body.run, body.seqFirst, body.count)) {
    markGone(index, reel, cause);
  }
}

export function markGone(index: IndexDb, reel: ReelRow, cause: GapCause): void {
  if (reel.state === REEL_GONE) return;
  const [first] = index.fragments(reel);
  index.deleteFragments(reel);
  index.putReel({ ...reel, state: REEL_GONE });
  noteGone(index, reel, first, cause);
}

/** The time of a reel that is gone, as a range, dated as its first fragment was; neighbours of the same clock join. */
function noteGone(index: IndexDb, reel: ReelRow, first: FragmentRow | undefined, cause: GapCause): void {
  const claim = first
    ? { claimOffset: first.wallUtc - first.startMono, claimSource: first.wallSource, claimError: first.wallError }
    : { claimOffset: reel.offsetMin, claimSource: 'rtc', claimError: 3_600_000 };
  const last = index.lastGap(reel.stream, cause);
  const { from, to } = reach(index, reel);
  const isOneClock = last && Math.abs(last.claimOffset - claim.claimOffset) <= CLOCK_STEP_MS;
  if (isOneClock && last.boot === reel.boot && last.fromUtc === null) {
    const end = last.fromMono + last.duration;
    if (from <= end + JOIN_MS && to >= last.fromMono - JOIN_MS) {
      const start = Math.min(last.fromMono, from);
      index.stretchGap(last.id, start, Math.max(end, to) - start);
      return;
    }
  }
  index.addGap({
    ...{ stream: reel.stream, boot: reel.boot, fromMono: from, duration: to - from, fromUtc: null },
    ...{ ...claim, cause, detail: null },
  });
}

/**
 * Reels that go on from each other by the camera's clock leave no gap, though monotonic times may jump between them. With one of them
 * gone nothing tells so any more: its time reaches to its neighbours.
 */
function reach(index: IndexDb, reel: ReelRow): { from: MonoMs; to: MonoMs } {
  const { stream, epoch, run, seqFirst, count, startMono, endMono } = reel;
  const before = seqFirst > 0 ? index.reelOf(stream, epoch, run, seqFirst - 1) : undefined;
  const behind = index.reelAt(stream, epoch, run, seqFirst + count);
  return {
    from: before && isNear(before.endMono, startMono) ? before.endMono : startMono,
    to: behind && isNear(endMono, behind.startMono) ? behind.startMono : endMono,
  };
}

function isNear(endMonoMs: MonoMs, startMonoMs: MonoMs): boolean {
  return startMonoMs > endMonoMs && startMonoMs - endMonoMs <= JOIN_MS;
}

/** A reel that begins when the one before it has gone already. */
export function meetGone(index: IndexDb, reel: Pick<ReelRow, 'stream' | 'boot' | 'startMono'>): void {
  for (const cause of ['disposed', 'lost'] as const) {
    const last = index.lastGap(reel.stream, cause);
    if (last?.boot === reel.boot && last.fromUtc === null && isNear(last.fromMono + last.duration, reel.startMono))
      index.stretchGap(last.id, last.fromMono, reel.startMono - last.fromMono);
  }
}
