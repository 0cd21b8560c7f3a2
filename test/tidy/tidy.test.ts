/** The house rules that a formatter cannot see: lengths, who may import whom, where time and disks come from, what may not be written. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { codeOnly } from './code-only.js';
import { functionsOf, importsOf, isTest, ROOT, sources } from './source.js';

/** Lines of a file and of a function. A test tells a story from its beginning to its end, and a component is mostly markup. */
const LIMITS = { code: [300, 60], test: [400, 100], component: [300, 150] } as const;
const limitsOf = (file: string): readonly [number, number] => LIMITS[file.endsWith('.tsx') ? 'component' : isTest(file) ? 'test' : 'code'];
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ['base'],
  firmware: ['base', 'protocol'],
  'edge-agent': ['base', 'protocol'],
  controller: ['base', 'protocol'],
  provisioning: ['base', 'protocol'],
  test: ['base', 'protocol', 'firmware', 'edge-agent', 'controller', 'provisioning'],
};
const CODE = sources('.ts', '.tsx', '.mjs').filter(({ file }) => (file.split('/')[0] ?? '') in PACKAGES);
const packageOf = (file: string): string => file.split('/')[0] ?? '';

function none(t: Test, found: readonly string[], what: string): void {
  t.same(found, [], what);
}

/** Longer than the rule allows, as `name -> lines`; the ratchet holds what is so today, and every entry may only fall. */
function checkRatchet(t: Test, what: string, actual: Map<string, number>, ratchet: Record<string, number>): void {
  for (const [name, lines] of actual) {
    const allowed = ratchet[name];
    if (allowed === undefined) t.fail(`${name} has ${lines} lines, too many for a ${what}: split it`);
    else if (lines > allowed) t.fail(`${name} grew from ${allowed} to ${lines} lines: split it`);
  }
  for (const [name, allowed] of Object.entries(ratchet)) {
    const now = actual.get(name);
    if (now === undefined) t.fail(`${name} is short enough now: take it out of test/tidy/ratchet.json`);
    else if (now < allowed) t.fail(`${name} fell to ${now} lines: say so in test/tidy/ratchet.json`);
  }
  t.ok(true, `${Object.keys(ratchet).length} over the rule for a ${what}`);
}

t.test('the scanner sees code as the compiler does', async (t) => {
  const text = [
    'function a<T>(b: { c: number }, d = "}"): { e: string } | undefined {',
    '  const f = /[/}]{2}/g; // }',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the subject is code with a template in it.
    '  return `{${b.c > 1 ? `x${d}}` : "{"}`;',
    '}',
    'class G {',
    '  async #h(): Promise<{ i: 1 }> {',
    '    if (x) {',
    '    }',
    '  }',
    '  abstract(): void;',
    '}',
    "test('named', async (t) => {",
    '  /* } */',
    '});',
    'function I() {',
    '  return <p>{x ? <J a={b} /> : null}</p>;',
    '}',
  ].join('\n');
  t.same(functionsOf(text), [
    { name: 'a', line: 1, lines: 4 },
    { name: '#h', line: 6, lines: 4 },
    { name: 'I', line: 15, lines: 3 },
    { name: 'named', line: 12, lines: 3 },
  ]);
  t.same(importsOf(`import a, { b } from 'c';\nimport 'd';\nexport * from './e.js';\n// import f from 'g';\nawait im${''}port('h');`), [
    'c',
    'd',
    './e.js',
    'h',
  ]);
});

t.test('files and functions are short; what is not may only shrink', async (t) => {
  const ratchet = JSON.parse(fs.readFileSync(path.join(ROOT, 'test/tidy/ratchet.json'), 'utf8')) as Record<
    'files' | 'functions',
    Record<string, number>
  >;
  const files = new Map<string, number>();
  const functions = new Map<string, number>();
  for (const { file, text } of CODE) {
    const lines = text.split('\n').length - 1;
    const [fileMax, functionMax] = limitsOf(file);
    if (lines > fileMax) files.set(file, lines);
    for (const one of functionsOf(text)) if (one.lines > functionMax) functions.set(`${file}: ${one.name}`, one.lines);
  }
  checkRatchet(t, 'file', files, ratchet.files);
  checkRatchet(t, 'function', functions, ratchet.functions);
});

t.test('time, timers and disks come from base, where a test can replace them', async (t) => {
  const banned: [RegExp, string][] = [
    [/\bDate\.now\(/, 'Date.now'],
    [/\bnew Date\(\s*\)/, 'new Date()'],
    [/(?<![.\w])setTimeout\(/, 'setTimeout'],
    [/(?<![.\w])setInterval\(/, 'setInterval'],
  ];
  const found: string[] = [];
  for (const { file, text } of CODE) {
    if (file.startsWith('base/') || file.startsWith('controller/web/') || isTest(file)) continue;
    const code = codeOnly(text);
    for (const [pattern, name] of banned) if (pattern.test(code)) found.push(`${file}: ${name}`);
    for (const name of importsOf(text)) if (/^node:(fs|timers)(\/|$)/.test(name)) found.push(`${file}: ${name}`);
  }
  none(t, found, 'nothing reads a clock, sets a timer or touches a disk by itself');
});

t.test('imports run one way, and every package names what it uses', async (t) => {
  const found: string[] = [];
  for (const { file, text } of CODE) {
    const own = packageOf(file);
    const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, own, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string> | undefined
    >;
    const mayUseTools = isTest(file) || file.startsWith('controller/web/');
    for (const name of importsOf(text)) {
      if (name.startsWith('node:')) continue;
      if (name.startsWith('.')) {
        const target = path.posix.join(path.posix.dirname(file), name);
        if (packageOf(target) !== own) found.push(`${file}: reaches into ${target} by a relative path`);
        continue;
      }
      const bare = name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/');
      const ours = bare.match(/^@longroof\/(.*)$/)?.[1];
      if (ours !== undefined && !PACKAGES[own]?.includes(ours)) found.push(`${file}: ${own} may not import ${ours}`);
      if (!manifest['dependencies']?.[bare] && !(mayUseTools && manifest['devDependencies']?.[bare]))
        found.push(`${file}: ${bare} is not declared in ${own}/package.json`);
    }
  }
  none(t, found, 'every import is allowed and declared');
});

t.test('every source says what it is for, and none carries leftovers', async (t) => {
  const found: string[] = [];
  for (const { file, text } of CODE) {
    const body = text.replace(/^#!.*\n/, '');
    if (!file.endsWith('.test.ts') && !body.startsWith('/**')) found.push(`${file}: no comment at its head`);
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(text.replace(/\/\\b\(TODO\|.*$/m, ''))) found.push(`${file}: a leftover to do`);
    if (/\bcatch\s*(\([^)]*\))?\s*\{\s*\}/.test(codeOnly(text).replace(/\s+\n/g, '\n')) && !/catch[^{]*\{\s*(\/\/|\/\*)/.test(text))
      found.push(`${file}: an error is swallowed`);
  }
  none(t, found, 'heads, leftovers, empty catches');
});

t.test('nothing names a folder of the machine it was written on', async (t) => {
  const pattern = new RegExp(['/wo', 'rk/|/ho', 'me/[a-z]|/ro', 'ot/'].join(''));
  const found = sources('.ts', '.tsx', '.mjs', '.js', '.json', '.md', '.py', '.c', '.yaml', '.yml', '.sh', 'run')
    .filter(({ file, text }) => file !== 'package-lock.json' && pattern.test(text))
    .map(({ file }) => file);
  none(t, found, 'no machine paths');
});

t.test('the README leads through the code in the order of a fragment, 1 to 8', async (t) => {
  const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  for (let step = 1; step <= 8; step++) {
    const folder = readme.match(new RegExp(`^${step}\\. \`([a-z/-]+)\``, 'm'))?.[1];
    t.ok(folder && fs.existsSync(path.join(ROOT, folder)), `step ${step} names a folder that exists`);
  }
});

t.test('links in the documents lead somewhere', async (t) => {
  const found: string[] = [];
  for (const { file, text } of sources('.md')) {
    for (const [, link] of text.replace(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (!link || /^(https?:|mailto:|#)/.test(link)) continue;
      const target = path.join(ROOT, path.dirname(file), link.split('#')[0] ?? '');
      if (!fs.existsSync(target)) found.push(`${file}: ${link}`);
    }
  }
  none(t, found, 'every relative link exists');
});

t.test('the formatter and the linter find nothing', async (t) => {
  const { status, stdout, stderr } = spawnSync(path.join(ROOT, 'node_modules/.bin/biome'), ['check', '--colors=off', ROOT], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  t.equal(status, 0, `${stdout}${stderr}`.slice(0, 4000));
});
