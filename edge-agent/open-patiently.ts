/**
 * Opens the spool however long its disk takes: one that is read-only, full or failing when the agent starts is a state, not an end. It is
 * tried again every few seconds; the first failure and each new one is logged with its code, and the time until then becomes a gap.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { GapCause } from '@longroof/protocol/gap';
import { openSpool, type SpoolOptions } from './spool/open.js';
import type { Spool } from './spool/spool.js';

const RETRY_FIRST_MS = 2000;
const RETRY_MS_MAX = 5000;

export interface PatientOptions {
  clock: Clock;
  log: Log;
  /** Gives up: the open is rejected as `cancelled`. */
  signal: AbortSignal;
  failed: (fault: Fault) => void;
}

/** Rejects at once with faults that waiting does not mend: a wrong configuration, a missing permission, a bug. */
export async function openPatiently(spool: SpoolOptions, options: PatientOptions): Promise<Spool> {
  const { clock, log, signal, failed } = options;
  const sinceMonoMs = clock.mono();
  const backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MS_MAX });
  let fault: Fault | undefined;
  for (;;) {
    try {
      const waited = fault && { sinceMonoMs, cause: causeOf(fault), detail: fault.code };
      const opened = await openSpool({ ...spool, signal, ...(waited ? { waited } : {}) });
      if (fault) log.info({ waitedS: Math.round((clock.mono() - sinceMonoMs) / 1000) }, 'the disk takes footage again');
      return opened;
    } catch (error) {
      const now = toFault(error, 'spool');
      if (signal.aborted) throw new Fault('cancelled', 'LR_CANCELLED', 'stopped before the spool was open', { cause: now });
      if (!isOfTheDisk(now)) throw now;
      if (now.code !== fault?.code) log.error({ error: now }, 'the spool cannot be opened; tried again until it can');
      fault = now;
      failed(now);
    }
    await clock.sleep(backoff.nextMs(), signal).catch(() => undefined);
    if (signal.aborted) throw new Fault('cancelled', 'LR_CANCELLED', 'stopped before the spool was open', { cause: fault });
  }
}

/** Errors of the operating system without a kind of their own, a file system that needs a check for one, are the disk's too. */
function isOfTheDisk(fault: Fault): boolean {
  return fault.retryable || fault.kind === 'corrupt' || (fault.kind === 'internal' && fault.code.startsWith('LR_SYS_'));
}

function causeOf(fault: Fault): GapCause {
  return fault.kind === 'full' ? 'disk-full' : 'disk-failed';
}
