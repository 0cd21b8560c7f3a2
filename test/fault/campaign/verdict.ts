/** Lets the checker, a program of its own, look at what is left; and at copies with one thing wrong each, which it must not pass. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { Random } from '@longroof/base/random';
import Database from 'better-sqlite3';
import { nameOf } from '../checker/known.js';
import { type ReelFragment, readReelFile, reelFiles } from '../checker/reels.js';
import { check } from '../checks.js';

const CHECKER = path.join(path.dirname(fileURLToPath(import.meta.url)), '../checker/main.js');

export interface Evidence {
  unit: string;
  spool: string;
  centre: string;
  durable: string;
  pulls: string;
}

export interface Verdict {
  wrong: number;
  counts: Record<string, number>;
  findings: string[];
}

export function judge(evidence: Evidence): Promise<Verdict> {
  const args = Object.entries(evidence).flatMap(([name, value]) => [`--${name}`, value as string]);
  return new Promise((resolve, reject) =>
    execFile(process.execPath, [CHECKER, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      try {
        const verdict = JSON.parse(stdout) as Verdict;
        if (verdict.wrong > 0 !== (error !== null)) throw new Error('its exit code says something else');
        resolve(verdict);
      } catch (cause) {
        reject(new Error(`the checker gave no verdict: ${(cause as Error).message}\n${stderr.slice(-3000)}`));
      }
    }),
  );
}

interface Harm {
  name: string;
  /** Does it to copies; gives what the checker must name. */
  act: (centre: string, spool: string) => RegExp;
}

/** A file of the folder whose name fits, drawn, and the pieces of its path below it. */
function draw(folder: string, fits: (name: string) => boolean, random: Random): { file: string; pieces: string[] } {
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(fits);
  const one = random.pick(files.sort());
  return { file: path.join(folder, one), pieces: one.split('/') };
}

function harmsOfBlobs(random: Random): Harm[] {
  const blobOf = (centre: string): { file: string; name: RegExp } => {
    const { file, pieces } = draw(path.join(centre, 'blobs'), (name) => /\/\d+-[0-9a-f]{64}$/.test(name), random);
    const [, epoch = '', stream = '', run = '', last = ''] = pieces;
    const [camera = '', rendition = 'original'] = stream.split('.');
    return { file, name: new RegExp(`${epoch}/${camera}\\.${rendition}/${run}/${last.split('-')[0]}:`) };
  };
  const deleted: Harm = {
    name: 'one blob deleted',
    act: (centre) => {
      const { file, name } = blobOf(centre);
      fs.rmSync(file);
      return name;
    },
  };
  const altered: Harm = {
    name: 'one bit of a blob altered',
    act: (centre) => {
      const { file, name } = blobOf(centre);
      const bytes = fs.readFileSync(file);
      const at = random.int(0, bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 8));
      fs.writeFileSync(file, bytes);
      return name;
    },
  };
  return [deleted, altered];
}

function harmsOfRows(random: Random): Harm[] {
  const change = (centre: string, act: (db: Database.Database) => RegExp): RegExp => {
    const db = new Database(path.join(centre, 'longroof.db'));
    try {
      return act(db);
    } finally {
      db.close();
    }
  };
  const record: Harm = {
    name: 'one journal record missing',
    act: (centre) =>
      change(centre, (db) => {
        const segments = db.prepare('SELECT rowid, seq_first, packed FROM segment WHERE seq_last > seq_first + 1 ORDER BY rowid');
        const { rowid, seq_first, packed } = random.pick(segments.all() as { rowid: number; seq_first: number; packed: Buffer }[]);
        const lines = brotliDecompressSync(packed).toString('utf8').split('\n');
        // The first line is no record; neither end of the segment goes.
        const at = random.int(2, lines.length - 1);
        lines.splice(at, 1);
        db.prepare('UPDATE segment SET packed = ? WHERE rowid = ?').run(brotliCompressSync(lines.join('\n')), rowid);
        const seq = seq_first + at - 1;
        return new RegExp(`record ${seq + 1} (stands where ${seq} belongs|does not follow)`);
      }),
  };
  const pull: Harm = {
    name: 'one pull without an end',
    act: (centre) =>
      change(centre, (db) => {
        const { id } = random.pick(db.prepare("SELECT id FROM pull WHERE state = 'done' ORDER BY id").all() as { id: string }[]);
        db.prepare("UPDATE pull SET state = 'running' WHERE id = ?").run(id);
        return new RegExp(`pull ${id}: has not ended`);
      }),
  };
  return [record, pull];
}

function harmOfSpool(random: Random): Harm {
  return {
    name: 'one reel deleted on the wagon',
    act: (centre, spool) => {
      const db = new Database(path.join(centre, 'longroof.db'), { readonly: true });
      const stored = new Set(db.prepare('SELECT sha256 FROM fragment').pluck().all() as string[]);
      db.close();
      const only = reelFiles(spool).filter((file) => readReelFile(file).some((one) => !stored.has(one.sha256)));
      const file = random.pick(only.sort());
      const lost = readReelFile(file).find((one) => !stored.has(one.sha256)) as ReelFragment;
      fs.rmSync(file);
      return new RegExp(`${nameOf(lost).replace('.', '\\.')}: was durable and is nowhere`);
    },
  };
}

/** Names of the harms that were caught; throws when one is not. Works on copies in `scratch`. */
export async function negativeControls(evidence: Evidence, scratch: string, random: Random): Promise<string[]> {
  const caught: string[] = [];
  for (const harm of [...harmsOfBlobs(random), ...harmsOfRows(random), harmOfSpool(random)]) {
    const [centre, spool] = [path.join(scratch, 'harmed-centre'), path.join(scratch, 'harmed-spool')];
    const clear = (): void => {
      for (const folder of [centre, spool]) fs.rmSync(folder, { recursive: true, force: true });
    };
    clear();
    fs.cpSync(evidence.centre, centre, { recursive: true });
    fs.cpSync(evidence.spool, spool, { recursive: true });
    const expected = harm.act(centre, spool);
    const { wrong, findings } = await judge({ ...evidence, centre, spool });
    check(wrong > 0, `the checker passed what has ${harm.name}`);
    check(
      findings.some((finding) => expected.test(finding)),
      `${harm.name}: the checker does not name it (${expected}): ${findings.slice(0, 5).join('; ')}`,
    );
    caught.push(harm.name);
    clear();
  }
  return caught;
}
