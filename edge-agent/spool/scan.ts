/**
 * Reads a reel without the index: the init segment, then `uuid` + `moof` + `mdat` of each fragment. Ends at the first byte that is
 * not a whole, verified fragment and says where; whatever the bytes are it never reads past the file, never holds more than a few
 * hundred KiB, and never throws for their content.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { readBoxHeader } from '@longroof/base/iso-box';
import { FRAGMENT_BYTES_MAX } from '@longroof/protocol/chunk';
import { decodeFragmentBox, FRAGMENT_BOX_BYTES_MAX, type FragmentMeta, streamText } from '@longroof/protocol/fragment';

/** A larger init segment is not one of ours. */
export const INIT_BYTES_MAX = 64 * 1024;
/** A reel of more fragments is cut there. */
export const REEL_FRAGMENTS_MAX = 4096;
const HEADER_BYTES = 16;
const PIECE_BYTES = 256 * 1024;

export interface ReelName {
  epoch: string;
  run: number;
  seqFirst: number;
}

const NAME = /^([0-9a-f]{32})-(\d{1,15})-(\d{1,15})\.mp4$/;

export function reelName(name: ReelName): string {
  return `${name.epoch}-${String(name.run).padStart(6, '0')}-${String(name.seqFirst).padStart(10, '0')}.mp4`;
}

/** Undefined for a name that is not exactly one that `reelName` makes. */
export function parseReelName(text: string): ReelName | undefined {
  const match = NAME.exec(text);
  if (!match) return undefined;
  const name = { epoch: match[1]!, run: Number(match[2]), seqFirst: Number(match[3]) };
  return reelName(name) === text ? name : undefined;
}

export interface ScannedFragment {
  meta: FragmentMeta;
  /** Of the `moof`. */
  at: number;
}

export interface ScannedReel {
  initBytes: number;
  fragments: ScannedFragment[];
  /** Bytes up to the end of the last verified fragment; 0 when there is none. */
  goodBytes: number;
  fileBytes: number;
  /** Why the scan ended before the end of the file. */
  why?: string;
}

export interface ScanExpectation extends ReelName {
  /** As text. */
  stream: string;
}

/**
 * Fragments before `hashFromSeq` are taken at their metadata's word: only the boxes and their sizes are checked, not the footage's
 * SHA-256.
 */
export function scanReel(disk: Disk, file: string, expected: ScanExpectation, options: { hashFromSeq: number }): ScannedReel {
  const fileBytes = disk.stat(file)?.bytes ?? 0;
  const scanned: ScannedReel = { initBytes: 0, fragments: [], goodBytes: 0, fileBytes };
  const fd = disk.openRead(file);
  try {
    let at = 0;
    let initSha: string | undefined;
    while (at < fileBytes) {
      if (scanned.fragments.length === REEL_FRAGMENTS_MAX) return { ...scanned, why: 'too many fragments' };
      if (initSha === undefined) {
        const end = endOfInit(disk, fd, fileBytes);
        initSha = hashRange(disk, fd, 0, end);
        scanned.initBytes = end;
        at = end;
      }
      const fragment = readFragment(disk, fd, at, fileBytes, options.hashFromSeq);
      checkPlace(fragment.meta, expected, scanned.fragments, initSha);
      scanned.fragments.push({ meta: fragment.meta, at: fragment.at });
      at = fragment.at + fragment.meta.bytes;
      scanned.goodBytes = at;
    }
    return scanned;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'corrupt') return { ...scanned, why: error.message };
    throw error;
  } finally {
    disk.close(fd);
  }
}

function corrupt(why: string): Fault {
  return new Fault('corrupt', 'LR_REEL', why);
}

/** The init segment ends where the first `uuid` box begins. */
function endOfInit(disk: Disk, fd: number, fileBytes: number): number {
  let at = 0;
  for (let boxes = 0; boxes < 16 && at < INIT_BYTES_MAX; boxes++) {
    const box = headerAt(disk, fd, at, fileBytes);
    if (box.type === 'uuid') {
      if (at === 0) throw corrupt('no init segment');
      return at;
    }
    if (box.type !== 'ftyp' && box.type !== 'moov') throw corrupt(`box ${JSON.stringify(box.type)} in the init segment`);
    at += box.bytes;
  }
  throw corrupt('init segment too large');
}

function headerAt(disk: Disk, fd: number, at: number, fileBytes: number): { type: string; bytes: number } {
  const header = readBoxHeader(disk.read(fd, at, HEADER_BYTES), 0);
  if (!header) throw corrupt(`cut off at byte ${at}`);
  if (header.bytes < 8 || at + header.bytes > fileBytes) throw corrupt(`box at byte ${at} reaches beyond the file`);
  return { type: header.type, bytes: header.bytes };
}

function readFragment(disk: Disk, fd: number, at: number, fileBytes: number, hashFromSeq: number): ScannedFragment {
  const uuid = headerAt(disk, fd, at, fileBytes);
  if (uuid.type !== 'uuid' || uuid.bytes > FRAGMENT_BOX_BYTES_MAX) throw corrupt(`no metadata box at byte ${at}`);
  const meta = decodeFragmentBox(disk.read(fd, at, uuid.bytes));
  const moofAt = at + uuid.bytes;
  if (meta.bytes > FRAGMENT_BYTES_MAX || moofAt + meta.bytes > fileBytes) throw corrupt(`fragment at byte ${moofAt} is cut off`);
  const moof = headerAt(disk, fd, moofAt, fileBytes);
  if (moof.type !== 'moof') throw corrupt(`no moof at byte ${moofAt}`);
  const mdat = headerAt(disk, fd, moofAt + moof.bytes, fileBytes);
  if (mdat.type !== 'mdat' || moof.bytes + mdat.bytes !== meta.bytes) throw corrupt(`no mdat of the right size after byte ${moofAt}`);
  if (meta.seq >= hashFromSeq && hashRange(disk, fd, moofAt, meta.bytes) !== meta.sha256)
    throw corrupt(`fragment at byte ${moofAt}: its hash differs`);
  return { meta, at: moofAt };
}

function checkPlace(meta: FragmentMeta, expected: ScanExpectation, before: readonly ScannedFragment[], initSha: string): void {
  const seq = before.length === 0 ? expected.seqFirst : before.at(-1)!.meta.seq + 1;
  if (streamText(meta) !== expected.stream || meta.epoch !== expected.epoch || meta.run !== expected.run || meta.seq !== seq)
    throw corrupt(`fragment ${meta.seq} of another reel`);
  if (meta.initSha256 !== initSha) throw corrupt('the init segment is not the one its fragments name');
}

/** Hex SHA-256 of a range of a file, read in pieces. */
export function hashRange(disk: Disk, fd: number, at: number, bytes: number): string {
  const hash = createHash('sha256');
  for (let done = 0; done < bytes; ) {
    const piece = disk.read(fd, at + done, Math.min(PIECE_BYTES, bytes - done));
    if (piece.length === 0) throw corrupt('the file ended');
    hash.update(piece);
    done += piece.length;
  }
  return hash.digest('hex');
}
