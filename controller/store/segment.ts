/**
 * How consecutive records of a journal are kept: their canonical bytes, once, compressed together. What follows from the record before
 * (`prev` is its hash) is left out and computed when they are read; the hash of the last one stands beside them, so that a segment which
 * reads otherwise than it was written never passes for what the unit said.
 *
 * Format: Brotli (RFC 7932) of UTF-8 lines. The first is JSON, `[[COUNT, RECEIVED_UTC_MS], ...]`: so many records came together, then; in
 * front of it stand the first 8 hex digits of its SHA-256 and a space. Each other line is the canonical text of a record; where its `prev` is the
 * SHA-256 of the record before, a tab stands for the 64 digits. Neither tab nor line feed occurs in canonical JSON.
 */
import { promisify } from 'node:util';
import { brotliCompress, brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { sha256Hex } from '@longroof/base/canonical';
import type { UtcMs } from '@longroof/base/clock';
import { assert, Fault } from '@longroof/base/errors';

export interface KeptRecord {
  seq: number;
  /** Canonical JSON. */
  text: string;
  /** Hex SHA-256 of it. */
  hash: string;
  receivedUtcMs: UtcMs;
}

export interface PackedSegment {
  seq_first: number;
  seq_last: number;
  /** Hash of the last record. */
  head: string;
  packed: Uint8Array;
}

/** As they come, and some hundred together: half the time for a tenth more room, and the other way round would save less than a hundredth. */
const QUALITY = { soon: 1, together: 4 } as const;
const WINDOW_BITS = 20;
const MARK = '\t';
const CHECK_DIGITS = 8;
const compress = promisify(brotliCompress);

function options(quality: number, bytes: number) {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT, BROTLI_PARAM_MODE, BROTLI_MODE_TEXT } = constants;
  const params = {
    [BROTLI_PARAM_QUALITY]: quality,
    [BROTLI_PARAM_LGWIN]: WINDOW_BITS,
    [BROTLI_PARAM_SIZE_HINT]: bytes,
    [BROTLI_PARAM_MODE]: BROTLI_MODE_TEXT,
  };
  return { params };
}

function linesOf(records: readonly KeptRecord[]): Buffer {
  const arrivals: [number, UtcMs][] = [];
  const lines: string[] = [];
  let before: KeptRecord | undefined;
  for (const record of records) {
    const { seq, text, receivedUtcMs } = record;
    assert(!before || seq === before.seq + 1, 'records of a segment follow each other');
    assert(!text.includes('\n') && !text.includes(MARK), 'a record is one line');
    const arrival = arrivals.at(-1);
    if (arrival && arrival[1] === receivedUtcMs) arrival[0] += 1;
    else arrivals.push([1, receivedUtcMs]);
    const at = before ? text.indexOf(`"prev":"${before.hash}"`) : -1;
    lines.push(before && at >= 0 ? `${text.slice(0, at + 8)}${MARK}${text.slice(at + 8 + before.hash.length)}` : text);
    before = record;
  }
  const came = JSON.stringify(arrivals);
  return Buffer.from(`${checkOf(came)} ${came}\n${lines.join('\n')}`);
}

function checkOf(came: string): string {
  return sha256Hex(came).slice(0, CHECK_DIGITS);
}

function packed(records: readonly KeptRecord[], bytes: Uint8Array): PackedSegment {
  const [first, last] = [records[0], records.at(-1)];
  assert(first && last, 'a segment holds records');
  return { seq_first: first.seq, seq_last: last.seq, head: last.hash, packed: bytes };
}

export function packSoon(records: readonly KeptRecord[]): PackedSegment {
  const lines = linesOf(records);
  return packed(records, brotliCompressSync(lines, options(QUALITY.soon, lines.length)));
}

export async function packTogether(records: readonly KeptRecord[]): Promise<PackedSegment> {
  const lines = linesOf(records);
  return packed(records, await compress(lines, options(QUALITY.together, lines.length)));
}

/** Throws `corrupt` (LR_STORE_SEGMENT) where it is not what was written. */
export function unpack(segment: PackedSegment): KeptRecord[] {
  const { seq_first: first, seq_last: last, head } = segment;
  const records: KeptRecord[] = [];
  try {
    const [arrivals = '', ...lines] = brotliDecompressSync(segment.packed).toString('utf8').split('\n');
    const came = arrivals.slice(CHECK_DIGITS + 1);
    if (arrivals.slice(0, CHECK_DIGITS) !== checkOf(came)) throw damaged(segment);
    let prev = '';
    for (const [count, receivedUtcMs] of JSON.parse(came) as [number, UtcMs][])
      for (const line of lines.slice(records.length, records.length + count)) {
        const text = line.replace(MARK, prev);
        prev = sha256Hex(text);
        records.push({ seq: first + records.length, text, hash: prev, receivedUtcMs });
      }
  } catch (error) {
    throw error instanceof Fault ? error : damaged(segment, error);
  }
  if (records.length !== last - first + 1 || records.at(-1)?.hash !== head) throw damaged(segment);
  return records;
}

function damaged({ seq_first, seq_last }: PackedSegment, cause?: unknown): Fault {
  const message = `journal records ${seq_first} to ${seq_last} are not what was stored`;
  return new Fault('corrupt', 'LR_STORE_SEGMENT', message, {
    cause,
    hint: 'Check the disk of the database, and restore it from a backup.',
  });
}
