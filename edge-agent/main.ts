/** `longroof-agent --config unit.yaml`: records until SIGTERM or SIGINT; SIGHUP reads the cameras again. */
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import { createLog, type Log } from '@longroof/base/log';
import { endOnSignal } from '@longroof/base/program';
import { serveUnderSystemd } from '@longroof/base/service-manager';
import { loadUnitConfig } from '@longroof/protocol/unit-config';
import { Command } from 'commander';
import { Agent } from './agent.js';
import { VERSION } from './version.js';

/** An orderly stop takes at most so long; what is not flushed by then is found again at the next start. */
const STOP_MS = 2800;

async function run(file: string): Promise<void> {
  const { config, sha256 } = loadUnitConfig(systemDisk, file);
  const log = createLog('longroof-agent', config.log);
  const agent = await Agent.start({ config, configSha256: sha256, clock: systemClock, disk: systemDisk, log });
  const { metricsPort } = agent;
  log.info({ unit: config.unit, cameras: config.cameras.map((camera) => camera.id), ...(metricsPort ? { metricsPort } : {}) }, 'started');
  process.on('SIGHUP', () => void reload(agent, file, log));
  endOnSignal({ clock: systemClock, log, withinMs: STOP_MS, stop: () => agent.stop() });
  serveUnderSystemd(systemClock, log);
}

async function reload(agent: Agent, file: string, log: Log): Promise<void> {
  try {
    const { config } = loadUnitConfig(systemDisk, file);
    log.info(await agent.reload(config), 'configuration read again');
  } catch (error) {
    log.error({ error }, 'the changed configuration was not taken on; the old one stays');
  }
}

const program = new Command('longroof-agent')
  .description('Records the cameras of one unit.')
  .version(VERSION)
  .requiredOption('--config <file>', 'the YAML file of this unit')
  .option('--check', 'check the file and end')
  .addHelpText('after', '\nExamples:\n  longroof-agent --config /etc/longroof/unit.yaml\n  longroof-agent --config unit.yaml --check\n')
  .showHelpAfterError();

try {
  program.parse();
  const { config, check } = program.opts<{ config: string; check?: boolean }>();
  if (check) {
    loadUnitConfig(systemDisk, config);
    process.stdout.write(`${config} is correct\n`);
  } else await run(config);
} catch (error) {
  const fault = error instanceof Fault ? error : toFault(error);
  process.stderr.write(`longroof-agent: ${fault.code}: ${fault.message}\n${fault.hint ? `${fault.hint}\n` : ''}`);
  process.exit(1);
}
