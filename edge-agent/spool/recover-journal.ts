/**
 * First half of opening: which epoch, which index, and a journal whose every record the index has seen. An index that is missing or
 * unreadable is made anew; a journal that is missing or broken begins a new epoch that names the end of the old one.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { errorCode, Fault } from '@longroof/base/errors';
import { GENESIS_PREV, type JournalRecord, recordHash } from '@longroof/protocol/journal';
import { listSegments, type OpenedLog, openLog } from '../journal/log.js';
import { readSegment } from '../journal/segment.js';
import { applyRecord } from './apply.js';
import { IndexDb } from './index-db.js';
import { INDEX_FILE, JOURNAL_FOLDER, readLabel, writeLabel } from './layout.js';
import type { Unflushed } from './unflushed.js';

export interface ChainEnd {
  epoch: string;
  seq: number;
  hash: string;
}

export interface OpenedJournal {
  epoch: string;
  index: IndexDb;
  opened: OpenedLog;
  /** Set for a new epoch: the genesis record is still to be written. */
  genesis: { previous: ChainEnd | null; why: string } | undefined;
  /** The index was made anew. */
  rebuilt: boolean;
}

export interface OwnName {
  unit: string;
  /** Public, PEM. */
  journalKey: string;
}

const BATCH = 5000;

/** Opens the index, replacing one that is no index. */
export function openIndex(disk: Disk, root: string): { index: IndexDb; isNew: boolean } {
  const file = path.join(root, INDEX_FILE);
  const isNew = !disk.stat(file);
  try {
    return { index: new IndexDb(file), isNew };
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (!code.startsWith('SQLITE_NOTADB') && !code.startsWith('SQLITE_CORRUPT')) throw error;
    removeIndex(disk, root);
    return { index: new IndexDb(file), isNew: true };
  }
}

export function removeIndex(disk: Disk, root: string): void {
  for (const end of ['', '-wal', '-shm']) {
    const file = path.join(root, INDEX_FILE + end);
    if (disk.stat(file)) disk.remove(file);
  }
}

export function openJournal(disk: Disk, root: string, own: OwnName, unflushed: Unflushed): OpenedJournal {
  const { unit } = own;
  const folder = path.join(root, JOURNAL_FOLDER);
  let { index, isNew } = openIndex(disk, root);
  const label = readLabel(disk, root) ?? adoptLabel(disk, folder, unit);
  if (!isNew && label && index.get('epoch') !== label.epoch) {
    index.close();
    removeIndex(disk, root);
    ({ index, isNew } = openIndex(disk, root));
  }
  if (!label) return beginEpoch(disk, root, own, index, null, 'first', isNew);
  const applied = Number(index.get('applied') ?? 0);
  const known =
    applied > 0 ? { epoch: label.epoch, seq: applied - 1, hash: String(index.get('head')) } : lastGood(disk, folder, label.epoch);
  if (label.unit !== unit) return beginEpoch(disk, root, own, index, known, 'another unit', isNew);
  let opened: OpenedLog;
  try {
    const last = listSegments(disk, folder).epochs.get(label.epoch)?.at(-1);
    if (last) unflushed.flush(last.file);
    opened = replay(disk, folder, label.epoch, index, applied);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'corrupt') throw error;
    return beginEpoch(disk, root, own, index, known, error.message, isNew);
  }
  if (opened.next === 0 || opened.next < applied) return beginEpoch(disk, root, own, index, known, 'the journal is missing', isNew);
  return { epoch: label.epoch, index, opened, genesis: undefined, rebuilt: isNew };
}

/** A lost label is found again where the journal is of one epoch only. */
function adoptLabel(disk: Disk, folder: string, unit: string): { unit: string; epoch: string } | undefined {
  const epochs = [...listSegments(disk, folder).epochs.keys()];
  return epochs.length === 1 ? { unit, epoch: epochs[0]! } : undefined;
}

function beginEpoch(
  disk: Disk,
  root: string,
  own: OwnName,
  index: IndexDb,
  previous: ChainEnd | null,
  why: string,
  rebuilt: boolean,
): OpenedJournal {
  const epoch = randomBytes(16).toString('hex');
  const folder = path.join(root, JOURNAL_FOLDER);
  writeLabel(disk, root, { ...own, epoch });
  index.transaction(() => {
    index.set('epoch', epoch);
    index.set('applied', 0);
    index.set('head', GENESIS_PREV);
  });
  const opened = openLog(disk, folder, epoch, { next: 0, head: undefined }, () => {});
  return { epoch, index, opened, genesis: { previous, why }, rebuilt };
}

/** Hands every record from `applied` on to the index. */
function replay(disk: Disk, folder: string, epoch: string, index: IndexDb, applied: number): OpenedLog {
  let batch: JournalRecord[] = [];
  const flush = (): void => {
    if (batch.length === 0) return;
    const last = batch.at(-1)!;
    index.transaction(() => {
      for (const record of batch) applyRecord(index, epoch, record);
      index.set('epoch', epoch);
      index.set('applied', last.seq + 1);
      index.set('head', recordHash(last));
    });
    batch = [];
  };
  const head = applied > 0 ? String(index.get('head')) : undefined;
  const opened = openLog(disk, folder, epoch, { next: applied, head }, (record) => {
    batch.push(record);
    if (batch.length >= BATCH) flush();
  });
  flush();
  return opened;
}

/** The last record that follows from those before it, as far as the files can be read. */
function lastGood(disk: Disk, folder: string, epoch: string): ChainEnd | null {
  let end: ChainEnd | null = null;
  let head: string | undefined;
  for (const segment of listSegments(disk, folder).epochs.get(epoch) ?? []) {
    const read = readSegment(disk.readFile(segment.file), { next: segment.firstSeq, head }, (record, _offset, hash) => {
      end = { epoch, seq: record.seq, hash };
    });
    if (read.fault) break;
    head = read.head;
  }
  return end;
}
