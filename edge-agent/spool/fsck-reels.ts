/** The reels' part of fsck: every reel is read whole, its boxes verified, its footage hashed and held against rows and catalogue. */
import type { Disk } from '@longroof/base/disk';
import { merkleRoot } from '@longroof/protocol/merkle';
import type { Findings, FsckReport } from './fsck.js';
import { type JournalFacts, reelKey } from './fsck-journal.js';
import type { IndexDb } from './index-db.js';
import { listReels, type ReelFile } from './layout.js';
import { reelPath } from './retention.js';
import type { ReelRow } from './rows.js';
import { reelName, type ScannedReel, scanReel } from './scan.js';
import { REEL_CLOSED, REEL_GONE } from './schema.js';

export interface ReelCheck {
  disk: Disk;
  root: string;
  index: IndexDb | undefined;
  streams: readonly string[];
  facts: JournalFacts;
  findings: Findings;
  counts: FsckReport['counts'];
}

export function checkReels(check: ReelCheck): void {
  const { index, streams, findings } = check;
  const names = new Set([...streams, ...(index?.streams().map((row) => row.name) ?? [])]);
  check.counts.streams = names.size;
  const catalogued = new Map(check.facts.catalogued);
  for (const stream of names) {
    const rows = new Map<string, ReelRow>();
    const id = index?.knownStreamId(stream);
    if (index && id !== undefined) for (const row of index.reelsOfStream(id)) rows.set(reelName(row), row);
    const { files, stray } = listReels(check.disk, check.root, stream);
    for (const name of stray) findings.note('stray', name, 'not ours; left alone');
    for (const file of files) {
      if (!check.disk.stat(file.file)?.isFile) {
        findings.note('stray', file.file, 'no file');
        continue;
      }
      const row = rows.get(reelName(file));
      rows.delete(reelName(file));
      checkFile(check, file, row);
      if (file.epoch === check.facts.epoch) catalogued.delete(reelKey(stream, file.run, file.seqFirst));
    }
    for (const row of rows.values()) {
      if (row.epoch === check.facts.epoch) catalogued.delete(reelKey(stream, row.run, row.seqFirst));
      if (row.state === REEL_GONE) findings.note('disposed', `${stream}/${reelName(row)}`, 'its row goes at the next commit');
      else findings.bad('reel-missing', reelPath(check.root, stream, row), `${row.count} fragments are indexed`);
    }
  }
  for (const [key, { count }] of catalogued)
    findings.bad('reel-missing', key, `the journal says ${count} fragments, and nothing of their end`);
}

function checkFile(check: ReelCheck, file: ReelFile, row: ReelRow | undefined): void {
  const { disk, findings, facts, counts } = check;
  const key = reelKey(file.stream, file.run, file.seqFirst);
  const isCurrent = file.epoch === facts.epoch;
  if (row?.state === REEL_GONE || (isCurrent && facts.gone.has(key))) {
    findings.note('disposed', file.file, 'its disposal is on record; the next start removes it');
    return;
  }
  const scanned = scanReel(disk, file.file, file, { hashFromSeq: 0 });
  counts.reels += 1;
  counts.fragments += scanned.fragments.length;
  counts.bytes += scanned.fragments.reduce((sum, fragment) => sum + fragment.meta.bytes, 0);
  const catalog = isCurrent ? facts.catalogued.get(key) : undefined;
  const isClosed = row?.state === REEL_CLOSED || catalog !== undefined;
  if (scanned.why !== undefined && isClosed) findings.bad('reel', file.file, scanned.why);
  else if (scanned.why !== undefined && facts.clean) findings.bad('reel', file.file, `${scanned.why}, after an orderly end`);
  else if (scanned.why !== undefined)
    findings.note('reel-unfinished', file.file, `${scanned.why}; the next start cuts off ${scanned.fileBytes - scanned.goodBytes} bytes`);
  if (catalog) {
    const root = merkleRoot(scanned.fragments.map((fragment) => Buffer.from(fragment.meta.sha256, 'hex'))).toString('hex');
    if (scanned.fragments.length !== catalog.count || root !== catalog.root)
      findings.bad('catalog', file.file, `${scanned.fragments.length} fragments that are not the ${catalog.count} on record`);
  }
  if (check.index) checkRows(check, check.index, file, row, scanned);
}

function checkRows(check: ReelCheck, index: IndexDb, file: ReelFile, row: ReelRow | undefined, scanned: ScannedReel): void {
  const { findings, facts } = check;
  const rows = row ? index.fragments(row) : [];
  const bySeq = new Map(scanned.fragments.map((fragment) => [fragment.meta.seq, fragment]));
  for (const fragment of rows) {
    const found = bySeq.get(fragment.seq);
    bySeq.delete(fragment.seq);
    if (!found) findings.bad('fragment-missing', file.file, `fragment ${fragment.seq} is indexed and does not verify`);
    else if (found.at !== fragment.at || found.meta.bytes !== fragment.bytes || found.meta.sha256 !== fragment.sha.toString('hex'))
      findings.bad('fragment-differs', file.file, `fragment ${fragment.seq} is not the one that is indexed`);
  }
  if (bySeq.size > 0) {
    const detail = `${bySeq.size} verified fragments are not indexed`;
    if (facts.clean) findings.bad('unindexed', file.file, detail);
    else findings.note('unindexed', file.file, `${detail}; the next start adds them`);
  }
  if (row && row.state === REEL_CLOSED && row.count !== rows.length)
    findings.bad('rows', file.file, `${rows.length} rows where the reel says ${row.count}`);
}
