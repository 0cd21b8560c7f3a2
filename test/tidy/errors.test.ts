/** Ties the codes in the source to docs/errors.md, and the causes of gaps to docs/gaps.md: each is explained, and nothing else is. */
import fs from 'node:fs';
import path from 'node:path';
import { GAP_CAUSES } from '@longroof/protocol/gap';
import t from 'tap';
import { isTest, ROOT, sources } from './source.js';

const PACKAGES = ['base', 'protocol', 'firmware', 'edge-agent', 'controller', 'provisioning'];
/** Followed by what the system or a peer calls it. */
const FAMILIES = ['LR_SYS_', 'LR_HTTP_'];
/** A beginning that is compared with, not a code. */
const BEGINNINGS = ['LR_RECEIPT_'];

/** First cells of all table rows, with what the other cells say. */
function rows(document: string, pattern: RegExp): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of fs.readFileSync(path.join(ROOT, 'docs', document), 'utf8').split('\n')) {
    const [, first, ...rest] = line.split('|').map((cell) => cell.trim());
    const name = pattern.exec(first ?? '')?.[1];
    if (name === undefined) continue;
    if (found.has(name)) t.fail(`${name} stands twice in ${document}`);
    found.set(name, rest.slice(0, -1));
  }
  return found;
}

function codesInSource(): Map<string, string> {
  const codes = new Map<string, string>();
  for (const { file, text } of sources('.ts', '.tsx')) {
    if (!PACKAGES.includes(file.split('/')[0] ?? '') || isTest(file) || file.startsWith('controller/web/dev/')) continue;
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
    for (const [, name] of code.matchAll(/['"`](LR_[A-Z0-9_]+)/g)) if (name !== undefined) codes.set(name, file);
  }
  return codes;
}

t.test('every code is explained, and only those', async (t) => {
  const explained = rows('errors.md', /^`(LR_[A-Z0-9_]+)\*?`$/);
  const codes = codesInSource();
  const family = (code: string): string => FAMILIES.find((one) => code.startsWith(one)) ?? code;
  const missing = [...codes].filter(([code]) => !BEGINNINGS.includes(code) && !explained.has(family(code)));
  t.same(
    missing.map(([code, file]) => `${code} (${file})`),
    [],
    'no code without a row in docs/errors.md',
  );
  t.same(
    [...explained.keys()].filter((code) => !FAMILIES.includes(code) && !codes.has(code)),
    [],
    'no row for a code that is not in the source',
  );
  for (const [code, cells] of explained)
    if (cells.length !== 2 || cells.some((cell) => cell.length < 5)) t.fail(`${code}: meaning, advice`);
});

t.test('every cause of a gap is explained, and only those', async (t) => {
  const explained = rows('gaps.md', /^`([a-z-]+)`$/);
  t.same([...explained.keys()], [...GAP_CAUSES]);
  for (const [cause, cells] of explained)
    if (cells.length !== 2 || cells.some((cell) => cell.length < 5)) t.fail(`${cause}: meaning, advice`);
});
