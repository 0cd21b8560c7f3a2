/**
 * The one error class. Every failure that leaves a function is a `Fault` with a kind from a closed set; whether to try again
 * follows from the kind alone. Errors an operator can see carry a stable code that `docs/errors.md` explains.
 */

export type FaultKind =
  | 'invalid' // the input is wrong and stays wrong
  | 'denied' // not allowed; the same credentials will not be allowed later
  | 'not-found'
  | 'conflict' // the state of things forbids it now
  | 'too-large' // over a bound of ours
  | 'unavailable' // a peer or device is not there now
  | 'timeout'
  | 'full' // no space, quota reached
  | 'read-only'
  | 'corrupt' // stored or received bytes are not what they claim
  | 'cancelled'
  | 'internal'; // a bug of ours

const RETRYABLE: ReadonlySet<FaultKind> = new Set(['unavailable', 'timeout', 'full', 'read-only']);

export interface FaultOptions {
  /** What the reader can do about it, one sentence. */
  hint?: string;
  /** Facts for the log: never secrets. */
  detail?: Record<string, unknown>;
  cause?: unknown;
}

export class Fault extends Error {
  readonly kind: FaultKind;
  /** Stable, upper snake case with the prefix LR_, listed in docs/errors.md. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly detail: Record<string, unknown> | undefined;

  constructor(kind: FaultKind, code: string, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.kind = kind;
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.kind);
  }
}

const ERRNO_KIND: Readonly<Record<string, FaultKind>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EACCES: 'denied',
  EPERM: 'denied',
  EEXIST: 'conflict',
  EBUSY: 'conflict',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read-only',
  EIO: 'unavailable',
  EMFILE: 'unavailable',
  ENFILE: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EPIPE: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETUNREACH: 'unavailable',
  ENOTFOUND: 'unavailable',
  EAI_AGAIN: 'unavailable',
  ETIMEDOUT: 'timeout',
  ABORT_ERR: 'cancelled',
};

/** The errno name or Node error code of a foreign error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Maps anything thrown to a Fault, once: a Fault passes unchanged. `what` says what was being done, for the message. */
export function toFault(error: unknown, what?: string): Fault {
  if (error instanceof Fault) return error;
  const code = errorCode(error);
  const kind: FaultKind = (code && ERRNO_KIND[code]) || ((error as Error | undefined)?.name === 'AbortError' ? 'cancelled' : 'internal');
  const message = error instanceof Error ? error.message : String(error);
  return new Fault(kind, code ? `LR_SYS_${code}` : 'LR_INTERNAL', what ? `${what}: ${message}` : message, { cause: error });
}

/** An invariant of ours. Stays on in production; a violation is a bug, never an input error. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Fault('internal', 'LR_ASSERT', `assertion failed: ${message}`);
}
