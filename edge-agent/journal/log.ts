/**
 * The journal on disk: a folder of segment files of one epoch. Appends are whole batches followed by fdatasync; a batch that fails
 * is cut off again before anything else is written, so that what stands in the files is always one chain. On opening, the last
 * line may be torn and is cut off; anything else that breaks the chain is damage and refused, never repaired.
 */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { assert, Fault, toFault } from '@longroof/base/errors';
import { GENESIS_PREV, type JournalRecord } from '@longroof/protocol/journal';
import { type ChainPosition, parseSegmentName, readSegment, segmentName } from './segment.js';

/** A segment is closed at this size. */
export const SEGMENT_BYTES = 1024 * 1024;
/** A larger file is not read. */
export const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
export const SEGMENTS_MAX = 65_536;

export interface SegmentInfo {
  file: string;
  firstSeq: number;
  bytes: number;
}

export interface OpenedLog {
  log: JournalLog;
  epoch: string;
  next: number;
  head: string;
  /** Bytes of a torn last line that were cut off. */
  cutBytes: number;
  /** The last record, if there is one. */
  last: JournalRecord | undefined;
}

/** Segments of the newest epoch in a folder, in order, and names that are none of ours. */
export function listSegments(disk: Disk, directory: string): { epochs: Map<string, SegmentInfo[]>; stray: string[] } {
  const epochs = new Map<string, SegmentInfo[]>();
  const stray: string[] = [];
  for (const name of disk.list(directory)) {
    const parsed = parseSegmentName(name);
    const file = path.join(directory, name);
    const stat = parsed ? disk.stat(file) : undefined;
    if (!parsed || !stat?.isFile) {
      stray.push(name);
      continue;
    }
    const list = epochs.get(parsed.epoch) ?? [];
    list.push({ file, firstSeq: parsed.firstSeq, bytes: stat.bytes });
    epochs.set(parsed.epoch, list);
  }
  for (const list of epochs.values()) list.sort((a, b) => a.firstSeq - b.firstSeq);
  return { epochs, stray };
}

/**
 * Opens the journal of an epoch, checking the chain of every record from `from.next` on, which `visit` gets in order. `from.head`, where it
 * is known, is the hash of the record before: the segment that begins there may hold nothing yet. Throws `corrupt` where a chain is broken
 * elsewhere than in the last line.
 */
export function openLog(
  disk: Disk,
  directory: string,
  epoch: string,
  from: ChainPosition,
  visit: (record: JournalRecord) => void,
): OpenedLog {
  const segments = listSegments(disk, directory).epochs.get(epoch) ?? [];
  let first = 0;
  while (first + 1 < segments.length && segments[first + 1]!.firstSeq <= from.next) first += 1;
  const next = segments[first]?.firstSeq ?? 0;
  const head = next === 0 ? GENESIS_PREV : next === from.next ? from.head : undefined;
  let at: ChainPosition = { next, head };
  let cutBytes = 0;
  let last: JournalRecord | undefined;
  for (let index = first; index < segments.length; index++) {
    const segment = segments[index]!;
    const bytes = readSegmentFile(disk, segment);
    const end = readSegment(bytes, at, (record) => {
      last = record;
      if (record.seq >= from.next) visit(record);
    });
    if (end.fault) {
      const isTail = index === segments.length - 1 && bytes.indexOf(0x0a, end.goodBytes) < 0;
      if (!isTail) throw end.fault;
      cutBytes = bytes.length - end.goodBytes;
      disk.truncate(segment.file, end.goodBytes);
      segment.bytes = end.goodBytes;
    }
    at = end;
  }
  const log = new JournalLog(disk, directory, epoch, segments, at.next);
  return { log, epoch, next: at.next, head: at.head ?? GENESIS_PREV, cutBytes, last };
}

function readSegmentFile(disk: Disk, segment: SegmentInfo): Buffer {
  if (segment.bytes > SEGMENT_BYTES_MAX) throw new Fault('corrupt', 'LR_JOURNAL_CHAIN', `${segment.file}: ${segment.bytes} bytes`);
  return disk.readFile(segment.file);
}

export class JournalLog {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #epoch: string;
  readonly #segments: SegmentInfo[];
  #next: number;
  #fd: number | undefined;
  /** The last segment holds bytes beyond its good ones, of a batch that failed. */
  #torn = false;
  /** Where the last read ended: the next one usually begins there. */
  #cursor: { seq: number; file: string; offset: number } | undefined;

  constructor(disk: Disk, directory: string, epoch: string, segments: SegmentInfo[], next: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#epoch = epoch;
    this.#segments = segments;
    this.#next = next;
  }

  get oldest(): number {
    return this.#segments[0]?.firstSeq ?? 0;
  }

  get next(): number {
    return this.#next;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  get segments(): readonly SegmentInfo[] {
    return this.#segments;
  }

  /** Appends whole lines that hold records up to `next` (exclusive) and makes them durable, or throws and leaves none of them. */
  append(bytes: Uint8Array, next: number): void {
    if (this.#torn) this.#cutTorn();
    assert(this.#segments.length < SEGMENTS_MAX, 'too many journal segments');
    const current = this.#segments.at(-1);
    if (this.#fd === undefined || !current || current.bytes >= SEGMENT_BYTES) this.#startSegment();
    const segment = this.#segments.at(-1)!;
    try {
      this.#disk.append(this.#fd!, [bytes]);
      this.#disk.datasync(this.#fd!);
    } catch (error) {
      this.#torn = true;
      throw toFault(error, 'journal');
    }
    segment.bytes += bytes.length;
    this.#next = next;
  }

  /** The old one is closed only when the new one stands, so that a failure leaves all as it was. */
  #startSegment(): void {
    const file = path.join(this.#directory, segmentName(this.#epoch, this.#next));
    const last = this.#segments.at(-1);
    if (last?.file === file) {
      // An empty segment from before, or one whose only batch failed.
      if (last.bytes === 0) this.#fd ??= this.#disk.openAppend(file);
      return;
    }
    const fd = this.#disk.stat(file) ? this.#disk.openAppend(file) : this.#disk.openAppend(file, { exclusive: true });
    try {
      this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      this.#disk.close(fd);
      throw error;
    }
    if (this.#fd !== undefined) this.#disk.close(this.#fd);
    this.#fd = fd;
    this.#segments.push({ file, firstSeq: this.#next, bytes: 0 });
  }

  #cutTorn(): void {
    const segment = this.#segments.at(-1)!;
    if (this.#fd !== undefined) this.#disk.close(this.#fd);
    this.#fd = undefined;
    this.#disk.truncate(segment.file, segment.bytes);
    this.#fd = this.#disk.openAppend(segment.file);
    this.#torn = false;
  }

  /** Records from `fromSeq` on, at most `bytesMax` of text but always one; empty when there are none. Throws LR_JOURNAL_GONE. */
  read(fromSeq: number, bytesMax: number): JournalRecord[] {
    if (fromSeq >= this.#next) return [];
    if (fromSeq < this.oldest)
      throw new Fault('not-found', 'LR_JOURNAL_GONE', `journal: record ${fromSeq} is gone, the oldest is ${this.oldest}`);
    const records: JournalRecord[] = [];
    let takenBytes = 0;
    let index = this.#segments.findLastIndex((segment) => segment.firstSeq <= fromSeq);
    for (; index < this.#segments.length && takenBytes < bytesMax; index++) {
      const segment = this.#segments[index]!;
      const fromFile = fromSeq + records.length;
      const bytes = this.#readFrom(segment, fromFile);
      let full = false;
      const begin = bytes.offset;
      readSegment(bytes.bytes, { next: bytes.seq, head: undefined }, (record, offset) => {
        if (full || record.seq < fromFile || record.seq >= this.#next) return;
        const lineBytes = Buffer.byteLength(JSON.stringify(record));
        if (records.length > 0 && takenBytes + lineBytes > bytesMax) {
          full = true;
          return;
        }
        takenBytes += lineBytes;
        records.push(record);
        this.#cursor = { seq: record.seq, file: segment.file, offset: begin + offset };
      });
      if (full) break;
    }
    return records;
  }

  /** A piece of the segment that begins at a line's start at or before `seq`. */
  #readFrom(segment: SegmentInfo, seq: number): { bytes: Buffer; seq: number; offset: number } {
    const cursor = this.#cursor?.file === segment.file && this.#cursor.seq <= seq ? this.#cursor : undefined;
    const offset = cursor?.offset ?? 0;
    const fd = this.#disk.openRead(segment.file);
    try {
      return { bytes: this.#disk.read(fd, offset, segment.bytes - offset), seq: cursor?.seq ?? segment.firstSeq, offset };
    } finally {
      this.#disk.close(fd);
    }
  }

  /** Removes the oldest segments that `may` allows, never the one being written. Returns how many. */
  removeOldest(may: (segment: SegmentInfo, nextFirstSeq: number) => boolean): number {
    let removed = 0;
    while (this.#segments.length > 1 && may(this.#segments[0]!, this.#segments[1]!.firstSeq)) {
      this.#disk.remove(this.#segments[0]!.file);
      this.#segments.shift();
      removed += 1;
    }
    if (removed > 0) this.#disk.syncDirectory(this.#directory);
    return removed;
  }

  close(): void {
    if (this.#fd !== undefined) this.#disk.close(this.#fd);
    this.#fd = undefined;
  }
}
