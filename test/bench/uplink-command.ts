/**
 * `npm run bench -- uplink`: goals, a table, or with --json `{"cpuRatioToPut", "share2Mbit", "share20Mbit", "journalP95Ms",
 * "resentShare"}`; a part that was left out is absent. Ends with 1 when a goal is missed or links cannot be shaped here, which is then said.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { whyNoNetwork } from './uplink/network.js';
import { benchCpu, benchCuts, benchLink, type UplinkBenchOptions } from './uplink.js';

const PARTS = ['cpu', 'links', 'cuts'] as const;
type Part = (typeof PARTS)[number];

interface Options extends Omit<UplinkBenchOptions, 'say'> {
  parts: Part[];
  json?: boolean;
}

type Figure = 'cpuRatioToPut' | 'share2Mbit' | 'share20Mbit' | 'journalP95Ms' | 'resentShare';

/** Goals: at most, or at least. */
const GOALS: Readonly<Record<Figure, { what: string; max?: number; min?: number }>> = {
  cpuRatioToPut: { what: 'CPU per GB at both ends over HTTPS PUT', max: 1.25 },
  share2Mbit: { what: 'share of 2 Mbit/s that footage gets', min: 0.9 },
  share20Mbit: { what: 'share of 20 Mbit/s that footage gets', min: 0.8 },
  journalP95Ms: { what: 'journal p95 while footage fills 2 Mbit/s, ms', max: 250 },
  resentShare: { what: 'sent again after 10 cuts per GB', max: 0.03 },
};

type Figures = Partial<Record<Figure, number>>;

function met(name: Figure, value: number): boolean {
  const { max = Number.POSITIVE_INFINITY, min = Number.NEGATIVE_INFINITY } = GOALS[name];
  return value <= max && value >= min;
}

async function measure(options: UplinkBenchOptions, parts: readonly Part[]): Promise<Figures> {
  const figures: Figures = {};
  if (parts.includes('cpu')) figures.cpuRatioToPut = (await benchCpu(options)).ratioToPut;
  if (parts.includes('links')) {
    const slow = await benchLink(2_000_000, options);
    figures.share2Mbit = slow.share;
    figures.journalP95Ms = slow.journalP95Ms;
    figures.share20Mbit = (await benchLink(20_000_000, options)).share;
  }
  if (parts.includes('cuts')) figures.resentShare = (await benchCuts(options)).resentShare;
  return figures;
}

function table(figures: Figures): string {
  const lines = Object.entries(figures).map(([name, value]) => {
    const { what, max, min } = GOALS[name as Figure];
    const goal = max === undefined ? `at least ${min}` : `at most ${max}`;
    const shown = value.toFixed(value < 10 ? 3 : 0);
    return `${what.padEnd(48)}${shown.padStart(8)}   ${goal.padEnd(16)}${met(name as Figure, value) ? 'met' : 'missed'}`;
  });
  return lines.join('\n');
}

function parts(text: string): Part[] {
  const values = text.split(',');
  if (!values.every((value) => PARTS.includes(value as Part))) throw new InvalidArgumentError(`some of ${PARTS.join(', ')}`);
  return values as Part[];
}

export function addUplink(program: Command, positive: (text: string) => number): void {
  program
    .command('uplink')
    .description('sending, beside HTTPS PUT, on thin links and through cuts')
    .option('--parts <list>', 'which: cpu, links, cuts', parts, [...PARTS])
    .option('--mb <n>', 'footage of each round of the CPU part', positive, 1000)
    .option('--rounds <n>', 'rounds of the CPU part', positive, 3)
    .option('--fragment-kb <n>', 'size of a fragment', positive, 500)
    .option('--seconds <n>', 'of each run on a shaped link', positive, 30)
    .option('--runs <n>', 'runs on each link', positive, 5)
    .option('--delay-ms <n>', 'length of a shaped link, each way', positive, 25)
    .option('--cut-mb <n>', 'footage of the part with cuts: one for each 100 MB', positive, 1000)
    .option('--json', 'print one JSON object')
    .action(async (options: Options) => {
      const say = (text: string): void => void process.stderr.write(`${text}\n`);
      const why = options.parts.includes('links') ? await whyNoNetwork() : undefined;
      const figures = await measure(
        { ...options, say },
        options.parts.filter((part) => part !== 'links' || why === undefined),
      );
      process.stdout.write(`${options.json ? JSON.stringify(figures) : table(figures)}\n`);
      const missed = Object.entries(figures).filter(([name, value]) => !met(name as Figure, value));
      for (const [name] of missed) say(`goal missed: ${GOALS[name as Figure].what}`);
      if (why !== undefined) say(`not measured, shaped links: ${why}`);
      if (why !== undefined || missed.length > 0) process.exitCode = 1;
    });
}
