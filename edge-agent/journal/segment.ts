/**
 * One file of the journal: `EPOCH-FIRSTSEQ.log`, one record a line in canonical JSON, each line ended by LF. Reading stops at the
 * first line that does not continue the chain and says where that is and why; whether it is a torn tail or damage is for the
 * caller to judge. Nothing here touches a disk.
 */
import { errorCode, Fault } from '@longroof/base/errors';
import { checkRecord, type JournalRecord, RECORD_BYTES_MAX, recordHash, recordText } from '@longroof/protocol/journal';

const NAME = /^([0-9a-f]{32})-(\d{1,16})\.log$/;
const LF = 0x0a;

export interface SegmentName {
  epoch: string;
  firstSeq: number;
}

/** First seq padded to twelve digits, so that names sort in order of the records. */
export function segmentName(epoch: string, firstSeq: number): string {
  return `${epoch}-${String(firstSeq).padStart(12, '0')}.log`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = NAME.exec(name);
  const firstSeq = Number(match?.[2]);
  return match && Number.isSafeInteger(firstSeq) ? { epoch: match[1]!, firstSeq } : undefined;
}

/** Where a chain stands: the seq that comes next and the hash of the record before it; `head` undefined where that is not known. */
export interface ChainPosition {
  next: number;
  head: string | undefined;
}

export interface SegmentEnd extends ChainPosition {
  /** Bytes up to and with the last good line. */
  goodBytes: number;
  /** Why reading stopped before the end of the bytes. */
  fault?: Fault;
}

function broken(why: string, seq: number): Fault {
  return new Fault('corrupt', 'LR_JOURNAL_CHAIN', `journal, record ${seq}: ${why}`, { detail: { seq } });
}

/** Parses one line (without LF) that must be record `at.next` after `at.head`. Throws `corrupt`: LR_JOURNAL_RECORD, LR_JOURNAL_CHAIN. */
export function parseLine(line: string, at: ChainPosition): JournalRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Fault('corrupt', 'LR_JOURNAL_RECORD', `journal, record ${at.next}: not JSON`, { cause: error });
  }
  const record = checkRecord(value);
  if (record.seq !== at.next) throw broken(`its seq is ${record.seq}`, at.next);
  if (at.head !== undefined && record.prev !== at.head) throw broken('it does not follow from the record before it', at.next);
  if (recordText(record) !== line) throw broken('not canonical', at.next);
  return record;
}

/** Reads records in order until the bytes end or a line is wrong. `visit` gets each with the offset of its line and its hash. */
export function readSegment(
  bytes: Uint8Array,
  start: ChainPosition,
  visit: (record: JournalRecord, offset: number, hash: string) => void,
): SegmentEnd {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at: SegmentEnd = { next: start.next, head: start.head, goodBytes: 0 };
  while (at.goodBytes < text.length) {
    const end = text.indexOf(LF, at.goodBytes);
    if (end < 0) return { ...at, fault: broken('cut off in the middle', at.next) };
    if (end - at.goodBytes > RECORD_BYTES_MAX) return { ...at, fault: broken('longer than a record may be', at.next) };
    const line = text.toString('utf8', at.goodBytes, end);
    let record: JournalRecord;
    try {
      record = parseLine(line, at);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'corrupt') return { ...at, fault: error };
      throw new Fault('corrupt', 'LR_JOURNAL_RECORD', `journal, record ${at.next}: ${errorCode(error) ?? 'cannot be read'}`, {
        cause: error,
      });
    }
    const hash = recordHash(line);
    visit(record, at.goodBytes, hash);
    at.goodBytes = end + 1;
    at.next = record.seq + 1;
    at.head = hash;
  }
  return at;
}
