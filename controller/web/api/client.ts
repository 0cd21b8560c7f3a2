/**
 * One way to the API. Every failure is a `Fault`: problem documents (RFC 9457) keep their code, status and members' errors; a centre
 * that does not answer is LR_CENTRE_UNREACHABLE.
 */
import { Fault, type FaultKind } from '@longroof/base/errors';
import type { ProblemShape, ReceiptShape } from '../../api/shapes.js';
import { learnTime } from './clock.js';

export class ApiFault extends Fault {
  readonly status: number;
  readonly errors: NonNullable<ProblemShape['errors']>;
  /** Of a request that was refused. */
  readonly receipt: ReceiptShape | undefined;

  constructor(kind: FaultKind, problem: Pick<ProblemShape, 'code' | 'title' | 'status' | 'detail' | 'errors' | 'receipt'>) {
    super(kind, problem.code, problem.detail ?? problem.title);
    this.status = problem.status;
    this.errors = problem.errors ?? [];
    this.receipt = problem.receipt;
  }
}

function kindOf(status: number): FaultKind {
  if (status === 401 || status === 403) return 'denied';
  if (status === 404) return 'not-found';
  if (status === 409) return 'conflict';
  if (status === 413) return 'too-large';
  return status >= 500 || status === 429 ? 'unavailable' : 'invalid';
}

async function problemOf(answer: Response): Promise<ApiFault> {
  const type = answer.headers.get('content-type') ?? '';
  if (type.includes('json')) {
    const body: unknown = await answer.json().catch(() => undefined);
    const problem = body as Partial<ProblemShape> | undefined;
    if (typeof problem?.code === 'string') {
      return new ApiFault(kindOf(answer.status), {
        code: problem.code,
        title: problem.title ?? problem.code,
        status: answer.status,
        ...(problem.detail === undefined ? {} : { detail: problem.detail }),
        ...(problem.errors === undefined ? {} : { errors: problem.errors }),
        ...(problem.receipt === undefined ? {} : { receipt: problem.receipt }),
      });
    }
  }
  // A gateway in between answered, not the centre.
  const code = answer.status >= 500 ? 'LR_CENTRE_UNREACHABLE' : `LR_HTTP_${answer.status}`;
  return new ApiFault(kindOf(answer.status), { code, title: answer.statusText || `HTTP ${answer.status}`, status: answer.status });
}

export type Method = 'GET' | 'POST' | 'DELETE';

async function send(method: Method, path: string, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiFault('unavailable', { code: 'LR_CENTRE_UNREACHABLE', title: 'The centre does not answer', status: 0 });
  }
  learnTime(answer.headers.get('date'));
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

export async function request<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await send(method, path, body, signal);
  if (answer.status === 204) return undefined as T;
  return (await answer.json()) as T;
}

/** Undefined for an answer without content. */
export async function requestBytes(path: string, signal: AbortSignal): Promise<ArrayBuffer | undefined> {
  const answer = await send('GET', path, undefined, signal);
  return answer.status === 204 ? undefined : answer.arrayBuffer();
}
