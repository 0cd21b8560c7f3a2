/** `longroof-board --config board.yaml`: guards battery and lines until SIGTERM; `status` and `sim` ask and set it from outside. */
import { BUILD_UTC_MS } from '@longroof/base/build';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { createLog } from '@longroof/base/log';
import { endOnSignal, sayFault } from '@longroof/base/program';
import { serveUnderSystemd } from '@longroof/base/service-manager';
import { Command } from 'commander';
import { visit } from './board/client.js';
import { startClock } from './board/clock-start.js';
import { loadBoardConfig, SOCKET_PATH } from './board/config.js';
import { runBoard, simOrder } from './board/run.js';
import { VERSION } from './version.js';

const STOP_MS = 2800;
/** Owner and group may speak to the socket, nobody else. */
const UMASK = 0o007;

async function serve(file: string): Promise<void> {
  const config = loadBoardConfig(systemDisk, file);
  const log = createLog('longroof-board', config.log);
  process.umask(UMASK);
  const board = await runBoard(config, systemClock, systemDisk, log);
  log.info({ board: config.name, socket: config.socket }, 'ready');
  endOnSignal({ clock: systemClock, log, withinMs: STOP_MS, stop: () => board.stop() });
  serveUnderSystemd(systemClock, log);
}

async function end(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    sayFault('longroof-board', error);
    process.exit(1);
  }
}

const program = new Command('longroof-board')
  .description("Guards the wagon's battery and owns the board's lines.")
  .version(VERSION)
  .option('--config <file>', 'the YAML file of this board')
  .option('--check', 'check the file and end')
  .addHelpText(
    'after',
    '\nExamples:\n  longroof-board --config /etc/longroof/board.yaml\n  longroof-board status\n  longroof-board sim ignition off\n',
  )
  .showHelpAfterError()
  .action(async ({ config, check }: { config?: string; check?: boolean }) => {
    if (config === undefined) program.error("error: required option '--config <file>' not specified");
    else if (check) {
      await end(Promise.resolve().then(() => void loadBoardConfig(systemDisk, config)));
      process.stdout.write(`${config} is correct\n`);
    } else await end(serve(config));
  });

program
  .command('status')
  .description('the power state and its reason in one sentence')
  .option('--socket <path>', "the service's socket", SOCKET_PATH)
  .option('--json', 'all of the state, for programs')
  .action(({ socket, json }: { socket: string; json?: boolean }) =>
    end(
      visit(systemClock, socket).then((state) => {
        process.stdout.write(json ? `${JSON.stringify(state)}\n` : `${state.sentence}\n`);
      }),
    ),
  );

program
  .command('clock')
  .description(
    'sets the clock forward to the newest time that was written here, never back; for the start of a board without a clock battery',
  )
  .argument('<path...>', 'files and folders that are written while the board runs')
  .action((files: string[]) =>
    end(
      startClock({ clock: systemClock, disk: systemDisk, buildUtcMs: BUILD_UTC_MS, files }).then((said) => {
        process.stdout.write(`${said}\n`);
      }),
    ),
  );

program
  .command('sim')
  .description('sets an input or sensor of the simulated board')
  .argument('<name>', 'ignition, power-good, tamper, panic, bookmark; supply, draw, temperature, braking')
  .argument('<value>', 'on or off; a number')
  .option('--socket <path>', "the service's socket", SOCKET_PATH)
  .action((name: string, value: string, { socket }: { socket: string }) =>
    end(Promise.resolve().then(async () => void (await visit(systemClock, socket, simOrder(name, value))))),
  );

await program.parseAsync();
