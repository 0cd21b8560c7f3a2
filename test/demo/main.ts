/**
 * `npm start -- [--port 8080] [--data ./data] [--wagons 2] [--cameras 4]`: the whole of Longroof on one machine, made of its real
 * programs; only the cameras and the receivers are staged. Ctrl-C ends everything within 5 s; a second start goes on where it was.
 */
import { Command, InvalidArgumentError } from 'commander';
import { Demo } from './demo.js';
import { CAMERA_NAMES, USER } from './layout.js';

const WAGONS_MAX = 16;

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`give a whole number from ${min} to ${max}`);
    return value;
  };
}

const program = new Command('npm start --')
  .description('Two wagons with four cameras each, a centre, and a page to look at it.')
  .option('--port <port>', 'port of the page', whole(1, 65_535), 8080)
  .option('--data <folder>', 'where everything is kept', './data')
  .option('--wagons <count>', 'how many wagons', whole(1, WAGONS_MAX), 2)
  .option('--cameras <count>', 'cameras of each wagon', whole(1, CAMERA_NAMES.length), 4)
  .addHelpText('after', '\nEnvironment:\n  LONGROOF_DEMO_PASSWORD  password of the user demo; without it one is made and printed\n')
  .parse();

const startMs = performance.now();
const say = (text: string): void => {
  process.stdout.write(`[${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s] ${text}\n`);
};

const given = program.opts<{ port: number; data: string; wagons: number; cameras: number }>();
const password = process.env['LONGROOF_DEMO_PASSWORD'];
const demo = new Demo({ ...given, ...(password ? { password } : {}) }, say);

let stopping: Promise<void> | undefined;
const stop = (code: number): void => {
  stopping ??= demo.stop().then(() => {
    say('stopped');
    process.exit(code);
  });
};
// Ctrl-C comes twice, from the terminal and from npm: the second must not end the orderly stop.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(0));

try {
  const address = await demo.start();
  if (!stopping)
    say(
      `ready\n\n  Page      ${address}\n  User      ${USER}\n  Password  ${demo.password}\n  Data      ${demo.folder}\n\nCtrl-C stops it.\n`,
    );
} catch (error) {
  if (!stopping) process.stderr.write(`demo: ${(error as Error).message}\n`);
  stop(1);
}
