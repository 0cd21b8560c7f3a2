/**
 * What lies where in a spool's folder, and the label that names its life:
 *
 *   spool.json             unit and epoch
 *   index.db               SQLite; can be rebuilt from the rest
 *   journal/EPOCH-SEQ.log
 *   reels/STREAM/EPOCH-RUN-SEQ.mp4
 *   countersigned.jsonl    checkpoints under the centre's signature
 *
 * Anything else is a stray file: counted, never touched, never in the way (S7).
 */
import path from 'node:path';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { isId } from '@longroof/base/ids';
import { parseStreamText } from '@longroof/protocol/fragment';
import { parseReelName, type ReelName } from './scan.js';

export const LABEL_FILE = 'spool.json';
export const INDEX_FILE = 'index.db';
export const JOURNAL_FOLDER = 'journal';
export const REELS_FOLDER = 'reels';
export const BALLAST_FILE = 'ballast';
export const COUNTERSIGNED_FILE = 'countersigned.jsonl';
const OURS = new Set([
  LABEL_FILE,
  `${LABEL_FILE}.tmp`,
  INDEX_FILE,
  `${INDEX_FILE}-wal`,
  `${INDEX_FILE}-shm`,
  JOURNAL_FOLDER,
  REELS_FOLDER,
  BALLAST_FILE,
  COUNTERSIGNED_FILE,
  `${COUNTERSIGNED_FILE}.tmp`,
  // Of command/, which keeps them here so that they share the life of the spool.
  'desired.json',
  'desired.json.tmp',
  'commands.json',
  'commands.json.tmp',
  // Of uplink/budget.ts.
  'usage.json',
  'usage.json.tmp',
  'configuration.json',
  'configuration.json.tmp',
]);

export interface Label {
  unit: string;
  epoch: string;
  /** Public key of the journal, PEM: for checking it when its first record is gone by age. */
  journalKey?: string;
}

/** Undefined when there is none or it cannot be understood: the spool then begins a new epoch. */
export function readLabel(disk: Disk, root: string): Label | undefined {
  const file = path.join(root, LABEL_FILE);
  const stat = disk.stat(file);
  if (!stat?.isFile || stat.bytes > 4096) return undefined;
  let value: { unit?: unknown; epoch?: unknown; journalKey?: unknown } | null;
  try {
    value = JSON.parse(disk.readFile(file).toString('utf8')) as typeof value;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { unit, epoch, journalKey } = value ?? {};
  if (!isId(unit) || typeof epoch !== 'string' || !/^[0-9a-f]{32}$/.test(epoch)) return undefined;
  return { unit, epoch, ...(typeof journalKey === 'string' ? { journalKey } : {}) };
}

export function writeLabel(disk: Disk, root: string, label: Label): void {
  writeDurably(disk, path.join(root, LABEL_FILE), `${JSON.stringify({ v: 1, ...label })}\n`);
}

export interface ReelFile extends ReelName {
  stream: string;
  file: string;
}

/** Streams that have a folder, and the paths of everything beside them that is none of ours. */
export function listStreams(disk: Disk, root: string): { streams: string[]; stray: string[] } {
  const streams: string[] = [];
  const stray = disk.list(root).filter((name) => !OURS.has(name));
  const folder = path.join(root, REELS_FOLDER);
  for (const stream of disk.list(folder)) {
    if (parseStreamText(stream) && disk.stat(path.join(folder, stream))?.isDirectory) streams.push(stream);
    else stray.push(path.join(REELS_FOLDER, stream));
  }
  return { streams, stray };
}

/** One stream's files with the name of a reel, in order of name, but those that `skip` says. That they are files is for the caller to see. */
export function listReels(
  disk: Disk,
  root: string,
  stream: string,
  skip: (name: string) => boolean = () => false,
): { files: ReelFile[]; stray: string[] } {
  const files: ReelFile[] = [];
  const stray: string[] = [];
  const directory = path.join(root, REELS_FOLDER, stream);
  for (const name of disk.list(directory)) {
    if (skip(name)) continue;
    const parsed = parseReelName(name);
    if (parsed) files.push({ ...parsed, stream, file: path.join(directory, name) });
    else stray.push(path.join(REELS_FOLDER, stream, name));
  }
  return { files, stray };
}
