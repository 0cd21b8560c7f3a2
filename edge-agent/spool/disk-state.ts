/** What state the disk is in, from the faults that its operations throw. A fault is a state that clears by itself, never a crash (S7). */
import type { MonoMs } from '@longroof/base/clock';
import { errorCode, Fault, type FaultKind, toFault } from '@longroof/base/errors';
import type { GapCause } from '@longroof/protocol/gap';
import type { SpoolStats } from './spool.js';

export const RETRY_MS = 1000;
/** A flush that takes longer is slow. */
export const SLOW_FLUSH_MS = 1000;

/** SQLite's result codes as kinds; anything else is mapped as usual. */
export function toDiskFault(error: unknown, what: string): Fault {
  const code = errorCode(error) ?? '';
  if (error instanceof Fault || !code.startsWith('SQLITE_')) return toFault(error, what);
  const kind: FaultKind = code.startsWith('SQLITE_FULL')
    ? 'full'
    : code.startsWith('SQLITE_READONLY')
      ? 'read-only'
      : code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')
        ? 'corrupt'
        : 'unavailable';
  const message = error instanceof Error ? error.message : String(error);
  return new Fault(kind, kind === 'corrupt' ? 'LR_SPOOL_INDEX' : 'LR_SPOOL_DISK', `${what}: ${message} (${code})`, { cause: error });
}

export class DiskState {
  #state: SpoolStats['state'] = 'ok';
  #fault: Fault | undefined;
  #retryAtMonoMs: MonoMs = 0;

  get state(): SpoolStats['state'] {
    return this.#state;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  get accepting(): boolean {
    return this.#fault === undefined;
  }

  get cause(): GapCause {
    return this.#state === 'full' ? 'disk-full' : 'disk-failed';
  }

  mayTry(nowMonoMs: MonoMs): boolean {
    return this.#fault === undefined || nowMonoMs >= this.#retryAtMonoMs;
  }

  fail(fault: Fault, nowMonoMs: MonoMs): void {
    this.#fault = fault;
    this.#state = fault.kind === 'full' ? 'full' : fault.kind === 'read-only' ? 'read-only' : 'failing';
    this.#retryAtMonoMs = nowMonoMs + RETRY_MS;
  }

  /** A flush went through. */
  flushed(tookMs: number): void {
    this.#fault = undefined;
    this.#state = tookMs > SLOW_FLUSH_MS ? 'slow' : 'ok';
  }
}
