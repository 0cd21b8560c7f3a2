/**
 * `npm run ci:slow`: what takes too long for every change, one program after another: 100,000 cases of each fuzz test, fewer of each
 * simulation, crashes of the spool, slow tests, the fault suite, power cuts, a unit in QEMU, a short long-run, two short benches, and the
 * demo started and stopped whole. A program that cannot be run has failed; none is skipped. Ends with `N passed, N failed`, N counting
 * what the programs count, within 70 minutes.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
const LIMIT_MIN = 70;
const FUZZ_CASES = '100000';

interface Part {
  name: string;
  /** Arguments of Node. */
  args: string[];
  env?: Record<string, string>;
  limitMin: number;
}
interface Result {
  name: string;
  passed: number;
  failed: number;
  seconds: number;
  why: string;
}

/** A case of these opens a disk, breaks it and checks all of it: thousands of times dearer than a case of a parser. */
const DEAR = /\b(crash|turns)\.test\.js$/;
const DEAR_CASES = '1000';
/** A case of these is a run of a simulation, or goes through several programs. */
const SIMULATED = /^test\b|\b(marks|power)\.test\.js$/;
const SIMULATED_CASES = '10000';

/** Compiled tests whose number of cases follows LONGROOF_FUZZ_CASES. */
function fuzzTests(): string[] {
  const { workspaces } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { workspaces: string[] };
  return workspaces.flatMap((workspace) => {
    const dist = path.join(ROOT, workspace, 'dist');
    if (!fs.existsSync(dist)) return [];
    // Slow ones are a part of their own.
    const files = fs.readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => /(?<!\.slow)\.test\.js$/.test(file));
    return files
      .filter((file) => /\bfuzzCases\(/.test(fs.readFileSync(path.join(dist, file), 'utf8')))
      .map((file) => path.join(workspace, 'dist', file));
  });
}

const tests = fuzzTests().sort();
const dear = tests.filter((file) => DEAR.test(file));
const simulated = tests.filter((file) => SIMULATED.test(file));
const parsers = tests.filter((file) => !DEAR.test(file) && !SIMULATED.test(file));

/** Of minutes of faults against wagon and centre, a few of each kind. */
const SHORT_CAMPAIGN = '--minutes 1.2 --agent-kills 6 --controller-kills 2 --broker-kills 2 --cuts 10 --disks 2 --clocks 2'.split(' ');

const PARTS: Part[] = [
  {
    name: `fuzz, ${FUZZ_CASES} cases each`,
    args: ['test/run-tap.mjs', '--file-limit-s=1500', '--limit-min=30', ...parsers],
    env: { LONGROOF_FUZZ_CASES: FUZZ_CASES },
    limitMin: 31,
  },
  {
    name: `simulations, ${SIMULATED_CASES} cases each`,
    args: ['test/run-tap.mjs', '--file-limit-s=840', '--limit-min=14', ...simulated],
    env: { LONGROOF_FUZZ_CASES: SIMULATED_CASES },
    limitMin: 15,
  },
  {
    name: `crashes, ${DEAR_CASES} of each kind`,
    args: ['test/run-tap.mjs', '--file-limit-s=840', '--limit-min=14', ...dear],
    env: { LONGROOF_FUZZ_CASES: DEAR_CASES },
    limitMin: 15,
  },
  {
    name: 'slow tests',
    args: ['test/run-tap.mjs', '--file-limit-s=540', '--limit-min=18', '.slow.test'],
    env: { LONGROOF_OFFLINE_DAYS: '7' },
    limitMin: 19,
  },
  { name: 'faults', args: ['test/dist/fault/main.js', '--kills', '5', '--away', '20', ...SHORT_CAMPAIGN], limitMin: 24 },
  { name: 'power cuts', args: ['test/dist/powercut/main.js', '--cuts', '0', '--only', 'every place'], limitMin: 10 },
  { name: 'power cuts, controls', args: ['test/dist/powercut/main.js', '--cuts', '0', '--only', 'negative control'], limitMin: 4 },
  {
    name: 'power cuts in QEMU',
    args: ['test/dist/powercut/main.js', '--cuts', '20', '--only', 'cuts in QEMU while'],
    limitMin: 20,
  },
  { name: 'a unit in QEMU', args: ['test/dist/firmware/main.js'], limitMin: 16 },
  {
    name: 'long run, shortened',
    args: ['test/dist/soak/main.js', '--minutes', '3', '--cameras', '4', '--quota', '500MB'],
    limitMin: 6,
  },
  {
    name: 'bench, shortened',
    args: ['test/dist/bench/main.js', 'capture', '--cameras', '4', '--seconds', '15', '--warm-up', '5', '--rounds', '1'],
    limitMin: 8,
  },
  {
    name: 'fleet, shortened',
    args: ['test/dist/bench/main.js', 'fleet', '--units', '50', '--broker', 'embedded', '--seconds', '20', '--warm-up', '30', '--no-peer'],
    limitMin: 6,
  },
  { name: 'demo', args: ['test/run-tap.mjs', '--file-limit-s=400', 'demo/whole.test'], env: { LONGROOF_DEMO_WHOLE: '1' }, limitMin: 8 },
];

const COUNTS = /^(\d+) passed, (\d+) failed$/gm;

/** Runs one part, its output passed through. A part that prints no counts counts as one. */
function runPart(part: Part, limitMs: number): Promise<Result> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, part.args, {
      cwd: ROOT,
      env: { ...process.env, ...part.env },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let tail = '';
    let why = '';
    const end = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid) process.kill(-child.pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    };
    const interrupted = (): void => {
      end('SIGTERM');
      process.exitCode = 130;
    };
    process.once('SIGINT', interrupted);
    process.once('SIGTERM', interrupted);
    const timer = setTimeout(() => {
      why = `longer than ${(limitMs / 60_000).toFixed(0)} minutes`;
      end('SIGTERM');
      setTimeout(() => end('SIGKILL'), 10_000).unref();
    }, limitMs);
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      tail = (tail + chunk.toString('utf8')).slice(-4000);
    });
    child.on('error', (error) => {
      why = error.message;
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.removeListener('SIGINT', interrupted);
      process.removeListener('SIGTERM', interrupted);
      const counts = [...tail.matchAll(COUNTS)].at(-1);
      const passed = counts ? Number(counts[1]) : code === 0 ? 1 : 0;
      const told = counts ? Number(counts[2]) : 0;
      const failed = told === 0 && (code !== 0 || passed === 0) ? 1 : told;
      if (code !== 0 && why === '') why = signal ? `ended by ${signal}` : `exit code ${code}`;
      resolve({ name: part.name, passed, failed, seconds: (performance.now() - startMs) / 1000, why });
    });
  });
}

const words = process.argv.slice(2);
const parts = PARTS.filter((part) => words.length === 0 || words.some((word) => part.name.includes(word)));
const endMs = performance.now() + LIMIT_MIN * 60_000;
const results: Result[] = [];
for (const part of parts) {
  process.stdout.write(`\n-- ${part.name}\n`);
  const leftMs = endMs - performance.now();
  if (process.exitCode === 130 || leftMs < 1000) {
    results.push({ name: part.name, passed: 0, failed: 1, seconds: 0, why: `not run within ${LIMIT_MIN} minutes` });
    continue;
  }
  results.push(await runPart(part, Math.min(leftMs, part.limitMin * 60_000)));
}

process.stdout.write('\n');
for (const { name, passed, failed, seconds, why } of results) {
  const time = `${seconds.toFixed(1)} s`.padStart(9);
  process.stdout.write(`${failed > 0 ? 'FAIL' : 'pass'} ${time}  ${name}: ${passed} passed, ${failed} failed${why ? ` (${why})` : ''}\n`);
}
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || results.length === 0 ? process.exitCode || 1 : 0;
