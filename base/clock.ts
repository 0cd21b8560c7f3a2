/**
 * Time, passed in. Monotonic, wall and media time are different types: a value of one cannot be given where another is
 * expected, though a plain number fits each. Nothing outside base reads the system's clocks or sets its timers.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds of CLOCK_MONOTONIC since boot; the same for all processes of one boot. May have a fraction. */
export type MonoMs = number & { readonly clock?: 'mono' };
/** Milliseconds since 1970-01-01T00:00Z. A claim, never an identity or an order. */
export type UtcMs = number & { readonly clock?: 'utc' };
/** Media time in units of 1/90000 s. */
export type Media90k = number & { readonly clock?: 'media' };

export interface Timer {
  cancel(): void;
}

export interface Clock {
  mono(): MonoMs;
  utc(): UtcMs;
  /** Resolves after `ms`; rejects with a Fault of kind `cancelled` when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  after(ms: number, run: () => void): Timer;
  every(ms: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  mono: () => Number(process.hrtime.bigint()) / 1e6,
  utc: () => Date.now(),
  async sleep(ms, signal) {
    await delay(ms, undefined, signal ? { signal } : undefined);
  },
  after(ms, run) {
    const handle = setTimeout(run, ms);
    return { cancel: () => clearTimeout(handle) };
  },
  every(ms, run) {
    const handle = setInterval(run, ms);
    return { cancel: () => clearInterval(handle) };
  },
};

/** RFC 3339 in UTC with milliseconds. */
export function rfc3339(utcMs: UtcMs): string {
  return new Date(utcMs).toISOString();
}

/** Parses an RFC 3339 date-time with a zone; NaN where it is none. */
export function parseRfc3339(text: string): UtcMs {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : Number.NaN;
}
