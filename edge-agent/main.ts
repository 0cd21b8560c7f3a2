/** `longroof-agent --config unit.yaml`: records until SIGTERM or SIGINT; SIGHUP reads the cameras again. */
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import { createLog, type Log } from '@longroof/base/log';
import { loadUnitConfig } from '@longroof/protocol/unit-config';
import { Command } from 'commander';
import { Agent } from './agent.js';
import { VERSION } from './version.js';

/** An orderly stop takes at most so long; what is not flushed by then is found again at the next start. */
const STOP_MS = 3000;

async function run(file: string): Promise<void> {
  const { config, sha256 } = loadUnitConfig(systemDisk, file);
  const log = createLog('longroof-agent', config.log);
  const agent = await Agent.start({ config, configSha256: sha256, clock: systemClock, disk: systemDisk, log });
  const { metricsPort } = agent;
  log.info({ unit: config.unit, cameras: config.cameras.map((camera) => camera.id), ...(metricsPort ? { metricsPort } : {}) }, 'recording');
  process.on('SIGHUP', () => void reload(agent, file, log));
  const stop = (signal: string): void => void end(agent, log, signal);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

async function reload(agent: Agent, file: string, log: Log): Promise<void> {
  try {
    const { config } = loadUnitConfig(systemDisk, file);
    log.info(await agent.reload(config), 'configuration read again');
  } catch (error) {
    log.error({ error }, 'the changed configuration was not taken on; the old one stays');
  }
}

async function end(agent: Agent, log: Log, signal: string): Promise<void> {
  log.info({ signal }, 'stopping');
  const late = systemClock.after(STOP_MS - 200, () => {
    log.error({ code: 'LR_STOP_LATE' }, 'not everything could be flushed in time');
    process.exit(1);
  });
  try {
    await agent.stop();
    log.info({}, 'stopped');
  } catch (error) {
    log.error({ error }, 'the stop was not clean');
    process.exitCode = 1;
  }
  late.cancel();
  process.exit();
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
