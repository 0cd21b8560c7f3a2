/** What recording does not need is loaded behind the first durable fragment: on a small computer loading takes as long as recording it. */
import type { Clock } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { Spool } from './spool/spool.js';

/** So long a fragment is waited for: a unit whose cameras are gone speaks to the centre too. */
const FIRST_MS = 6000;

/** Resolves behind the first durable fragment, when the time is up, or when `signal` gives up. Says when there is one, however late. */
export async function firstFootage(spool: Pick<Spool, 'onDurable'>, clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  const first = new Promise<void>((resolve) => spool.onDurable(() => resolve()));
  void first.then(() => log.info({}, 'the first footage is durable'));
  await Promise.race([first, clock.sleep(FIRST_MS, signal).catch(() => undefined)]);
}
