/** The database file itself: a consistent copy of it while another program writes, its check, and what footage it names. */
import type { FileHash } from '@longroof/base/copy';
import { Fault, toFault } from '@longroof/base/errors';
import { streamText } from '@longroof/protocol/fragment';
import Database from 'better-sqlite3';
import { fragmentKey } from '../store/blobs.js';
import type { FragmentName } from './manifest.js';

const BUSY_MS = 10_000;
/** All pages in one step: that holds one view of the database throughout, where many steps would begin anew at each commit of others. */
const ALL_PAGES = 0x7fff_ffff;

/** Throws `not-found` (LR_BACKUP_SOURCE) where there is no database, `corrupt` (LR_BACKUP_SOURCE) where it is not whole. */
export async function snapshot(file: string, to: string): Promise<void> {
  try {
    const source = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS });
    try {
      await source.backup(to, { progress: () => ALL_PAGES });
    } finally {
      source.close();
    }
    const copy = new Database(to);
    try {
      // One file that stands alone: what the write-ahead log held is in it.
      copy.pragma('journal_mode = DELETE');
      const integrity = copy.pragma('integrity_check(10)', { simple: true });
      if (integrity !== 'ok') throw new Fault('corrupt', 'LR_BACKUP_SOURCE', `the database is damaged: ${String(integrity)}`);
      if ((copy.pragma('foreign_key_check') as unknown[]).length > 0)
        throw new Fault('corrupt', 'LR_BACKUP_SOURCE', 'the database names rows that are not there');
    } finally {
      copy.close();
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('not-found', 'LR_BACKUP_SOURCE', `${file}: ${toFault(error).message}`, {
      cause: error,
      hint: 'Check that `data` is the folder of a controller that has run, and that this user may read it.',
    });
  }
}

export interface NamedBlob {
  fragment: FragmentName;
  key: string;
  expected: FileHash;
}

export interface DatabaseView {
  storeEpoch: string;
  fragments: number;
  footageBytes: number;
  blobs(): IterableIterator<NamedBlob>;
  close(): void;
}

type Row = FragmentName & { bytes: number };

/** Of a copy that nobody writes. */
export function viewDatabase(file: string): DatabaseView {
  const db = new Database(file, { readonly: true });
  const setting = db.prepare("select value from setting where key = 'store-epoch'").get() as { value: string };
  const sums = db.prepare('select count(*) as fragments, coalesce(sum(bytes), 0) as footageBytes from fragment').get() as {
    fragments: number;
    footageBytes: number;
  };
  function* blobs(): Generator<NamedBlob> {
    const rows = db.prepare('select unit, epoch, camera, rendition, run, seq, sha256, bytes from fragment').iterate();
    for (const row of rows as IterableIterator<Row>) {
      const { bytes, ...fragment } = row;
      const key = fragmentKey({ ...fragment, stream: streamText(fragment) });
      yield { fragment, key, expected: { bytes, sha256: fragment.sha256 } };
    }
  }
  return { storeEpoch: setting.value, ...sums, blobs, close: () => db.close() };
}

/** True while another program has it open. What is no database is open to nobody. */
export function isOpenElsewhere(file: string): boolean {
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { fileMustExist: true, timeout: 0 });
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN IMMEDIATE; ROLLBACK');
    return false;
  } catch (error) {
    return String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY');
  } finally {
    db?.close();
  }
}
