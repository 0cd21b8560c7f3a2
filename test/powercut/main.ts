/**
 * `npm run test:powercut`: the power goes at every place of a recording, and while a whole unit records; what was reported durable is
 * there afterwards. Needs the right to mount (it runs in a mount namespace of its own). Ends with `N passed, N failed`.
 */
import '../guest/own-mounts.js';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { seededRandom, testSeed } from '@longroof/base/random';
import { Command } from 'commander';
import { ROOT } from '../peers/wagon.js';
import { crashPoints } from './crash-points.js';
import { cutInGuest } from './guest-cuts.js';
import { newKey } from './life.js';
import { record } from './recording.js';
import { replayAll } from './replays.js';

const options = new Command('test:powercut')
  .option('--commits <n>', 'how long the recording is whose crash points are replayed', Number, 70)
  .option('--reordered <n>', 'random subsets of unflushed writes at each place', Number, 1)
  .option('--cuts <n>', 'cuts in QEMU; 0 leaves them out', Number, 20)
  .option('--only <word>', 'only parts whose name holds the word')
  .option('--keep', 'keep the folder', false)
  .parse()
  .opts<{ commits: number; reordered: number; cuts: number; only?: string; keep: boolean }>();

const seed = testSeed();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lr-cut-'));
const say = (text: string): void => void process.stdout.write(`${text}\n`);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2g', 'tmpfs', folder]);
const journalKeyPem = newKey();
const keyFile = path.join(folder, 'journal.key');
fs.writeFileSync(keyFile, journalKeyPem);

function ownFolder(name: string): string {
  const own = path.join(folder, name);
  fs.mkdirSync(own);
  return own;
}

async function everyPlace(): Promise<void> {
  const own = ownFolder('every-place');
  const recording = await record({ folder: own, seed, commits: options.commits, keyFile });
  const { entries, marks } = recording;
  const flushes = entries.filter((entry) => entry === 'flush').length;
  const points = crashPoints(entries, options.reordered, seed);
  const gone = marks.reduce((sum, { mark }) => sum + mark.gone.length, 0);
  const made = marks.reduce((sum, { mark }) => sum + mark.added.length, 0);
  say(
    `   ${marks.length} commits, ${made} fragments, ${gone} of them reclaimed, ${entries.length - flushes} block writes, ${flushes} flushes: ${points.length} crash points`,
  );
  const startMs = performance.now();
  const replayed = await replayAll(recording, points, {
    ...{ folder: own, journalKeyPem },
    progress: (done, findings) => {
      if (done % 200 === 0) say(`   ${done} of ${points.length}, ${findings} findings`);
    },
    finding: ({ point, what }, findings) => {
      if (findings <= 20) say(`   entry ${point.at}, seed ${point.seed}: ${what}`);
    },
  });
  const tookS = ((performance.now() - startMs) / 1000).toFixed(0);
  say(`   ${replayed.points} crash points, ${replayed.fragments} times a durable fragment looked for, ${tookS} s`);
  if (replayed.findings.length > 0) throw new Error(`${replayed.findings.length} findings`);
  if (points.length < 1000 || replayed.fragments === 0) throw new Error('too few crash points');
}

/** Without flushes the same test must find losses, or it would find nothing ever. */
async function negativeControl(where: string): Promise<void> {
  const own = ownFolder(`no-sync${where.replaceAll('/', '-')}`);
  const library = path.join(own, 'no-sync.so');
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, path.join(ROOT, 'test/powercut/no-sync.c'), '-ldl']);
  const env = { LD_PRELOAD: library, LONGROOF_NO_SYNC: where };
  const recording = await record({ folder: own, seed, commits: 30, keyFile, env });
  const points = crashPoints(recording.entries, options.reordered, seed).slice(-60);
  const { findings } = await replayAll(recording, points, { folder: own, journalKeyPem });
  // A spool that is not there at all, though something of it was promised, is one too.
  say(`   ${points.length} crash points: ${findings.length} findings${findings[0] ? `, the first: ${findings[0].what}` : ''}`);
  if (findings.length === 0) throw new Error('flushes that do nothing were not noticed');
}

/** In QEMU; the machine's sockets need a short path. */
async function cutsInGuest(cuts: number, lies: boolean): Promise<void> {
  const own = ownFolder(lies ? 'liar' : 'cuts');
  const progress = (text: string): void => say(`   ${text}`);
  const { durable, lostBytes, seconds, findings } = await cutInGuest({ folder: own, cuts, random: seededRandom(seed), lies, progress });
  for (const what of findings.slice(0, 10)) say(`   ${what}`);
  say(`   ${durable} fragments reported durable, ${lostBytes} unflushed bytes lost, ${seconds.toFixed(0)} s`);
  if (lies && findings.length === 0) throw new Error('a disk that forgets in spite of flushes was not noticed');
  if (!lies && findings.length > 0) throw new Error(`${findings.length} findings`);
  if (durable === 0) throw new Error('nothing was recorded');
}

const parts: [string, () => Promise<void>][] = [
  ['crash points: every place, and unflushed writes in any order', everyPlace],
  ['negative control: no flush reaches the disk', () => negativeControl('')],
  ['negative control: only those of reels do not', () => negativeControl('/reels/')],
];
if (options.cuts > 0)
  parts.push(
    [`${options.cuts} cuts in QEMU while recording`, () => cutsInGuest(options.cuts, false)],
    ['negative control: cuts in QEMU with a disk that forgets in spite of flushes', () => cutsInGuest(3, true)],
  );

say(`seed ${seed}`);
let passed = 0;
let failed = 0;
for (const [name, run] of parts) {
  if (options.only && !name.includes(options.only)) continue;
  say(name);
  const startMs = performance.now();
  const tookS = (): string => ((performance.now() - startMs) / 1000).toFixed(1);
  try {
    await run();
    passed += 1;
    say(`ok: ${name} (${tookS()} s)`);
  } catch (error) {
    failed += 1;
    say(`FAILED: ${name} (${tookS()} s): ${(error as Error).stack}`);
  }
}
if (!options.keep) {
  execFileSync('umount', ['-l', folder]);
  fs.rmdirSync(folder);
}
say(`seed ${seed}\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
