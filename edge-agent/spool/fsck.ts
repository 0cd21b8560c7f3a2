/**
 * Checks a spool against its own promises and changes nothing: every indexed fragment's bytes are there and hash to what the index
 * says, every metadata box verifies, the journal is one chain whose checkpoints are signed, catalogue records match the rows, no
 * time of a stream is without an explanation. Damage is named; stray files and what the next start will put right are notes.
 */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { checkCoverage } from './fsck-coverage.js';
import { checkJournal, type JournalFacts } from './fsck-journal.js';
import { checkReels } from './fsck-reels.js';
import { IndexDb } from './index-db.js';
import { INDEX_FILE, JOURNAL_FOLDER, listStreams, readLabel } from './layout.js';

export interface Finding {
  /** Stable, lower case with hyphens. */
  what: string;
  /** Path inside the spool, or a stream. */
  where: string;
  detail: string;
}

export interface FsckReport {
  path: string;
  unit: string;
  epoch: string;
  counts: {
    streams: number;
    reels: number;
    fragments: number;
    bytes: number;
    records: number;
    checkpoints: number;
    countersigned: number;
    gaps: number;
  };
  damage: Finding[];
  notes: Finding[];
  /** Findings beyond the limit, counted only. */
  more: number;
}

export const FINDINGS_MAX = 1000;

export class Findings {
  readonly damage: Finding[] = [];
  readonly notes: Finding[] = [];
  more = 0;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  #add(list: Finding[], what: string, where: string, detail: string): void {
    if (list.length >= FINDINGS_MAX) this.more += 1;
    else list.push({ what, where: path.isAbsolute(where) ? path.relative(this.#root, where) : where, detail });
  }

  bad(what: string, where: string, detail: string): void {
    this.#add(this.damage, what, where, detail);
  }

  note(what: string, where: string, detail: string): void {
    this.#add(this.notes, what, where, detail);
  }
}

/** `scratch`: an empty folder outside the spool for a copy of the index. Throws what the disk throws, and LR_FSCK where there is no spool. */
export function checkSpool(disk: Disk, root: string, scratch: string): FsckReport {
  const label = readLabel(disk, root);
  if (!label && !disk.stat(path.join(root, INDEX_FILE)) && !disk.stat(path.join(root, JOURNAL_FOLDER)))
    throw new Fault('not-found', 'LR_FSCK', `${root} is no spool`, { hint: 'Name the folder that holds spool.json, journal/ and reels/.' });
  const findings = new Findings(root);
  if (!label) findings.bad('label', 'spool.json', 'missing or unreadable');
  const index = openCopy(disk, root, scratch, findings);
  const facts = checkJournal(disk, root, label, index, findings);
  const { records, checkpoints, countersigned } = facts;
  const counts = { streams: 0, reels: 0, fragments: 0, bytes: 0, records, checkpoints, countersigned, gaps: 0 };
  const { streams, stray } = listStreams(disk, root);
  for (const name of stray) findings.note('stray', name, 'not ours; left alone');
  try {
    checkReels({ disk, root, index, streams, facts, findings, counts });
    if (index) checkCoverage(index, findings, counts);
  } finally {
    index?.close();
  }
  const { damage, notes, more } = findings;
  return { path: root, unit: label?.unit ?? '', epoch: label?.epoch ?? '', counts, damage, notes, more };
}

const PIECE_BYTES = 1024 * 1024;

/** SQLite writes beside a database even to read it, so a copy is read. */
function openCopy(disk: Disk, root: string, scratch: string, findings: Findings): IndexDb | undefined {
  const file = path.join(root, INDEX_FILE);
  if (!disk.stat(file)) {
    findings.note('index-missing', INDEX_FILE, 'the next start makes it anew from reels and journal');
    return undefined;
  }
  const copy = path.join(scratch, INDEX_FILE);
  for (const end of ['', '-wal']) if (disk.stat(file + end)) copyFile(disk, file + end, copy + end);
  try {
    return new IndexDb(copy, { existing: true });
  } catch (error) {
    findings.bad('index', INDEX_FILE, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function copyFile(disk: Disk, from: string, to: string): void {
  const source = disk.openRead(from);
  try {
    const target = disk.openAppend(to, { exclusive: true });
    try {
      for (let at = 0; ; ) {
        const piece = disk.read(source, at, PIECE_BYTES);
        if (piece.length === 0) break;
        disk.append(target, [piece]);
        at += piece.length;
      }
    } finally {
      disk.close(target);
    }
  } finally {
    disk.close(source);
  }
}

export type { JournalFacts };
