/**
 * Opens the spool however long its disk takes: one that is read-only, full or failing when the agent starts is a state, not an end. It is
 * tried again every few seconds; the first failure and each new one is logged with its code, and the time until then becomes a gap.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { GapCause } from '@longroof/protocol/gap';
import type { HealthReport } from './health/endpoint.js';
import { openSpool, type SpoolOptions } from './spool/open.js';
import type { Waited } from './spool/recover-coverage.js';
import type { Spool } from './spool/spool.js';

const RETRY_FIRST_MS = 2000;
const RETRY_MS_MAX = 5000;
/** A disk that fails in turns is not followed further than this. */
const WAITED_MAX = 64;

export interface PatientOptions {
  clock: Clock;
  log: Log;
  /** Gives up: the open is rejected as `cancelled`. */
  signal: AbortSignal;
  failed: (fault: Fault) => void;
}

/**
 * `options` is asked for each attempt: cameras may change while it waits. Rejects at once with faults that waiting does not mend: a wrong
 * configuration, a missing permission, a bug.
 */
export async function openPatiently(options: () => SpoolOptions, patience: PatientOptions): Promise<Spool> {
  const { clock, log, signal, failed } = patience;
  const startMonoMs = clock.mono();
  const backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MS_MAX });
  const waited: Waited[] = [];
  for (;;) {
    const tryMonoMs = clock.mono();
    try {
      const opened = await openSpool({ ...options(), signal, ...(waited.length > 0 ? { waited } : {}) });
      if (waited.length > 0) log.info({ waitedS: Math.round((clock.mono() - startMonoMs) / 1000) }, 'the disk takes footage again');
      return opened;
    } catch (error) {
      const fault = toFault(error, 'spool');
      if (signal.aborted) throw stopped(fault);
      if (!isOfTheDisk(fault)) throw fault;
      if (fault.code !== waited.at(-1)?.detail) {
        log.error({ error: fault }, 'the spool cannot be opened; tried again until it can');
        if (waited.length < WAITED_MAX) waited.push({ sinceMonoMs: tryMonoMs, cause: causeOf(fault), detail: fault.code });
      }
      failed(fault);
    }
    await clock.sleep(backoff.nextMs(), signal).catch(() => undefined);
    if (signal.aborted) throw stopped();
  }
}

function stopped(cause?: Fault): Fault {
  return new Fault('cancelled', 'LR_CANCELLED', 'stopped before the spool was open', { cause });
}

/**
 * Errors of the operating system without a kind of their own, a file system that needs a check for one, are the disk's too. Node's own
 * (`ERR_...`) are bugs, or memory that does not suffice: a new start is better than waiting.
 */
function isOfTheDisk(fault: Fault): boolean {
  return fault.retryable || fault.kind === 'corrupt' || (fault.kind === 'internal' && /^LR_SYS_E(?!RR_)/.test(fault.code));
}

function causeOf(fault: Fault): GapCause {
  return fault.kind === 'full' ? 'disk-full' : 'disk-failed';
}

/** What is said of the unit until the spool is open; `why` it is not, where an attempt has failed. */
export function reportOfOpening(why: Fault | undefined): HealthReport {
  return {
    ok: false,
    problems: [why ? `the spool cannot be opened: ${why.message} (${why.code})` : 'the spool is being opened'],
    streams: {},
  };
}
