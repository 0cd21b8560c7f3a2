/** The durable fragments of a spool, straight from its index, as a program outside sees them. */
import fs from 'node:fs';
import path from 'node:path';
import { parseStreamText } from '@longroof/protocol/fragment';
import { readDatabase } from '../peers/wagon.js';

export interface Row {
  camera: string;
  rendition: string;
  epoch: string;
  run: number;
  seq: number;
  startMonoMs: number;
  endMonoMs: number;
  sha256: string;
  bytes: number;
  /** What the wagon claimed of its first frame. */
  wallUtcMs: number;
}

const REEL_GONE = 2;
const QUERY = `
  SELECT s.name AS stream, r.epoch, r.run, f.seq, f.startMono, f.duration90k, f.sha, f.bytes, f.wallUtc
  FROM fragments f JOIN reels r ON r.id = f.reel JOIN streams s ON s.id = r.stream
  WHERE r.state <> ${REEL_GONE} ORDER BY f.id`;

/** Empty where there is no index yet. */
export function spoolRows(spool: string): Row[] {
  const file = path.join(spool, 'index.db');
  if (!fs.existsSync(file)) return [];
  const found = readDatabase(file, (db) => {
    const ready = db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'fragments'").get() as { n: number };
    return ready.n === 0 ? [] : (db.prepare(QUERY).all() as Record<string, unknown>[]);
  });
  return found.map((row) => {
    const stream = parseStreamText(row['stream'] as string);
    const startMonoMs = row['startMono'] as number;
    return {
      camera: stream?.camera ?? '',
      rendition: stream?.rendition ?? '',
      epoch: row['epoch'] as string,
      run: row['run'] as number,
      seq: row['seq'] as number,
      startMonoMs,
      endMonoMs: startMonoMs + (row['duration90k'] as number) / 90,
      sha256: (row['sha'] as Buffer).toString('hex'),
      bytes: row['bytes'] as number,
      wallUtcMs: row['wallUtc'] as number,
    };
  });
}

export function rowKey(row: Row): string {
  return `${row.epoch}/${row.camera}.${row.rendition}/${row.run}/${row.seq}`;
}
