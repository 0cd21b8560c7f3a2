/** `npm run bench -- growth`: as a table, or with --json one object. Ends with 1 where the journals at the centre are not those of the units. */
import type { Command } from 'commander';
import { benchGrowth, type GrowthResult } from './growth.js';

interface Options {
  units: number;
  hours: number;
  seed: number;
  json?: boolean;
}

function table({ records, bytesPerRecord, mbPerUnitDay, shares, cpuMsPer1000Records, queries }: GrowthResult): string {
  const line = (name: string, value: number, unit: string): string => `${name.padEnd(44)}${value.toFixed(1).padStart(10)} ${unit}`;
  return [
    `${records} records`,
    line('all', bytesPerRecord, 'bytes a record'),
    ...Object.entries(shares).map(([name, bytes]) => line(`  ${name}`, bytes, '')),
    line('a wagon whose disk is full', mbPerUnitDay, 'MB a day'),
    line('taking them', cpuMsPer1000Records, 'CPU ms per 1,000 records'),
    ...Object.entries(queries).map(([name, ms]) => line(name, ms, 'ms')),
  ].join('\n');
}

export function addGrowth(program: Command, positive: (text: string) => number): void {
  program
    .command('growth')
    .description("how the centre's database grows with journals, and what taking them costs")
    .option('--units <n>', 'simulated units', positive, 10)
    .option('--hours <n>', 'of each', positive, 4)
    .option('--seed <n>', 'of their days', Number, 1)
    .option('--json', 'print one JSON object')
    .action(async (options: Options) => {
      const say = (text: string): void => void process.stderr.write(`${text}\n`);
      const result = await benchGrowth({ ...options, say });
      process.stdout.write(`${options.json ? JSON.stringify(result) : table(result)}\n`);
      for (const wrong of result.compared.wrong) say(wrong);
      if (result.compared.wrong.length > 0 || result.compared.records !== result.records) process.exitCode = 1;
    });
}
