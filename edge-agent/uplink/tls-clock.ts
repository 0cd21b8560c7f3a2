/** TLS needs a clock that can be right. */
import { BUILD_UTC_MS } from '@longroof/base/build';
import { rfc3339, type UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';

/**
 * Throws LR_UPLINK_CLOCK for a time before the build: an expired certificate is good again for a clock that was set back, and a new one is not
 * yet.
 */
export function checkTlsClock(utcMs: UtcMs): void {
  if (utcMs >= BUILD_UTC_MS) return;
  throw new Fault('unavailable', 'LR_UPLINK_CLOCK', `the clock shows ${rfc3339(utcMs)}, before this program was made`, {
    hint: 'Certificates cannot be checked by it. Enable longroof-clock.service, and let chrony or GNSS set the clock.',
  });
}
