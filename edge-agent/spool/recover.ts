/**
 * Opens a spool's folder: journal, index and reels agree afterwards, and what is still to be said about the time since the last run
 * is handed back as drafts. Nothing here claims footage that does not verify.
 */

import { createPublicKey } from 'node:crypto';
import path from 'node:path';
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import type { Rendition } from '@longroof/protocol/fragment';
import { isWallClaim } from '@longroof/protocol/fragment';
import { GENESIS_PREV, type JournalBodies, type JournalType } from '@longroof/protocol/journal';
import { Chain } from '../journal/chain.js';
import { Coverage } from './coverage.js';
import { JOURNAL_FOLDER, REELS_FOLDER } from './layout.js';
import {
  type Before,
  beforeBoot,
  configuredStreams,
  gapBody,
  type Heartbeat,
  recoverStream,
  streamOf,
  type Waited,
  waitedFor,
} from './recover-coverage.js';
import { type OpenedJournal, openJournal } from './recover-journal.js';
import { type ReelFindings, recoverReels } from './recover-reels.js';
import type { Retention, SpoolIdentity } from './spool.js';
import { Unflushed } from './unflushed.js';
import { SpoolTime, WallBook } from './wall-book.js';

export interface CoreOptions {
  path: string;
  quotaBytes: number;
  unit: string;
  journalKeyPem: string;
  version: string;
  configSha256: string;
  cameras: { camera: string; renditions: Rendition[] }[];
  /** Promised per rung, from the end of a reel. */
  retention: Retention;
  /** Rated terabytes written of the disk, in bytes. */
  enduranceBytes?: number;
  /** See `SpoolOptions`. */
  waited?: readonly Waited[];
  /** The kernel's boot id. */
  boot: string;
  disk: Disk;
  clock: Clock;
}

export type Draft = { [T in JournalType]: { type: T; body: JournalBodies[T]; urgent?: boolean } }[JournalType];

export interface Recovered {
  identity: SpoolIdentity;
  journal: OpenedJournal;
  chain: Chain;
  wall: WallBook;
  time: SpoolTime;
  before: Before | undefined;
  coverage: Map<string, Coverage>;
  drafts: Draft[];
  findings: ReelFindings;
  unflushed: Unflushed;
  ended: JournalBodies['run']['ended'];
}

export function recover(options: CoreOptions): Recovered {
  const { disk, clock } = options;
  for (const folder of ['', JOURNAL_FOLDER, REELS_FOLDER]) disk.makeDirectory(path.join(options.path, folder));
  disk.syncDirectory(options.path);
  const journalKey = createPublicKey(options.journalKeyPem).export({ type: 'spki', format: 'pem' }) as string;
  const unflushed = new Unflushed(disk);
  const journal = openJournal(disk, options.path, { unit: options.unit, journalKey }, unflushed);
  const { index } = journal;
  const boot = currentBoot(journal, options.boot);
  const beat = heartbeat(journal);
  const sameBoot = beat?.boot === options.boot;
  const time = new SpoolTime(beat && { spoolMs: beat.spoolMs, monoMs: beat.monoMs, sameBoot });
  const wall = new WallBook(clock, index.anchors(boot));
  const beatBoot = beat && bootNumber(journal, beat.boot);
  const bornMs = time.at(clock.mono());
  const now = { boot: options.boot, monoMs: clock.mono(), wall: wall.now() };
  const findings = recoverReels({ disk, root: options.path, index, lastBoot: beatBoot, bornMs, now, unflushed });
  const lastRun = Math.max(
    index.lastRun(journal.epoch)?.run ?? 0,
    journal.opened.last?.run ?? 0,
    Number(index.get('run') ?? 0),
    findings.maxRun,
  );
  const ended = !beat && lastRun === 0 ? 'first' : index.get('clean') === 1 ? 'clean' : sameBoot ? 'agent-restart' : 'power-cut';
  const identity: SpoolIdentity = { unit: options.unit, epoch: journal.epoch, run: lastRun + 1, boot: options.boot };

  const added = [...findings.streams.values()].flatMap((stream) => stream.added);
  const footageMonoMs = added.reduce((last, { to }) => Math.max(last, to), 0);
  const anchors = beatBoot === undefined ? [] : index.anchors(beatBoot);
  const before = beforeBoot(beat, footageMonoMs, options.boot, anchors, clock.mono(), wall.now());
  if (before && beatBoot !== undefined) index.transaction(() => index.setShift(boot, beatBoot, before.shiftMs));
  const drafts: Draft[] = opening(options, journal, identity, ended, journalKey);
  const coverage = new Map<string, Coverage>();
  const configured = configuredStreams(options.cameras);
  for (const row of index.streams()) {
    const restart = sameBoot ? 'agent-restart' : ended === 'clean' ? 'stopped' : 'power-cut';
    const at = { beat, beatBoot, before, nowMonoMs: clock.mono(), restart, waited: options.waited } as const;
    const recovered = recoverStream(row, findings.streams.get(row.name), at, configured.has(row.name));
    coverage.set(row.name, recovered.coverage);
    for (const piece of recovered.gaps) drafts.push({ type: 'gap', body: gapBody(streamOf(row.name), piece, before) });
  }
  // Streams that no index knows yet were to be recorded all the same.
  for (const name of configured) {
    const first = options.waited?.[0];
    if (!options.waited || !first || coverage.has(name)) continue;
    const recovered = waitedFor(new Coverage(first.sinceMonoMs, 'configuration'), options.waited, clock.mono());
    coverage.set(name, recovered.coverage);
    for (const piece of recovered.gaps) drafts.push({ type: 'gap', body: gapBody(streamOf(name), piece, before) });
  }
  for (const body of findings.catalogs) drafts.push({ type: 'catalog', body });
  for (const body of findings.losses) drafts.push({ type: 'loss', body, urgent: true });
  drafts.push(...notices(journal, findings));
  const chain = new Chain({
    ...{ unit: options.unit, epoch: journal.epoch, run: identity.run, journalKeyPem: options.journalKeyPem },
    ...{ next: journal.opened.next, head: journal.opened.next === 0 ? GENESIS_PREV : journal.opened.head, atMonoMs: clock.mono() },
  });
  return { identity, journal, chain, wall, time, before, coverage, drafts, findings, unflushed, ended };
}

function opening(
  options: CoreOptions,
  journal: OpenedJournal,
  identity: SpoolIdentity,
  ended: Recovered['ended'],
  journalKey: string,
): Draft[] {
  const drafts: Draft[] = [];
  if (journal.genesis) {
    const { previous } = journal.genesis;
    drafts.push({ type: 'genesis', body: { unit: options.unit, epoch: identity.epoch, journalKey, previous } });
  }
  const { boot, version, configSha256, cameras } = options;
  const startMonoMs = Math.round(options.clock.mono());
  drafts.push({ type: 'run', body: { boot, startMonoMs, version, configSha256, cameras, ended }, urgent: true });
  return drafts;
}

function notices(journal: OpenedJournal, findings: ReelFindings): Draft[] {
  const drafts: Draft[] = [];
  const why = journal.genesis?.why;
  if (why && why !== 'first')
    drafts.push({ type: 'event', body: { event: 'spool-new-epoch', detail: { why: why.slice(0, 500) } }, urgent: true });
  const { addedFragments, cutBytes, damaged } = findings;
  const journalCutBytes = journal.opened.cutBytes;
  if (addedFragments > 0 || cutBytes > 0 || journalCutBytes > 0 || (journal.rebuilt && !journal.genesis)) {
    const detail = { addedFragments, cutBytes, journalCutBytes, indexRebuilt: journal.rebuilt };
    drafts.push({ type: 'event', body: { event: 'spool-recovered', detail } });
  }
  if (damaged.length > 0) {
    const detail = { reels: damaged.length, first: path.basename(damaged[0]!) };
    drafts.push({ type: 'event', body: { event: 'spool-damaged', detail }, urgent: true });
  }
  return drafts;
}

function currentBoot(journal: OpenedJournal, boot: string): number {
  let id = 0;
  journal.index.transaction(() => {
    id = journal.index.bootId(boot);
  });
  return id;
}

function bootNumber(journal: OpenedJournal, boot: string): number | undefined {
  return journal.index.boots().find((row) => row.boot === boot)?.id;
}

/** From the index, or, where that was lost, from the journal's last record. */
function heartbeat(journal: OpenedJournal): Heartbeat | undefined {
  const { index } = journal;
  const text = index.get('beat');
  if (typeof text === 'string') {
    const beat = JSON.parse(text) as Heartbeat;
    if (typeof beat.boot === 'string' && isWallClaim(beat.wall)) return beat;
  }
  const last = journal.opened.last;
  const bootId = last && index.bootOfRun(journal.epoch, last.run);
  const boot = index.boots().find((row) => row.id === bootId)?.boot;
  if (!last || boot === undefined) return undefined;
  const clean = index.get('clean') === 1;
  index.transaction(() => reopenStreams(journal, bootId!, clean));
  return { boot, monoMs: last.monoMs, wall: last.wall, spoolMs: last.monoMs };
}

/** Streams of the last run were open when it ended; after an orderly end they were stopped then. */
function reopenStreams(journal: OpenedJournal, boot: number, clean: boolean): void {
  const { index } = journal;
  const text = index.get('cameras');
  if (typeof text !== 'string') return;
  const last = journal.opened.last!;
  for (const name of configuredStreams(JSON.parse(text) as CoreOptions['cameras'])) {
    index.saveStream(index.streamId(name), {
      ...{ open: !clean, boot, accounted: clean ? last.monoMs : lastGapEnd(journal, name, boot), wall: null },
      ...{ cause: clean ? 'stopped' : 'starting', causeAt: Number.MIN_SAFE_INTEGER, detail: null },
    });
  }
}

function lastGapEnd(journal: OpenedJournal, stream: string, boot: number): number | null {
  let end: number | null = null;
  for (const gap of journal.index.gaps(journal.index.streamId(stream)))
    if (gap.boot === boot && gap.cause !== 'disposed' && gap.cause !== 'lost')
      end = Math.max(end ?? gap.fromMono, gap.fromMono + gap.duration);
  return end;
}
