/**
 * Verifies a whole journal without writing: chain from segment to segment, and the signature of every checkpoint. The key comes from
 * the genesis record, or, where the oldest segments were removed by age, from the caller.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Disk } from '@longroof/base/disk';
import { checkpointBytes, GENESIS_PREV, type JournalRecord, verifyBytes } from '@longroof/protocol/journal';
import { SEGMENT_BYTES_MAX, type SegmentInfo } from './log.js';
import { readSegment } from './segment.js';

export interface JournalProblem {
  file: string;
  seq: number;
  what: 'chain' | 'torn-tail' | 'signature' | 'first' | 'size';
  why: string;
}

export interface JournalVerdict {
  records: number;
  checkpoints: number;
  /** Checkpoints that could not be checked for want of the key. */
  unchecked: number;
  next: number;
  head: string | undefined;
  problems: JournalProblem[];
}

export interface VerifyOptions {
  unit: string;
  epoch: string;
  journalKey: string | undefined;
}

function publicKey(pem: unknown): KeyObject | undefined {
  if (typeof pem !== 'string' || pem.length > 4096) return undefined;
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

/** `visit` gets every record that is part of the chain. Stops at the first break: what follows it proves nothing. */
export function verifyJournal(
  disk: Disk,
  segments: readonly SegmentInfo[],
  options: VerifyOptions,
  visit: (record: JournalRecord) => void,
): JournalVerdict {
  const first = segments[0]?.firstSeq ?? 0;
  const verdict: JournalVerdict = {
    records: 0,
    checkpoints: 0,
    unchecked: 0,
    next: first,
    head: first === 0 ? GENESIS_PREV : undefined,
    problems: [],
  };
  let key = publicKey(options.journalKey);
  for (const [index, segment] of segments.entries()) {
    const problem = (what: JournalProblem['what'], why: string, seq = verdict.next): void => {
      verdict.problems.push({ file: segment.file, seq, what, why });
    };
    if (segment.firstSeq !== verdict.next) {
      problem('chain', `begins with record ${segment.firstSeq}, ${verdict.next} was expected`);
      return verdict;
    }
    if (segment.bytes > SEGMENT_BYTES_MAX) {
      problem('size', `${segment.bytes} bytes`);
      return verdict;
    }
    const bytes = disk.readFile(segment.file);
    const end = readSegment(bytes, { next: verdict.next, head: verdict.head }, (record) => {
      verdict.records += 1;
      if (record.seq === 0) key ??= publicKey((record.body as { journalKey?: unknown }).journalKey);
      if (record.seq === 0 && record.type !== 'genesis') problem('first', 'the first record is no genesis', 0);
      if (record.type === 'checkpoint') {
        verdict.checkpoints += 1;
        const why = checkpointFault(record as JournalRecord<'checkpoint'>, options, key);
        if (why === 'no key') verdict.unchecked += 1;
        else if (why) problem('signature', why, record.seq);
      }
      visit(record);
    });
    verdict.next = end.next;
    verdict.head = end.head;
    if (!end.fault) continue;
    const isTail = index === segments.length - 1 && bytes.indexOf(0x0a, end.goodBytes) < 0;
    problem(isTail ? 'torn-tail' : 'chain', end.fault.message);
    return verdict;
  }
  return verdict;
}

function checkpointFault(record: JournalRecord<'checkpoint'>, options: VerifyOptions, key: KeyObject | undefined): string | undefined {
  const { head, signature } = record.body;
  if (head !== record.prev) return 'a checkpoint that closes another record than the one before it';
  if (!key) return 'no key';
  const bytes = checkpointBytes(options.unit, options.epoch, record.seq - 1, head);
  if (typeof signature !== 'string' || !verifyBytes(key, bytes, signature)) return 'the signature of a checkpoint does not fit';
  return undefined;
}
