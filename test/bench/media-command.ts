/** `npm run bench -- strips [--rounds 3] [--json]`: a table, or with --json `{"figures": [{what, from, cpuSPerCameraHour, bytesPerCameraHour}]}`. */
import type { Command } from 'commander';
import { benchMedia, type MediaFigure } from './media.js';

function table(figures: readonly MediaFigure[]): string {
  const row = (cells: readonly string[]): string =>
    `${cells[0]?.padEnd(16)}${cells[1]?.padEnd(28)}${cells[2]?.padStart(14)}${cells[3]?.padStart(14)}`;
  const lines = figures.map(({ what, from, cpuSPerCameraHour: cpu, bytesPerCameraHour: bytes }) =>
    row([what, from, cpu.toFixed(1), (bytes / 1e6).toFixed(1)]),
  );
  return ['CPU seconds and MB per camera-hour, median of the rounds', row(['', 'made from', 'CPU s', 'MB']), ...lines].join('\n');
}

export function addMedia(program: Command, positive: (text: string) => number): void {
  program
    .command('strips')
    .description('strips and copies of a lower rate: CPU per camera-hour')
    .option('--rounds <n>', 'turns of each', positive, 3)
    .option('--json', 'print one JSON object')
    .action(async ({ rounds, json }: { rounds: number; json?: boolean }) => {
      const figures = await benchMedia(rounds, (text) => void process.stderr.write(`${text}\n`));
      process.stdout.write(`${json ? JSON.stringify({ figures }) : table(figures)}\n`);
    });
}
