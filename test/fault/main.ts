/**
 * `npm run test:fault`: breaks what a recorder stands on, with the real agent, and looks whether anything was lost or left unexplained.
 * Prints its seed; LONGROOF_SEED gives one. Ends with `N passed, N failed`.
 */
import { seededRandom, testSeed } from '@longroof/base/random';
import { Command } from 'commander';
import { cameraGone, cameraIsHttp, cameraStalls, wallStepped } from './camera-and-clock.js';
import { type CampaignOptions, campaign } from './campaign/campaign.js';
import { bytesFlipped, diskFull, diskReadOnly, indexDeleted, strays, syncStalled } from './disk.js';
import { readOnlyAtStart } from './disk-at-start.js';
import { kills } from './kills.js';
import type { Report } from './report.js';

const options = new Command('test:fault')
  .option('--kills <n>', 'how often the agent is killed', Number, 50)
  .option('--away <seconds>', 'how long a camera is gone', Number, 60)
  .option('--minutes <n>', 'how long the campaign breaks things', Number, 16)
  .option('--agent-kills <n>', 'in the campaign', Number, 50)
  .option('--controller-kills <n>', 'in the campaign', Number, 20)
  .option('--broker-kills <n>', 'of mosquitto in the campaign', Number, 10)
  .option('--cuts <n>', 'of the link in the campaign', Number, 40)
  .option('--disks <n>', "in the campaign the centre's disk is full, and slow, so often", Number, 4)
  .option('--clocks <n>', "in the campaign the wagon's clock is stepped, and the centre's, so often", Number, 4)
  .option('--spool <size>', "quota of the wagon's spool in the campaign: with 24MiB footage is lost before it is sent", '40MiB')
  .option('--only <word>', 'only scenarios whose name holds the word')
  .option('--keep', 'keep the folders', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npm run test:fault\n  npm run test:fault -- --only disk --keep\n  LONGROOF_SEED=42 npm run test:fault -- --kills 5 --away 10\n  npm run test:fault -- --only campaign --agent-kills 6 --controller-kills 3 --broker-kills 2 --cuts 6 --minutes 1.5\n',
  )
  .parse()
  .opts<{ kills: number; away: number; only?: string; keep: boolean } & CampaignOptions>();

const seed = testSeed();
const random = seededRandom(seed);
const awayMs = options.away * 1000;
const figures: string[] = [];
const report: Report = {
  keep: options.keep,
  progress: (text) => void process.stdout.write(`   ${text}\n`),
  figure: (text) => void figures.push(text),
};

const scenarios: [string, () => Promise<void>][] = [
  ['agent killed', () => kills(options.kills, random, report)],
  ['disk full', () => diskFull(report)],
  ['disk read-only', () => diskReadOnly(report)],
  ['disk read-only at start', () => readOnlyAtStart(report)],
  ['sync stalled for 3 s', () => syncStalled(report)],
  ['index deleted', () => indexDeleted(report)],
  ['reel with flipped bytes', () => bytesFlipped(random, report)],
  ['wall clock stepped by +1 day', () => wallStepped(report, 1)],
  ['wall clock stepped by -1 day', () => wallStepped(report, -1)],
  ['stray files and folders in the spool', () => strays(report)],
  ['camera gone', () => cameraGone(report, awayMs)],
  ['camera stalls', () => cameraStalls(report, Math.min(awayMs, 20_000))],
  ['camera that answers HTTP', () => cameraIsHttp(report, Math.min(awayMs, 20_000))],
  ['campaign against wagon and centre', () => campaign(options, seed, report)],
];

process.stdout.write(`seed ${seed}\n`);
let passed = 0;
let failed = 0;
for (const [name, run] of scenarios) {
  if (options.only && !name.includes(options.only)) continue;
  process.stdout.write(`${name}\n`);
  const startMs = performance.now();
  const tookS = (): string => ((performance.now() - startMs) / 1000).toFixed(1);
  try {
    await run();
    passed += 1;
    process.stdout.write(`ok: ${name} (${tookS()} s)\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILED: ${name} (${tookS()} s): ${(error as Error).message}\n`);
  }
}
for (const figure of figures) process.stdout.write(`${figure}\n`);
process.stdout.write(`seed ${seed}\n${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
