/**
 * Measures: `npm run bench -- fleet` (fleet-command.ts), `npm run bench -- growth` (growth-command.ts), `npm run bench -- uplink` (uplink-command.ts), `npm run bench -- strips` (media-command.ts) and
 * `npm run bench -- capture [--cameras 1,4,8] [--seconds 60] [--warm-up 30] [--rounds 3] [--senders frame,packet] [--json]`.
 * Prints a table of medians, or with --json one JSON object (what goes on then stands on standard error). Ends with 1 when a recorder did
 * not record what was sent: then its cost means nothing.
 */
import { Command, InvalidArgumentError } from 'commander';
import { benchCapture, type CaptureResult, SHARE_OFF_MAX } from './capture.js';
import { addFleet } from './fleet-command.js';
import { addGrowth } from './growth-command.js';
import { addMedia } from './media-command.js';
import { RECORDERS } from './recorders.js';
import type { Sender } from './server.js';
import { addUplink } from './uplink-command.js';

interface Options {
  cameras: number[];
  seconds: number;
  warmUp: number;
  rounds: number;
  senders: Sender[];
  json?: boolean;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is wanted');
  return value;
}

function counts(text: string): number[] {
  const values = text.split(',').map(Number);
  if (!values.every((value) => Number.isSafeInteger(value) && value >= 1 && value <= 64)) {
    throw new InvalidArgumentError('whole numbers from 1 to 64, with commas, are wanted');
  }
  return values;
}

function senders(text: string): Sender[] {
  const values = text.split(',');
  if (!values.every((value) => value === 'frame' || value === 'packet')) throw new InvalidArgumentError('frame, packet or both');
  return values as Sender[];
}

function table(results: readonly CaptureResult[]): string {
  const row = (cells: readonly (string | number)[]): string => cells.map((cell) => String(cell).padStart(11)).join('');
  const head = row(['cameras', 'sender', ...RECORDERS, 'to ffmpeg', 'to reader', 'RSS MB', 'PSS MB', 'ffmpeg MB']);
  const lines = results.map((result) => {
    const { cameras, sender, cpuSPerCameraHour: cpu, ratioToFfmpeg, ratioToReader, memoryMb } = result;
    const costs = RECORDERS.map((name) => cpu[name].toFixed(1));
    const memory = [memoryMb.ours.rss, memoryMb.ours.pss, memoryMb.ffmpeg.rss].map((value) => value.toFixed(0));
    return row([cameras, sender, ...costs, ratioToFfmpeg.toFixed(2), ratioToReader.toFixed(2), ...memory]);
  });
  return ['CPU seconds per camera-hour, median of the rounds; ratios are medians of the rounds’ own', head, ...lines].join('\n');
}

const program = new Command('bench').description('Measures what Longroof costs.');
program
  .command('capture')
  .description('recording, beside ffmpeg and beside a program that only reads and writes')
  .option('--cameras <list>', 'numbers of cameras', counts, [1, 4, 8])
  .option('--seconds <n>', 'measured time of a turn', positive, 60)
  .option('--warm-up <n>', 'seconds before it', positive, 30)
  .option('--rounds <n>', 'turns of each', positive, 3)
  .option('--senders <list>', 'how cameras write: frame, packet', senders, ['frame', 'packet'])
  .option('--json', 'print one JSON object')
  .action(async (options: Options) => {
    const say = (text: string): void => void process.stderr.write(`${text}\n`);
    const results = await benchCapture({ ...options, warmUpS: options.warmUp, say });
    process.stdout.write(`${options.json ? JSON.stringify({ results }) : table(results)}\n`);
    for (const { cameras, sender, recordedShare } of results) {
      for (const name of RECORDERS) {
        if (Math.abs(recordedShare[name] - 1) <= SHARE_OFF_MAX) continue;
        say(`${cameras} x ${sender}: ${name} wrote ${(recordedShare[name] * 100).toFixed(1)} % of what was sent`);
        process.exitCode = 1;
      }
    }
  });
addFleet(program, positive);
addGrowth(program, positive);
addUplink(program, positive);
addMedia(program, positive);
await program.parseAsync();
