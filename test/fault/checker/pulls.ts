/**
 * Every pull to which the centre said yes is there and has ended; what was durable of the time that it asked for is stored, or the
 * answer names a cause for that time.
 */
import type Database from 'better-sqlite3';
import type { Places } from './fragments.js';
import { type AskedPull, type Durable, type Findings, nameOf } from './known.js';

/** Times of what is missing are told as well as the centre can know them. */
const SLACK_MS = 2000;

interface PullRow {
  state: string;
  code: string | null;
  final: string | null;
}
interface PartRow {
  camera: string;
  rendition: string;
  epoch: string;
  run: number;
  seq_first: number;
  seq_last: number;
}
interface MissingRow {
  camera: string;
  from_utc_ms: number;
  to_utc_ms: number;
  cause: string;
}

export function checkPulls(
  db: Database.Database,
  asked: readonly AskedPull[],
  durable: readonly Durable[],
  places: Places,
  findings: Findings,
): void {
  for (const pull of asked) {
    const row = db.prepare('SELECT state, code, final FROM pull WHERE id = ?').get(pull.id) as PullRow | undefined;
    if (!row) {
      findings.add(`pull ${pull.id}: the centre said yes to it and knows nothing of it`);
      continue;
    }
    findings.tally(`pulls ${row.state}${row.final ? `, ${row.final}` : ''}`);
    if (row.state === 'failed' && !row.code) findings.add(`pull ${pull.id}: failed without a cause`);
    if (row.state === 'failed') continue;
    if (row.state !== 'done') {
      findings.add(`pull ${pull.id}: has not ended, it is ${row.state}`);
      continue;
    }
    checkDone(db, pull, durable, places, findings);
  }
}

function checkDone(db: Database.Database, pull: AskedPull, durable: readonly Durable[], places: Places, findings: Findings): void {
  const parts = db.prepare('SELECT * FROM pull_part WHERE pull = ?').all(pull.id) as PartRow[];
  const missing = db.prepare('SELECT * FROM pull_missing WHERE pull = ?').all(pull.id) as MissingRow[];
  for (const part of parts) {
    for (let seq = part.seq_first; seq <= part.seq_last; seq += 1) {
      const stored = places.stored.has(nameOf({ ...part, seq }));
      findings.tally(stored ? 'planned and stored' : 'planned and missing');
      if (!stored && !missing.some((one) => one.camera === part.camera))
        findings.add(`pull ${pull.id}: ${nameOf({ ...part, seq })} was planned, is not stored, and nothing is told missing`);
    }
  }
  for (const one of missing) if (!one.cause) findings.add(`pull ${pull.id}: something is missing without a cause`);
  for (const fragment of durable) {
    const within = fragment.fromUtcMs >= pull.fromUtcMs && fragment.toUtcMs <= pull.toUtcMs;
    if (!within || !fragment.clockTrue || fragment.rendition !== pull.rendition || !pull.cameras.includes(fragment.camera)) continue;
    if (places.stored.has(nameOf(fragment))) {
      findings.tally('asked for and stored');
      continue;
    }
    const told = missing.some(
      (one) =>
        one.camera === fragment.camera && one.from_utc_ms - SLACK_MS <= fragment.fromUtcMs && one.to_utc_ms + SLACK_MS >= fragment.toUtcMs,
    );
    if (told) findings.tally('asked for and told missing');
    else findings.add(`pull ${pull.id}: ${nameOf(fragment)} was durable in its time, is not stored, and no cause is told`);
  }
}
