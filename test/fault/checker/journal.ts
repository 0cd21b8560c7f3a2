/**
 * The journal twice: as the wagon wrote it (lines of its segment files) and as the centre keeps it (compressed segments in rows). Each is one chain of SHA-256
 * by itself, checkpoints are signed by the key in the genesis record, and the two are the same to the last record.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import type { Findings } from './known.js';

export interface JournalLine {
  seq: number;
  type: string;
  body: Record<string, unknown>;
  prev: string;
  text: string;
}

const ZEROS = '0'.repeat(64);

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function parse(text: string): JournalLine {
  const { seq, type, body, prev } = JSON.parse(text) as Omit<JournalLine, 'text'>;
  return { seq, type, body, prev, text };
}

/** By epoch, in order. A torn last line, without its LF, is none. */
export function readSpoolJournal(spool: string): Map<string, JournalLine[]> {
  const folder = path.join(spool, 'journal');
  const epochs = new Map<string, JournalLine[]>();
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => /^[0-9a-f]{32}-\d+\.log$/.test(name)) : [];
  for (const name of names.sort()) {
    const lines = fs.readFileSync(path.join(folder, name), 'utf8').split('\n').slice(0, -1).map(parse);
    const epoch = name.slice(0, 32);
    epochs.set(epoch, [...(epochs.get(epoch) ?? []), ...lines]);
  }
  return epochs;
}

/** Numbered from 0 without a hole, each with the hash of the one before. The last hash. */
export function checkChain(what: string, lines: readonly JournalLine[], findings: Findings): string {
  let head = ZEROS;
  lines.forEach((line, index) => {
    if (line.seq !== index) findings.add(`${what}: record ${line.seq} stands where ${index} belongs`);
    if (line.prev !== head) findings.add(`${what}: record ${line.seq} does not follow from the one before it`);
    head = hashOf(line.text);
  });
  return head;
}

/** ECDSA P-256, SHA-256, IEEE P1363, over canonical JSON (members in order of their names) of what the checkpoint closes. */
function checkCheckpoints(unit: string, epoch: string, lines: readonly JournalLine[], findings: Findings): void {
  const pem = lines[0]?.type === 'genesis' ? (lines[0].body['journalKey'] as string) : undefined;
  if (!pem) {
    findings.add(`journal of ${unit}, epoch ${epoch}: its first record is no genesis`);
    return;
  }
  const key = createPublicKey(pem);
  for (const line of lines) {
    if (line.type !== 'checkpoint') continue;
    const statement = { epoch, head: line.prev, seq: line.seq - 1, unit, what: 'longroof-checkpoint-1' };
    const signature = Buffer.from(String(line.body['signature']), 'base64url');
    const holds = verify('sha256', Buffer.from(JSON.stringify(statement)), { key, dsaEncoding: 'ieee-p1363' }, signature);
    if (line.body['head'] !== line.prev || !holds) findings.add(`checkpoint ${line.seq} of ${unit} is not signed by the journal's key`);
    findings.tally('checkpoints');
  }
}

interface EpochRow {
  unit: string;
  epoch: string;
  next_seq: number;
  head: string;
}

interface SegmentRow {
  seq_first: number;
  seq_last: number;
  head: string;
  packed: Buffer;
}

/**
 * Records as the centre keeps them: Brotli of lines, the first of which tells of arrivals, each other one being a record; a tab stands for the hash of
 * the record before (`docs/decisions/0024-journals-in-segments.md`). Each segment begins, ends and hashes as its row says.
 */
function centreRecords(db: Database.Database, unit: string, epoch: string, findings: Findings): JournalLine[] {
  const rows = db.prepare('SELECT seq_first, seq_last, head, packed FROM segment WHERE unit = ? AND epoch = ? ORDER BY seq_first');
  return (rows.all(unit, epoch) as SegmentRow[]).flatMap(({ seq_first, seq_last, head, packed }) => {
    let before = '';
    const lines = brotliDecompressSync(packed).toString('utf8').split('\n').slice(1);
    const records = lines.map((line) => {
      const text = line.replace('\t', before);
      before = hashOf(text);
      return parse(text);
    });
    if (before !== head || records[0]?.seq !== seq_first || records.at(-1)?.seq !== seq_last)
      findings.add(`journal at the centre, epoch ${epoch}: segment ${seq_first} to ${seq_last} is not what stands beside it`);
    return records;
  });
}

/** The centre's journal of this unit is whole, and ends where the wagon's ends. */
export function checkJournals(db: Database.Database, unit: string, wagon: Map<string, JournalLine[]>, findings: Findings): void {
  const epochs = db.prepare('SELECT unit, epoch, next_seq, head FROM epoch WHERE unit = ?').all(unit) as EpochRow[];
  for (const epoch of wagon.keys())
    if (!epochs.some((row) => row.epoch === epoch)) findings.add(`the centre has nothing of the journal of epoch ${epoch}`);
  for (const { epoch, next_seq, head } of epochs) {
    const centre = centreRecords(db, unit, epoch, findings);
    findings.tally('journal records', centre.length);
    const what = `journal at the centre, epoch ${epoch}`;
    const last = checkChain(what, centre, findings);
    if (centre.length !== next_seq || last !== head)
      findings.add(`${what}: ${centre.length} records do not lead to its head at ${next_seq}`);
    checkCheckpoints(unit, epoch, centre, findings);
    const lines = wagon.get(epoch);
    if (!lines) continue;
    checkChain(`journal on the wagon, epoch ${epoch}`, lines, findings);
    if (lines.length !== centre.length) findings.add(`${what}: ${centre.length} records, ${lines.length} on the wagon`);
    const differs = lines.findIndex((line, index) => centre[index] && centre[index].text !== line.text);
    if (differs >= 0) findings.add(`${what}: record ${differs} is another one on the wagon`);
  }
}

/** Each audit entry names the hash of the one before. */
export function checkAudit(db: Database.Database, findings: Findings): void {
  const rows = db.prepare('SELECT seq, prev, hash FROM audit ORDER BY seq').all() as { seq: number; prev: string; hash: string }[];
  rows.forEach((row, index) => {
    if (index > 0 && row.prev !== rows[index - 1]?.hash) findings.add(`audit entry ${row.seq} does not follow from the one before it`);
  });
  findings.tally('audit entries', rows.length);
}
