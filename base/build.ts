/**
 * A time before which no program of this version ran: the day of its release. No clock is right that shows an earlier one, and no certificate is
 * checked by it.
 */
import type { UtcMs } from './clock.js';

export const BUILD_UTC_MS: UtcMs = Date.UTC(2026, 10, 1);
