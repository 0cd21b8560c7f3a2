/**
 * Runs every compiled test but those named `.slow.test`, or all whose path holds one of the words given, and ends with the line
 * `N passed, N failed`.
 *
 *   node test/run-tap.mjs [--file-limit-s=N] [--limit-min=N] [word...]
 *
 * Promises: compiled files whose source is gone are removed first, so that no dead test passes; the seed of each random test is
 * printed; the exit code is tap's, and never 0 when something failed or nothing ran; the whole run ends within its limit, 15 minutes if
 * none is given.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const LIMIT_MIN = 15;
const KEPT_LINES_MAX = 2000;
const JOBS = 2;

function filesBelow(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(file);
    return entry.isFile() ? [file] : [];
  });
}

/** Compiled tests of one workspace, after everything without a source is gone. PKG/dist/a/b.js was compiled from PKG/a/b.ts. */
function compiledTests(workspace) {
  const dist = path.join(ROOT, workspace, 'dist');
  const tests = [];
  for (const file of filesBelow(dist)) {
    const stem = file.match(/^(.*?)(\.d\.ts|\.js\.map|\.js)$/)?.[1];
    if (stem === undefined) continue;
    const source = path.join(ROOT, workspace, path.relative(dist, stem));
    if (!fs.existsSync(`${source}.ts`) && !fs.existsSync(`${source}.tsx`)) fs.rmSync(file);
    else if (file.endsWith('.test.js')) tests.push(path.relative(ROOT, file));
  }
  return tests;
}

/** Follows tap's output: shows one line a file, the failures whole, the seeds; keeps the totals of its last line. */
class Progress {
  passed = 0;
  failed = 0;
  skipped = 0;
  #kept = [];
  #explaining = false;

  line(text) {
    const file = text.match(/^(not ok|ok) \d+ - (.*)$/);
    const totals = text.match(/^# \{ total: \d+(.*)\}/);
    if (totals) {
      const count = (name) => Number(totals[1].match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0);
      this.passed = count('pass');
      this.failed = count('fail');
      this.skipped = count('skip') + count('todo');
    } else if (file) {
      if (file[1] === 'not ok') process.stdout.write(this.#kept.map((kept) => `${kept}\n`).join(''));
      process.stdout.write(`${file[1] === 'ok' ? 'pass' : 'FAIL'}  ${file[2].replace(/# time=/, ' ')}\n`);
      this.#kept = [];
      this.#explaining = file[1] === 'not ok';
    } else if (this.#explaining && /^ {2}/.test(text)) {
      process.stdout.write(`${text}\n`);
      this.#explaining = text !== '  ...';
    } else this.#inside(text);
  }

  #inside(text) {
    this.#explaining = false;
    if (/^\s*# .*\bseed\b/i.test(text) || /# SKIP/.test(text)) process.stdout.write(`      ${text.trim()}\n`);
    if (/^\s*(ok \d|1\.\.\d|$|# time=)/.test(text)) return;
    if (this.#kept.length < KEPT_LINES_MAX) this.#kept.push(text);
  }
}

function runTap(files, progress, limitMin, fileLimitS) {
  return new Promise((resolve) => {
    const args = [
      'node_modules/tap/dist/esm/run.mjs',
      'run',
      `--jobs=${JOBS}`,
      '--reporter=tap',
      ...(fileLimitS ? [`--timeout=${fileLimitS}`] : []),
      ...files,
    ];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.stdout.write(`FAIL  the run took longer than ${limitMin} minutes\n`);
      end('SIGTERM');
      setTimeout(() => end('SIGKILL'), 5000).unref();
    }, limitMin * 60_000);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(signal));
    readline.createInterface({ input: child.stdout }).on('line', (text) => progress.line(text));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(late ? 1 : (code ?? 1));
    });
  });
}

const option = (name) => Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1]) || undefined;
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const workspaces = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')).workspaces;
const tests = workspaces.flatMap(compiledTests).sort();
const isSlow = (file) => file.endsWith('.slow.test.js');
const chosen = tests.filter((file) => (words.length === 0 ? !isSlow(file) : words.some((word) => file.includes(word))));
const progress = new Progress();
let code = 1;
if (chosen.length === 0) process.stdout.write(`FAIL  no test ${words.length > 0 ? `matches ${words.join(' ')}` : 'is compiled'}\n`);
else code = await runTap(chosen, progress, option('limit-min') ?? LIMIT_MIN, option('file-limit-s'));
if (code !== 0 && progress.failed === 0) progress.failed = 1;
if (progress.skipped > 0) process.stdout.write(`${progress.skipped} skipped\n`);
process.stdout.write(`${progress.passed} passed, ${progress.failed} failed\n`);
process.exitCode = code !== 0 ? code : progress.failed > 0 ? 1 : 0;
