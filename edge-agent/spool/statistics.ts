/** Numbers about the spool (S8). What costs a system call is read at most every five seconds. */
import type { MonoMs } from '@longroof/base/clock';
import type { JournalPosition, WorkerStats } from './messages.js';
import { usedBytes } from './retention.js';
import type { CoreState } from './state.js';

const FRESH_MS = 5000;

export function positionOf(state: CoreState): JournalPosition {
  const { log } = state.recovered.journal.opened;
  return { oldest: log.oldest, next: log.next };
}

export class Statistics {
  readonly #state: CoreState;
  /** Recovery and ballast, which no footage is set against. */
  readonly #openingBytes: number;
  #readAt: MonoMs = Number.NEGATIVE_INFINITY;
  #freeBytes = 0;

  constructor(state: CoreState) {
    this.#state = state;
    this.#openingBytes = state.endurance.measure(true);
  }

  read(): WorkerStats {
    const { state } = this;
    const nowMonoMs = state.options.clock.mono();
    if (nowMonoMs - this.#readAt >= FRESH_MS) this.#refresh(nowMonoMs);
    const written = state.endurance.measure() - this.#openingBytes;
    const { footageBytes } = state.meter;
    return {
      state: state.diskState.state,
      usedBytes: usedBytes(state),
      quotaBytes: state.options.quotaBytes,
      freeBytes: this.#freeBytes,
      fragments: state.fragments,
      pendingFragments: state.fragments - state.released,
      flushesPerS: state.meter.flushesPerS,
      writeAmplification: footageBytes > 0 ? Math.round((written / footageBytes) * 1000) / 1000 : 0,
      ...state.endurance.report(),
      journalNext: state.ledger.next,
    };
  }

  get state(): CoreState {
    return this.#state;
  }

  #refresh(nowMonoMs: MonoMs): void {
    this.#readAt = nowMonoMs;
    try {
      this.#freeBytes = this.state.options.disk.space(this.state.options.path).freeBytes;
    } catch {
      // A disk that cannot even say how full it is: its state says so already.
      this.#freeBytes = 0;
    }
  }
}
