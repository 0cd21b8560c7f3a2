/**
 * `npm run bench -- fleet`: what a fleet costs at the centre, as a table, or with --json one object `{results, peers}`. Ends with 1 where
 * something was refused, sent again in the steady state, or is not whole at the end.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { BROKERS, type BrokerKind } from './fleet/centre.js';
import { benchFleet, type FleetBenchOptions, type FleetResult, type PeerResult } from './fleet.js';

interface Options extends Omit<FleetBenchOptions, 'say'> {
  warmUp: number;
  json?: boolean;
}

function sizes(text: string): number[] {
  const values = text.split(',').map(Number);
  if (!values.every((value) => Number.isSafeInteger(value) && value >= 1 && value <= 10_000))
    throw new InvalidArgumentError('whole numbers from 1 to 10000, with commas, are wanted');
  return values;
}

function brokers(text: string): BrokerKind[] {
  const values = text.split(',');
  if (!values.every((value) => BROKERS.includes(value as BrokerKind))) throw new InvalidArgumentError(`some of ${BROKERS.join(', ')}`);
  return values as BrokerKind[];
}

const row = (cells: readonly (string | number)[]): string => cells.map((cell) => String(cell).padStart(12)).join('');
const pair = ({ p50, p95 }: { p50: number; p95: number }): string => `${p50.toFixed(0)}/${p95.toFixed(0)}`;

function table({ results, peers }: { results: readonly FleetResult[]; peers: readonly PeerResult[] }): string {
  const head = [
    'units',
    'broker',
    'centre CPU',
    'broker CPU',
    'to peer',
    'centre MB',
    'broker MB',
    'batches/s',
    'MB/day',
    'ack ms',
    'API ms',
  ];
  const lines = results.map((one) => {
    const peer = peers.find(({ units }) => units === one.units);
    const ratio = peer && (one.centreCpuPer1000 + one.brokerCpuPer1000) / (peer.cpuPer1000 + peer.brokerCpuPer1000);
    const cpu = [one.centreCpuPer1000.toFixed(3), one.brokerCpuPer1000.toFixed(3), ratio?.toFixed(2) ?? '-'];
    const memory = [one.centreRssMb.toFixed(0), one.brokerRssMb.toFixed(0), one.batchesPerS.toFixed(1), one.journalMbPerUnitDay.toFixed(2)];
    const { connected, whole } = one.stormS;
    const tail = [
      pair(one.acknowledgedMs),
      pair(one.seenMs),
      connected.toFixed(1),
      whole.toFixed(1),
      one.refusals,
      one.compared.wrong.length,
    ];
    return row([one.units, one.broker, ...cpu, ...memory, ...tail]);
  });
  const others = peers.map(({ units, cpuPer1000, brokerCpuPer1000, batchesPerS, acknowledgedMs }) =>
    row([
      units,
      'peer',
      cpuPer1000.toFixed(3),
      brokerCpuPer1000.toFixed(3),
      '1.00',
      '',
      '',
      batchesPerS.toFixed(1),
      '',
      pair(acknowledgedMs),
    ]),
  );
  const what = 'CPU seconds of a second per 1,000 units; milliseconds median/95 %; storm in seconds until connected and until whole';
  return [what, row([...head, 'flood API', 'connected', 'whole', 'refused', 'wrong']), ...lines, ...others].join('\n');
}

export function addFleet(program: Command, positive: (text: string) => number): void {
  program
    .command('fleet')
    .description('a fleet’s journals at the centre, in peace and after the broker was killed')
    .option('--units <list>', 'sizes of the fleet', sizes, [300, 1000, 3000])
    .option('--broker <list>', 'embedded, mosquitto (with two controllers)', brokers, [...BROKERS])
    .option('--seconds <n>', 'measured time of the steady state', positive, 120)
    .option('--warm-up <n>', 'seconds before it; a unit gathers records for up to 30', positive, 60)
    .option('--seed <n>', 'of what the units say', positive, 1)
    .option('--share <percent>', 'of the time that the controllers may run in the storm', positive, 100)
    .option('--no-peer', 'without mosquitto and a plain subscriber beside it')
    .option('--no-flood', 'without the part in which one unit floods')
    .option('--json', 'print one JSON object')
    .action(async (options: Options & { broker: BrokerKind[] }) => {
      const say = (text: string): void => void process.stderr.write(`${text}\n`);
      const all = await benchFleet({ ...options, brokers: options.broker, warmUpS: options.warmUp, share: options.share / 100, say });
      process.stdout.write(`${options.json ? JSON.stringify(all) : table(all)}\n`);
      for (const { broker, units, refusals, resent, compared } of all.results) {
        const wrong = [...compared.wrong];
        if (refusals > 0) wrong.push(`${refusals} messages refused: ${JSON.stringify(compared.refusals)}`);
        if (resent > 0) wrong.push(`${resent} batches were not acknowledged in time`);
        for (const what of wrong) say(`${broker}, ${units} units: ${what}`);
        if (wrong.length > 0) process.exitCode = 1;
      }
    });
}
