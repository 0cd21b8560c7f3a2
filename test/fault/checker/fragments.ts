/**
 * Where every fragment that was ever durable is now: byte-identical at the centre, in the spool, or named by a disposal or a loss of
 * the wagon's journal. What was let go for its receipt must be at the centre.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { JournalLine } from './journal.js';
import { type Durable, type Findings, type FragmentName, nameOf } from './known.js';
import { readReelFile, reelFiles } from './reels.js';

export interface StoredRow extends FragmentName {
  sha256: string;
  bytes: number;
  start_utc_ms: number;
}

interface Gone {
  type: 'dispose' | 'loss';
  reason: string;
  receipted: boolean;
}

function streamText({ camera, rendition }: FragmentName): string {
  return rendition === 'original' ? camera : `${camera}.${rendition}`;
}

/** Every row has its bytes, and they are the right ones. By name, the hash of what is really there. */
export function checkBlobs(db: Database.Database, data: string, unit: string, findings: Findings): Map<string, string> {
  const rows = db.prepare('SELECT * FROM fragment WHERE unit = ?').all(unit) as StoredRow[];
  const stored = new Map<string, string>();
  for (const row of rows) {
    const file = path.join(data, 'blobs', unit, row.epoch, streamText(row), String(row.run), `${row.seq}-${row.sha256}`);
    if (!fs.existsSync(file)) {
      findings.add(`${nameOf(row)}: the centre names it and has no bytes of it`);
      continue;
    }
    const bytes = fs.readFileSync(file);
    const actual = createHash('sha256').update(bytes).digest('hex');
    stored.set(nameOf(row), actual);
    if (actual !== row.sha256 || bytes.length !== row.bytes)
      findings.add(`${nameOf(row)}: its bytes at the centre are not what its row says`);
  }
  findings.tally('fragments at the centre', rows.length);
  findings.tally(
    'bytes at the centre',
    rows.reduce((sum, row) => sum + row.bytes, 0),
  );
  return stored;
}

/** Merkle tree hash (RFC 6962, 2.1) of leaves in hex. */
function rootOf(leaves: readonly string[]): Buffer {
  const hash = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  if (leaves.length === 1) return hash(Buffer.from([0]), Buffer.from(leaves[0] as string, 'hex'));
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return hash(Buffer.from([1]), rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
}

/** A reel of which every fragment was written down went under the root of just these. */
export function checkRoots(durable: readonly Durable[], wagon: Map<string, JournalLine[]>, findings: Findings): void {
  const known = new Map(durable.map((one) => [nameOf(one), one.sha256]));
  for (const [epoch, lines] of wagon) {
    for (const { type, body, seq: record } of lines) {
      if (type !== 'dispose' && type !== 'loss') continue;
      const { camera, rendition, run, seqFirst, count, root } = body as unknown as FragmentName &
        Record<'seqFirst' | 'count' | 'root', never>;
      const leaves = Array.from({ length: count }, (_, i) => known.get(nameOf({ epoch, camera, rendition, run, seq: seqFirst + i })));
      if (count === 0 || leaves.some((leaf) => leaf === undefined)) continue;
      findings.tally('roots of reels that went');
      if (rootOf(leaves as string[]).toString('hex') !== root) findings.add(`record ${record}: its root is not that of what was durable`);
    }
  }
}

/** By name: what disposal and loss records cover. */
function goneOf(wagon: Map<string, JournalLine[]>, findings: Findings): Map<string, Gone> {
  const gone = new Map<string, Gone>();
  for (const [epoch, lines] of wagon) {
    for (const { type, body } of lines) {
      if (type !== 'dispose' && type !== 'loss') continue;
      const { camera, rendition, run, seqFirst, count, reason } = body as unknown as FragmentName & {
        seqFirst: number;
        count: number;
        reason: string;
      };
      const receipted = (body['receipted'] ?? []) as [number, number, number][];
      findings.tally(`reels gone: ${reason}`);
      for (let seq = seqFirst; seq < seqFirst + count; seq += 1)
        gone.set(nameOf({ epoch, camera, rendition, run, seq }), {
          type,
          reason,
          receipted: reason === 'released' || receipted.some(([first, last]) => seq >= first && seq <= last),
        });
    }
  }
  return gone;
}

function spoolHashes(spool: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const file of reelFiles(spool)) for (const fragment of readReelFile(file)) hashes.set(nameOf(fragment), fragment.sha256);
  return hashes;
}

/** Fragments whose row in the wagon's index says that a receipt came. */
function checkReleased(spool: string, stored: Map<string, string>, findings: Findings): void {
  const db = new Database(path.join(spool, 'index.db'), { readonly: true, fileMustExist: true });
  const rows = db
    .prepare(
      `SELECT s.name AS stream, r.epoch, r.run, f.seq, lower(hex(f.sha)) AS sha256 FROM fragments f
       JOIN reels r ON r.id = f.reel JOIN streams s ON s.id = r.stream WHERE f.released > 0`,
    )
    .all() as { stream: string; epoch: string; run: number; seq: number; sha256: string }[];
  db.close();
  for (const row of rows) {
    const [camera = '', rendition = 'original'] = row.stream.split('.');
    const name = nameOf({ ...row, camera, rendition });
    if (stored.get(name) !== row.sha256) findings.add(`${name}: the wagon has a receipt for it, the centre has not its bytes`);
  }
  findings.tally('released and still on the wagon', rows.length);
}

export interface Places {
  stored: Map<string, string>;
  gone: Map<string, Gone>;
}

export function checkDurable(
  durable: readonly Durable[],
  spool: string,
  stored: Map<string, string>,
  wagon: Map<string, JournalLine[]>,
  findings: Findings,
): Places {
  const here = spoolHashes(spool);
  const gone = goneOf(wagon, findings);
  for (const fragment of durable) {
    const name = nameOf(fragment);
    const atCentre = stored.get(name);
    const past = gone.get(name);
    if (atCentre !== undefined && atCentre !== fragment.sha256) findings.add(`${name}: the centre has other bytes than were durable`);
    if (past?.receipted && atCentre !== fragment.sha256) findings.add(`${name}: let go for its receipt, and not at the centre`);
    if (past && (past.reason === 'damaged' || past.reason === 'missing')) findings.add(`${name}: durable once, then ${past.reason}`);
    if (atCentre === fragment.sha256) findings.tally('durable: at the centre');
    else if (here.get(name) === fragment.sha256) findings.tally('durable: in the spool');
    else if (past) findings.tally(`durable: ${past.type === 'loss' ? 'in a loss record' : 'in a disposal record'}`);
    else findings.add(`${name}: was durable and is nowhere: not at the centre, not in the spool, in no record`);
  }
  findings.tally('durable fragments', durable.length);
  checkReleased(spool, stored, findings);
  return { stored, gone };
}
