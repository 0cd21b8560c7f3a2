/**
 * Puts what the controller did wrong or refused into the journal as `event` records, so that it is known afterwards. At most 20 in
 * ten minutes: a controller gone wrong must not fill the journal. The next record after that says how many were left out.
 */
import type { Json } from '@longroof/base/canonical';
import type { Clock, MonoMs } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { Spool } from '../spool/spool.js';

const PERIOD_MS = 600_000;
const PERIOD_MAX = 20;

export type UplinkEvent = 'receipt-refused' | 'upload-refused' | 'desired-refused' | 'journal-refused';

export class Reporter {
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #log: Log;
  #periodFromMs: MonoMs = Number.NEGATIVE_INFINITY;
  #inPeriod = 0;
  #leftOut = 0;

  constructor(spool: Spool, clock: Clock, log: Log) {
    this.#spool = spool;
    this.#clock = clock;
    this.#log = log;
  }

  report(event: UplinkEvent, code: string, about?: Pick<FragmentMeta, 'camera' | 'rendition' | 'run' | 'seq'>): void {
    const nowMs = this.#clock.mono();
    if (nowMs - this.#periodFromMs > PERIOD_MS) {
      this.#periodFromMs = nowMs;
      this.#inPeriod = 0;
    }
    this.#inPeriod += 1;
    if (this.#inPeriod > PERIOD_MAX) {
      this.#leftOut += 1;
      return;
    }
    const detail: Record<string, Json> = { code };
    if (about) Object.assign(detail, { run: about.run, seq: about.seq });
    if (this.#leftOut > 0) detail['leftOut'] = this.#leftOut;
    this.#leftOut = 0;
    const where = about ? { camera: about.camera, rendition: about.rendition } : {};
    this.#log.warn({ event, ...where, ...detail }, 'reported to the journal');
    this.#spool.record('event', { event, ...where, detail }, { urgent: true }).catch((error: unknown) => {
      this.#leftOut += 1;
      this.#log.error({ event, error: toFault(error, 'record an event') }, 'an event could not be recorded');
    });
  }
}
