/**
 * What a program tells systemd (sd_notify(3)): that it is ready, and that it still lives. Outside systemd nothing happens. The words go through
 * systemd's own `systemd-notify`, as Node has no datagram sockets of the Unix kind; the service needs `NotifyAccess=all`.
 */
import { execFile } from 'node:child_process';
import type { Clock } from './clock.js';
import { toFault } from './errors.js';
import type { Log } from './log.js';

const NOTIFY_MS = 10_000;

/** READY=1 now, WATCHDOG=1 three times in each period of the watchdog. `isWell` false keeps still, so that systemd starts the program anew. */
export function serveUnderSystemd(clock: Clock, log: Log, isWell: () => boolean = () => true, environment = process.env): void {
  if (!environment['NOTIFY_SOCKET']) return;
  const tell = (word: string): void => {
    execFile('systemd-notify', [word], { timeout: NOTIFY_MS }, (error) => {
      if (error) log.error({ error: toFault(error) }, `systemd was not told ${word}`);
    });
  };
  tell('READY=1');
  const watchdogMs = Number(environment['WATCHDOG_USEC']) / 1000;
  if (!(watchdogMs >= 1000)) return;
  clock.every(watchdogMs / 3, () => {
    if (isWell()) tell('WATCHDOG=1');
  });
}
