/** Structured logs to standard error, one JSON object a line. Secrets are cut out by key and, in URLs, by shape. */
import { pino } from 'pino';
import { Fault } from './errors.js';

export interface Log {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
  child(fields: Record<string, unknown>): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Replaces the user information of every URL in a text: `rtsp://user:secret@host` becomes `rtsp://***@host`. */
export function redactUrls(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/?#\s]*@/gi, '$1***@');
}

function plainError(error: unknown): unknown {
  if (error instanceof Fault)
    return { kind: error.kind, code: error.code, message: redactUrls(error.message), ...(error.hint ? { hint: error.hint } : {}) };
  if (error instanceof Error) return { name: error.name, message: redactUrls(error.message), stack: redactUrls(error.stack ?? '') };
  return error;
}

export function createLog(program: string, level: LogLevel = 'info'): Log {
  return pino(
    {
      name: program,
      level,
      redact: {
        paths: ['password', '*.password', 'authorization', '*.authorization', 'token', '*.token', 'cookie', '*.cookie'],
        censor: '***',
      },
      serializers: { error: plainError, url: (url: unknown) => (typeof url === 'string' ? redactUrls(url) : url) },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Drops everything; for tests. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };
