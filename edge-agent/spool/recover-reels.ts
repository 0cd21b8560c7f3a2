/**
 * Second half of opening: reels and index agree again (S2). Unfinished reels are scanned; verified fragments without a row get one,
 * as pending; the rest of the file is cut off. Files of reels that a durable record disposed of are removed; reels whose file is gone
 * are reported as lost. Reels that were finished and indexed are not read. What a killed recorder had written without a flush is flushed
 * before it is indexed (S1): it verifies, yet stands in the kernel's memory only.
 */
import path from 'node:path';
import type { MonoMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { type FragmentMeta, parseStreamText, type WallClaim } from '@longroof/protocol/fragment';
import type { CatalogBody, DisposalBody } from '@longroof/protocol/journal';
import { merkleRoot } from '@longroof/protocol/merkle';
import type { IndexDb } from './index-db.js';
import { listReels, listStreams, REELS_FOLDER, type ReelFile } from './layout.js';
import { startWallOf } from './reel-clock.js';
import { adjoins, durationMs, type FragmentRow, fragmentRow, type ReelRow, receiptedRuns, rungOf } from './rows.js';
import { parseReelName, reelName, type ScannedFragment, scanReel } from './scan.js';
import { REEL_CLOSED, REEL_GONE } from './schema.js';
import type { Unflushed } from './unflushed.js';
import { isTrusted } from './wall-book.js';
import { WallIndex } from './wall-index.js';

export interface StreamFindings {
  /** End of the last indexed fragment of the boot before. */
  endMono: MonoMs | undefined;
  /** Fragments that were durable but not indexed, in order. */
  added: { from: MonoMs; to: MonoMs; adjoins: boolean }[];
  /** The last fragment that was read. */
  last?: FragmentMeta;
}

export interface ReelFindings {
  streams: Map<string, StreamFindings>;
  catalogs: CatalogBody[];
  losses: DisposalBody[];
  stray: string[];
  maxRun: number;
  addedFragments: number;
  cutBytes: number;
  /** Reels that are not what their catalogue record says. */
  damaged: string[];
}

export interface ReelRecovery {
  disk: Disk;
  root: string;
  index: IndexDb;
  /** Boot of the last run, whose monotonic times the findings are in. */
  lastBoot: number | undefined;
  bornMs: number;
  /** When this start of the recorder is. */
  now: { boot: string; monoMs: MonoMs; wall: WallClaim };
  unflushed: Unflushed;
}

export function recoverReels(recovery: ReelRecovery): ReelFindings {
  const { disk, root, index } = recovery;
  const { streams, stray } = listStreams(disk, root);
  disk.syncDirectory(path.join(root, REELS_FOLDER));
  const findings: ReelFindings = {
    ...{ streams: new Map(), catalogs: [], losses: [], stray, maxRun: 0, addedFragments: 0, cutBytes: 0, damaged: [] },
  };
  const ids = index.maxIds();
  findings.maxRun = index.maxRun();
  for (const stream of new Set([...streams, ...index.streams().map((row) => row.name)]))
    recoverStreamReels(recovery, stream, findings, ids);
  return findings;
}

function recoverStreamReels(recovery: ReelRecovery, stream: string, findings: ReelFindings, ids: { reel: number; fragment: number }): void {
  const { disk, root, index, lastBoot } = recovery;
  const streamId = index.knownStreamId(stream);
  // Months of reels: those that are finished and indexed need no look beyond that their name is there.
  const settled = new Set(streamId === undefined ? [] : index.settledNames(streamId));
  const known = new Map<string, ReelRow>();
  if (streamId !== undefined) for (const row of index.unsettledReels(streamId)) known.set(reelName(row), row);
  const endMono = streamId === undefined || lastBoot === undefined ? undefined : index.endOfClosed(streamId, lastBoot);
  const found: StreamFindings = { endMono, added: [] };
  findings.streams.set(stream, found);
  const { files, stray } = listReels(disk, root, stream, (name) => settled.delete(name));
  findings.stray.push(...stray);
  for (const file of files) {
    const name = reelName(file);
    const row = known.get(name);
    if (!disk.stat(file.file)?.isFile) {
      findings.stray.push(file.file);
      continue;
    }
    findings.maxRun = Math.max(findings.maxRun, file.run);
    known.delete(name);
    recoverFile(recovery, file, row, found, findings, ids);
  }
  for (const row of known.values()) missing(recovery, stream, row, findings);
  for (const name of settled) {
    const { epoch, run, seqFirst } = parseReelName(name)!;
    missing(recovery, stream, index.reelAt(streamId!, epoch, run, seqFirst)!, findings);
  }
  found.added.sort((a, b) => a.from - b.from);
}

function recoverFile(
  recovery: ReelRecovery,
  file: ReelFile,
  row: ReelRow | undefined,
  found: StreamFindings,
  findings: ReelFindings,
  ids: { reel: number; fragment: number },
): void {
  const { disk, index } = recovery;
  const seen = (to: MonoMs): void => {
    found.endMono = Math.max(found.endMono ?? to, to);
  };
  if (row?.state === REEL_GONE) {
    disk.remove(file.file);
    index.transaction(() => index.deleteReel(row.id));
    return;
  }
  const isCatalogued = row?.state === REEL_CLOSED;
  const before = row ? index.fragments(row) : [];
  const lastSeq = before.at(-1)?.seq ?? -1;
  const scanned = scanReel(disk, file.file, file, { hashFromSeq: isCatalogued ? Number.MAX_SAFE_INTEGER : lastSeq + 1 });
  const added = scanned.fragments.filter((fragment) => fragment.meta.seq > lastSeq);
  const goodSeq = scanned.fragments.at(-1)?.meta.seq ?? -1;
  const lost = before.filter((fragment) => fragment.seq > goodSeq);
  if (scanned.fileBytes > scanned.goodBytes && !isCatalogued) {
    findings.cutBytes += scanned.fileBytes - scanned.goodBytes;
    if (scanned.fragments.length > 0) disk.truncate(file.file, scanned.goodBytes);
    else disk.remove(file.file);
  }
  if (added.length > 0 && !isCatalogued) recovery.unflushed.flush(file.file);
  if (lost.length > 0) findings.losses.push(lossOf(file, lost, 'damaged'));
  if (scanned.fragments.length === 0) {
    if (isCatalogued) findings.damaged.push(file.file);
    else if (row) index.transaction(() => forget(index, row));
    else if (scanned.fileBytes === 0) disk.remove(file.file);
    return;
  }
  const filled = fill(recovery, file, row, scanned.fragments, scanned.initBytes, before, ids, scanned.goodBytes);
  if (isCatalogued) {
    if (!row?.root?.equals(filled.root!)) findings.damaged.push(file.file);
    if (filled.boot === recovery.lastBoot) seen(filled.endMono);
    return;
  }
  findings.addedFragments += added.length;
  findings.catalogs.push(catalogOf(recovery, filled, file.stream, scanned.fragments[0]!.meta));
  for (const fragment of before)
    if (fragment.seq <= goodSeq && filled.boot === recovery.lastBoot) seen(fragment.startMono + fragment.duration90k / 90);
  const ofLastBoot = filled.boot === recovery.lastBoot;
  for (const { meta } of scanned.fragments) {
    const span = { from: meta.startMonoMs, to: meta.startMonoMs + durationMs(meta), adjoins: adjoins(found.last, meta) };
    if (ofLastBoot && meta.seq > lastSeq) found.added.push(span);
    found.last = meta;
  }
}

function forget(index: IndexDb, row: ReelRow): void {
  index.deleteFragments(row);
  index.deleteReel(row.id);
}

/** Puts the reel's row and the rows that are missing. The reel counts as closed; its catalogue record follows where it has none. */
function fill(
  recovery: ReelRecovery,
  file: ReelFile,
  row: ReelRow | undefined,
  fragments: readonly ScannedFragment[],
  initBytes: number,
  before: readonly FragmentRow[],
  ids: { reel: number; fragment: number },
  fileBytes: number,
): ReelRow {
  const { index } = recovery;
  const metas = fragments.map((fragment) => fragment.meta);
  const first = metas[0]!;
  const offsets = metas.map((meta) => meta.wall.utcMs - meta.startMonoMs);
  const have = new Map(before.map((fragment) => [fragment.seq, fragment]));
  const reel: ReelRow = {
    ...{
      id: row?.id ?? ids.reel + 1,
      stream: 0,
      rung: rungOf(file.stream),
      epoch: file.epoch,
      run: file.run,
      seqFirst: file.seqFirst,
      boot: 0,
      state: REEL_CLOSED,
    },
    ...{
      count: metas.length,
      released: before.filter((fragment) => fragment.released === index.storeOrdinal() && fragment.seq <= metas.at(-1)!.seq).length,
      fileBytes,
    },
    ...{ bytes: metas.reduce((sum, meta) => sum + meta.bytes, 0), startMono: Math.min(...metas.map((meta) => meta.startMonoMs)) },
    ...{ endMono: Math.max(...metas.map((meta) => meta.startMonoMs + durationMs(meta))), offsetMin: Math.min(...offsets) },
    ...{ offsetMax: Math.max(...offsets), trustedUtc: isTrusted(first.wall) ? first.wall.utcMs : null },
    ...{ bornMs: row && row.bornMs > 0 ? row.bornMs : recovery.bornMs, initSha: Buffer.from(first.initSha256, 'hex'), initBytes },
    ...{ codec: first.codec, lostPackets: metas.reduce((sum, meta) => sum + meta.lostPackets, 0) },
    ...{
      rowFirst: row?.rowFirst ?? ids.fragment + 1,
      rowLast: null,
      root: merkleRoot(metas.map((meta) => Buffer.from(meta.sha256, 'hex'))),
    },
  };
  ids.reel = Math.max(ids.reel, reel.id);
  index.transaction(() => {
    reel.stream = index.streamId(file.stream);
    reel.boot = index.bootId(first.boot);
    if (row) index.deleteFragments(row, metas.at(-1)!.seq + 1);
    for (const { meta, at } of fragments) {
      if (have.has(meta.seq)) continue;
      ids.fragment += 1;
      index.putFragment({ id: ids.fragment, ...fragmentRow(meta, reel.id, at) });
    }
    reel.rowLast = Math.max(ids.fragment, before.at(-1)?.id ?? 0);
    // Open until its catalogue record is durable: a second crash comes here again.
    index.putReel(row?.state === REEL_CLOSED ? reel : { ...reel, state: 0 });
  });
  return reel;
}

function catalogOf({ index, now }: ReelRecovery, reel: ReelRow, stream: string, first: FragmentMeta): CatalogBody {
  const name = parseStreamText(stream)!;
  const wall = new WallIndex(index).at(reel.boot, first.startMonoMs, first.wall);
  return {
    ...name,
    run: reel.run,
    seqFirst: reel.seqFirst,
    count: reel.count,
    startMonoMs: reel.startMono,
    durationMs: Math.round(reel.endMono - reel.startMono),
    bytes: reel.bytes,
    root: reel.root!.toString('hex'),
    initSha256: reel.initSha.toString('hex'),
    codec: reel.codec,
    lostPackets: reel.lostPackets,
    ...startWallOf(reel.startMono, wall, first.boot === now.boot ? now : undefined),
  };
}

function lossOf(file: ReelFile, rows: readonly FragmentRow[], reason: DisposalBody['reason']): DisposalBody {
  return {
    ...parseStreamText(file.stream)!,
    run: file.run,
    seqFirst: rows[0]!.seq,
    count: rows.length,
    bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
    root: merkleRoot(rows.map((row) => row.sha)).toString('hex'),
    reason,
    ...receiptedRuns(rows),
  };
}

function missing(recovery: ReelRecovery, stream: string, row: ReelRow, findings: ReelFindings): void {
  const { index } = recovery;
  if (row.state === REEL_GONE) {
    index.transaction(() => index.deleteReel(row.id));
    return;
  }
  findings.maxRun = Math.max(findings.maxRun, row.run);
  const rows = index.fragments(row);
  findings.losses.push({
    ...parseStreamText(stream)!,
    run: row.run,
    seqFirst: row.seqFirst,
    count: row.count || rows.length,
    bytes: row.bytes,
    root: (row.root ?? merkleRoot(rows.map((fragment) => fragment.sha))).toString('hex'),
    reason: 'missing',
    ...receiptedRuns(rows),
  });
}
