/**
 * Every failure of the API as a problem document (RFC 9457) with a stable code. What is a bug of ours, or tells of the machine, says
 * no more than its code; the log has the rest.
 */
import { errorCode, Fault, type FaultKind, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemShape } from './shapes.js';

const STATUS: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  denied: 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  unavailable: 503,
  timeout: 504,
  full: 507,
  'read-only': 503,
  corrupt: 500,
  cancelled: 503,
  internal: 500,
};
/** Where the code says more than the kind. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  LR_SESSION: 401,
  LR_LOGIN: 401,
  LR_LOGIN_RATE: 429,
  LR_RATE: 429,
  LR_MEDIA_TYPE: 415,
  LR_METHOD: 405,
  LR_RANGE: 416,
};
const TITLE: Readonly<Record<number, string>> = {
  400: 'The request is not right',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not possible here',
  409: 'Not possible now',
  413: 'Too large',
  415: 'Not JSON',
  416: 'No such range',
  429: 'Too often',
  503: 'Not available now',
  504: 'Took too long',
  507: 'No space left',
};

export function statusOf(fault: Fault): number {
  return STATUS_OF_CODE[fault.code] ?? STATUS[fault.kind];
}

export function problemOf(fault: Fault): ProblemShape {
  const status = statusOf(fault);
  const secret = fault.kind === 'internal' || fault.code.startsWith('LR_SYS_');
  const detail = [fault.message, fault.hint].filter((text) => text !== undefined).map(sentence);
  const errors = fault.detail?.['errors'] as ProblemShape['errors'];
  const receipt = fault.detail?.['receipt'] as ProblemShape['receipt'];
  return {
    type: `urn:longroof:error:${fault.code}`,
    title: TITLE[status] ?? 'The centre failed',
    status,
    code: fault.code,
    ...(secret ? { detail: 'The centre failed here; its log says how.' } : { detail: detail.join(' ') }),
    ...(errors ? { errors } : {}),
    ...(receipt ? { receipt } : {}),
  };
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** What the HTTP framework itself refuses, in our words. */
function faultOf(error: FastifyError | Error): Fault {
  const code = errorCode(error);
  const { statusCode, validation, validationContext } = error as Partial<FastifyError>;
  if (validation) {
    const errors = validation.slice(0, 20).map((one) => ({
      path: `${validationContext ?? 'body'}${one.instancePath}`,
      message: `${one.message ?? 'is wrong'}${one.keyword === 'additionalProperties' ? `: ${String(one.params['additionalProperty'])}` : ''}`,
    }));
    const first = errors[0];
    const message = first ? `${first.path} ${first.message}` : 'a member of the request is wrong';
    return new Fault('invalid', 'LR_REQUEST', message, { detail: { errors } });
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Fault('invalid', 'LR_MEDIA_TYPE', 'only JSON is understood (content-type: application/json)');
  if (statusCode === 413) return new Fault('too-large', 'LR_BODY_SIZE', 'the request is larger than 64 KiB');
  if (!(error instanceof Fault) && statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Fault('invalid', 'LR_REQUEST', error.message);
  return toFault(error);
}

export async function sendFault(reply: FastifyReply, fault: Fault): Promise<FastifyReply> {
  const problem = problemOf(fault);
  const retryAfterS = fault.detail?.['retryAfterS'];
  if (typeof retryAfterS === 'number') reply.header('retry-after', String(retryAfterS));
  else if (problem.status === 503) reply.header('retry-after', '2');
  return reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json; charset=utf-8')
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(problem);
}

export function setErrorHandler(app: FastifyInstance, log: Log): void {
  app.setErrorHandler(async (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    const fault = faultOf(error);
    // The pattern of the address, never the address: it may hold a token.
    if (statusOf(fault) >= 500 && !fault.retryable)
      log.error({ method: request.method, route: request.routeOptions.url, code: fault.code, error }, 'a request failed');
    return sendFault(reply, fault);
  });
}
