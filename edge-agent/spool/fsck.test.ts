import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import t from 'tap';
import { FRONT, TestSpool } from './test-spool.js';

const PROGRAM = fileURLToPath(new URL('../../bin/longroof-fsck.js', import.meta.url));

function longroofFsck(...parameters: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [PROGRAM, ...parameters], { encoding: 'utf8' });
}

async function closedSpool(): Promise<TestSpool> {
  const spool = new TestSpool();
  spool.core.openStream(FRONT);
  await spool.clock.advance(2000);
  await spool.footage(FRONT, 65);
  await spool.clock.advance(5000);
  await spool.footage(FRONT, 5);
  spool.core.close();
  return spool;
}

function only(folder: string): string {
  return path.join(folder, readdirSync(folder)[0]!);
}

function sql(root: string, text: string): void {
  const db = new Database(path.join(root, 'index.db'));
  db.exec(text);
  db.close();
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(file, bytes);
}

t.test('a clean spool is clean, and stays byte for byte what it was', async (t) => {
  const spool = await closedSpool();
  t.teardown(() => spool.remove());
  const { path: root } = spool.options;
  writeFileSync(path.join(root, 'notes.txt'), 'not ours');
  const listing = (): string[] =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .map((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return entry.isFile() ? `${file} ${createHash('sha256').update(readFileSync(file)).digest('hex')}` : file;
      })
      .sort();
  const before = listing();
  const result = longroofFsck(root);
  t.equal(result.status, 0, result.stderr);
  t.match(result.stdout, /: clean\n/);
  t.match(result.stdout, /70 fragments in 3 reels/);
  t.match(result.stdout, /stray +notes\.txt/);
  t.same(listing(), before);
  t.match(JSON.parse(longroofFsck(root, '--json').stdout), { damage: [], counts: { fragments: 70, reels: 3, gaps: 2 } });
});

t.test('what cannot be checked is neither clean nor damaged', async (t) => {
  t.equal(longroofFsck('/nonexistent-spool').status, 2);
  t.match(longroofFsck('/nonexistent-spool').stderr, /is no spool \(LR_FSCK\)/);
  t.match(JSON.parse(longroofFsck('/nonexistent-spool', '--json').stdout), { code: 'LR_FSCK' });
  t.equal(longroofFsck().status, 2);
  t.equal(longroofFsck('--help').status, 0);
});

const reels = (root: string): string => path.join(root, 'reels', 'front');
const DAMAGES: { name: string; what: string; spoil: (root: string) => void }[] = [
  { name: 'one bit of footage', what: 'fragment-missing', spoil: (root) => flip(only(reels(root)), 2000) },
  { name: 'a reel cut short', what: 'fragment-missing', spoil: (root) => truncateSync(only(reels(root)), 3000) },
  { name: 'a reel that is gone', what: 'reel-missing', spoil: (root) => rmSync(only(reels(root))) },
  { name: 'bytes behind a closed reel', what: 'reel', spoil: (root) => appendFileSync(only(reels(root)), 'more') },
  {
    name: 'a row without its bytes',
    what: 'fragment-differs',
    spoil: (root) => sql(root, 'UPDATE fragments SET at = at + 1 WHERE id = 3'),
  },
  { name: 'footage without its row', what: 'unindexed', spoil: (root) => sql(root, 'DELETE FROM fragments WHERE id = 3') },
  { name: 'a gap that was struck out', what: 'coverage', spoil: (root) => sql(root, "DELETE FROM gaps WHERE cause = 'camera-stalled'") },
  { name: 'an index of nonsense', what: 'index', spoil: (root) => writeFileSync(path.join(root, 'index.db'), Buffer.alloc(9000, 3)) },
  { name: 'a word changed in the journal', what: 'journal-chain', spoil: (root) => flip(only(path.join(root, 'journal')), 300) },
  { name: 'a journal cut back', what: 'journal-short', spoil: (root) => cutLines(only(path.join(root, 'journal')), 3) },
  { name: 'a signature by another key', what: 'journal-signature', spoil: (root) => otherKey(root) },
  { name: 'a journal that is gone', what: 'journal-missing', spoil: (root) => rmSync(path.join(root, 'journal'), { recursive: true }) },
  { name: 'a label that is gone', what: 'label', spoil: (root) => rmSync(path.join(root, 'spool.json')) },
];

function cutLines(file: string, lines: number): void {
  writeFileSync(
    file,
    `${readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1 - lines)
      .join('\n')}\n`,
  );
}

function otherKey(root: string): void {
  const file = path.join(root, 'spool.json');
  const label = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const other = new TestSpool({ journalKeyPem: OTHER_KEY_PEM });
  other.core.close();
  const theirs = JSON.parse(readFileSync(path.join(other.options.path, 'spool.json'), 'utf8')) as Record<string, string>;
  other.remove();
  writeFileSync(file, JSON.stringify({ ...label, journalKey: theirs['journalKey'] }));
}

const OTHER_KEY_PEM = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

t.test('each kind of damage is found and named', async (t) => {
  for (const { name, what, spoil } of DAMAGES) {
    const spool = await closedSpool();
    spoil(spool.options.path);
    const found = spool.fsck().damage.map((finding) => finding.what);
    t.ok(found.includes(what), `${name}: ${what} among ${found.join(', ')}`);
    spool.remove();
  }
  const spool = await closedSpool();
  t.teardown(() => spool.remove());
  flip(only(reels(spool.options.path)), 2000);
  const result = longroofFsck(spool.options.path);
  t.equal(result.status, 1);
  t.match(result.stdout, /are damaged[\s\S]*reels\/front\//);
});
