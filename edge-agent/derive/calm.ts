/** The recording goes first: work beside it waits while the recording's own bytes queue towards the disk, or the disk is not well. */
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { Spool } from '../spool/spool.js';

const QUEUED_BYTES_MAX = 8 * 1024 * 1024;
const STEP_MS = 250;

/** Throws LR_COPY_DISK after `msMax`, and LR_CANCELLED. */
export async function untilCalm(spool: Pick<Spool, 'stats'>, clock: Clock, msMax: number, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += STEP_MS) {
    if (signal.aborted) throw new Fault('cancelled', 'LR_CANCELLED', 'no longer wanted');
    const { state, queuedBytes } = spool.stats();
    if (state === 'ok' && queuedBytes <= QUEUED_BYTES_MAX) return;
    if (waitedMs >= msMax) throw notTaken();
    await clock.sleep(STEP_MS, signal);
  }
}

export function notTaken(): Fault {
  return new Fault('unavailable', 'LR_COPY_DISK', 'the disk takes no copies now: it is busy with the recording, or refuses');
}
