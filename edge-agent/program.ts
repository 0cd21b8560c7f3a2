/** `longroof-agent --config unit.yaml`: records until SIGTERM or SIGINT; SIGHUP reads the cameras again. `status` asks it from outside. */
import { getHeapStatistics } from 'node:v8';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { createLog, type Log } from '@longroof/base/log';
import { endOnSignal, sayFault } from '@longroof/base/program';
import { serveUnderSystemd } from '@longroof/base/service-manager';
import { loadUnitConfig } from '@longroof/protocol/unit-config';
import { Command } from 'commander';
import { Agent, type AgentOptions } from './agent.js';
import { askStatus, statusText } from './status-text.js';
import { VERSION } from './version.js';

/** An orderly stop takes at most so long; what is not flushed by then is found again at the next start. */
const STOP_MS = 2800;
const UNIT_FILE = '/etc/longroof/unit.yaml';
const NOT_WELL = 3;

async function run(file: string, thread: AgentOptions['thread']): Promise<void> {
  const { config, sha256 } = loadUnitConfig(systemDisk, file);
  const log = createLog('longroof-agent', config.log);
  const agent = await Agent.start({ config, configSha256: sha256, clock: systemClock, disk: systemDisk, log, thread });
  const { metricsPort } = agent;
  log.info(
    { unit: config.unit, cameras: config.cameras.map((camera) => camera.id), ...(metricsPort ? { metricsPort } : {}), heapMb: heapMb() },
    'started',
  );
  process.on('SIGHUP', () => void reload(agent, file, log));
  endOnSignal({ clock: systemClock, log, withinMs: STOP_MS, stop: () => agent.stop() });
  serveUnderSystemd(systemClock, log);
}

/** What V8 lets the heap grow to: the flags of the first line of `bin/longroof-agent.js`, if it was started so. */
function heapMb(): number {
  return Math.round(getHeapStatistics().heap_size_limit / (1024 * 1024));
}

async function reload(agent: Agent, file: string, log: Log): Promise<void> {
  try {
    const { config } = loadUnitConfig(systemDisk, file);
    log.info(await agent.reload(config), 'configuration read again');
  } catch (error) {
    log.error({ error }, 'the changed configuration was not taken on; the old one stays');
  }
}

async function end(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    sayFault('longroof-agent', error);
    process.exit(1);
  }
}

/** The port of the running agent: given, or as its file says. Throws LR_STATUS_PORT. */
function statusPort({ port, config: file }: { port?: string; config: string }): number {
  const given = port === undefined ? loadUnitConfig(systemDisk, file).config.metrics?.port : Number(port);
  if (given !== undefined && Number.isInteger(given) && given > 0 && given < 65_536) return given;
  throw new Fault('invalid', 'LR_STATUS_PORT', port === undefined ? `${file} gives no metrics.port` : `${port} is no port`, {
    hint: 'Set `metrics: { port: 9100 }` in unit.yaml, or give the port with --port.',
  });
}

/** `thread`: of the spool, where one loads already. */
export async function runProgram(thread: AgentOptions['thread']): Promise<void> {
  const program = new Command('longroof-agent')
    .description('Records the cameras of one unit.')
    .version(VERSION)
    .option('--config <file>', 'the YAML file of this unit')
    .option('--check', 'check the file and end')
    .addHelpText(
      'after',
      '\nExamples:\n  longroof-agent --config /etc/longroof/unit.yaml\n  longroof-agent --config unit.yaml --check\n  longroof-agent status\n',
    )
    .showHelpAfterError()
    .action(async ({ config, check }: { config?: string; check?: boolean }) => {
      if (config === undefined) program.error("error: required option '--config <file>' not specified");
      else if (check)
        await end(async () => {
          loadUnitConfig(systemDisk, config);
          process.stdout.write(`${config} is correct\n`);
        });
      else await end(() => run(config, thread));
    });
  addStatus(program);
  await program.parseAsync();
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('a page of state of the agent that runs here: power and why, cameras, spool, link, clock, GNSS, events')
    .option('--port <port>', 'its metrics.port; else it is read from the file')
    .option('--json', 'all of it, for programs')
    .addHelpText(
      'after',
      '\nExit code 0: all is well; 3: it runs and is not well; 1: no agent answers.\n\nExamples:\n  longroof-agent status --port 9100\n  longroof-agent --config /etc/longroof/unit.yaml status\n  longroof-agent status --port 9100 --json | jq .clock\n',
    )
    .action(({ port, json }: { port?: string; json?: boolean }) =>
      end(async () => {
        const { config = UNIT_FILE } = program.opts<{ config?: string }>();
        const status = await askStatus(statusPort({ config, ...(port === undefined ? {} : { port }) }));
        process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusText(status));
        if (!status.ok) process.exitCode = NOT_WELL;
      }),
    );
}
