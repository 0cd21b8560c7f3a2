/** How our programs end: in order and within a time, with an exit code that tells the truth. */
import type { Clock } from './clock.js';
import { toFault } from './errors.js';
import type { Log } from './log.js';

/** What went wrong, and what to do about it, in the words of a program that ends with it. */
export function sayFault(program: string, error: unknown): void {
  const { code, message, hint } = toFault(error);
  process.stderr.write(`${program}: ${code}: ${message}\n${hint ? `${hint}\n` : ''}`);
}

export interface OrderlyEnd {
  clock: Clock;
  log: Log;
  /** Gives up what is not done by then: exit code 1. */
  withinMs: number;
  stop: () => Promise<void>;
}

/** On SIGTERM or SIGINT: stops and leaves, 0 when all of it was done. */
export function endOnSignal(end: OrderlyEnd): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void leave(end, signal));
}

async function leave({ clock, log, withinMs, stop }: OrderlyEnd, signal: string): Promise<void> {
  log.info({ signal }, 'stopping');
  const late = clock.after(withinMs, () => {
    log.error({ code: 'LR_STOP_LATE' }, 'not everything could be finished in time');
    process.exit(1);
  });
  try {
    await stop();
    log.info({}, 'stopped');
  } catch (error) {
    log.error({ error }, 'the stop was not clean');
    process.exitCode = 1;
  }
  late.cancel();
  process.exit();
}
