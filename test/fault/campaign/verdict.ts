/** Lets the checker, a program of its own, look at what is left; and at copies with one thing wrong each, which it must not pass. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Random } from '@longroof/base/random';
import Database from 'better-sqlite3';
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
  /** Gives what the checker must name. */
  act: (data: string) => RegExp;
}

function harms(random: Random): Harm[] {
  const blobOf = (data: string): { file: string; name: RegExp } => {
    const folder = path.join(data, 'blobs');
    const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\/\d+-[0-9a-f]{64}$/.test(name));
    const one = random.pick(files.sort());
    const [, epoch = '', stream = '', run = '', last = ''] = one.split('/');
    const [camera = '', rendition = 'original'] = stream.split('.');
    return { file: path.join(folder, one), name: new RegExp(`${epoch}/${camera}\\.${rendition}/${run}/${last.split('-')[0]}:`) };
  };
  return [
    {
      name: 'one blob deleted',
      act: (data) => {
        const { file, name } = blobOf(data);
        fs.rmSync(file);
        return name;
      },
    },
    {
      name: 'one byte of a blob altered',
      act: (data) => {
        const { file, name } = blobOf(data);
        const bytes = fs.readFileSync(file);
        const at = random.int(0, bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 8));
        fs.writeFileSync(file, bytes);
        return name;
      },
    },
    {
      name: 'one journal record missing',
      act: (data) => {
        const db = new Database(path.join(data, 'longroof.db'));
        const { n } = db.prepare('SELECT count(*) AS n FROM journal').get() as { n: number };
        const seq = random.int(1, n - 1);
        const { changes } = db.prepare('DELETE FROM journal WHERE seq = ?').run(seq);
        db.close();
        check(changes > 0, 'a record was deleted');
        return new RegExp(`record ${seq + 1} (stands where ${seq} belongs|does not follow)`);
      },
    },
  ];
}

/** Names of the harms that were caught; throws when one is not. Works on copies beside `scratch`. */
export async function negativeControls(evidence: Evidence, scratch: string, random: Random): Promise<string[]> {
  const caught: string[] = [];
  for (const harm of harms(random)) {
    const centre = path.join(scratch, 'harmed');
    fs.rmSync(centre, { recursive: true, force: true });
    fs.cpSync(evidence.centre, centre, { recursive: true });
    const expected = harm.act(centre);
    const { wrong, findings } = await judge({ ...evidence, centre });
    check(wrong > 0, `the checker passed a centre with ${harm.name}`);
    check(
      findings.some((finding) => expected.test(finding)),
      `${harm.name}: the checker does not name it (${expected}): ${findings.slice(0, 5).join('; ')}`,
    );
    caught.push(harm.name);
    fs.rmSync(centre, { recursive: true, force: true });
  }
  return caught;
}
