/**
 * Keeps the spool's holds as the desired state names them: what is new is placed, what is no longer named is lifted. The spool answers
 * both in the journal, also a refusal, by which the controller takes it off the list. A state that names no holds at all changes none.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault, toFault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import { type DesiredHold, HOLDS_MAX } from '@longroof/protocol/messages';
import type { Spool } from '../spool/spool.js';

const RETRY = { firstMs: 1_000, maxMs: 60_000 };
const CAMERAS_MAX = 16;
const OWNER_CHARS_MAX = 200;
const HOLD_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Undefined where there are none. Throws `invalid` (LR_DESIRED_SHAPE). */
export function readHolds(value: unknown): DesiredHold[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length <= HOLDS_MAX && value.every(isHold)) return value as DesiredHold[];
  throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: holds is wrong');
}

function isHold(value: unknown): boolean {
  const hold = (typeof value === 'object' && value !== null ? value : {}) as Partial<DesiredHold>;
  const { holdId, cameras, fromUtcMs, toUtcMs, owner, reviewUtcMs, made } = hold;
  return (
    typeof holdId === 'string' &&
    HOLD_ID.test(holdId) &&
    Array.isArray(cameras) &&
    cameras.length > 0 &&
    cameras.length <= CAMERAS_MAX &&
    cameras.every(isId) &&
    [fromUtcMs, toUtcMs, reviewUtcMs].every(Number.isFinite) &&
    (fromUtcMs as number) < (toUtcMs as number) &&
    typeof owner === 'string' &&
    owner.length <= OWNER_CHARS_MAX &&
    (made === undefined || made === true)
  );
}

export interface HoldKeeperOptions {
  spool: Pick<Spool, 'hold' | 'releaseHold' | 'holdIds'>;
  clock: Clock;
  log: Log;
}

export class HoldKeeper {
  readonly #options: HoldKeeperOptions;
  readonly #stop = new AbortController();
  #wanted: readonly DesiredHold[] | undefined;
  #running: Promise<void> | undefined;

  constructor(options: HoldKeeperOptions) {
    this.#options = options;
  }

  /** The newest wins; what is under way comes to its end first. */
  apply(holds: readonly DesiredHold[] | undefined): void {
    if (holds === undefined || this.#stop.signal.aborted) return;
    this.#wanted = holds;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const backoff = new Backoff(RETRY);
    while (this.#wanted !== undefined && !this.#stop.signal.aborted) {
      const holds = this.#wanted;
      try {
        await this.#settle(holds);
        if (this.#wanted === holds) this.#wanted = undefined;
      } catch (error) {
        log.warn({ error: toFault(error, 'holds') }, 'holds could not be brought in line; tried again');
        await clock.sleep(backoff.nextMs(), this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #settle(holds: readonly DesiredHold[]): Promise<void> {
    const { spool, log } = this.#options;
    const there = new Set(await spool.holdIds());
    for (const hold of holds) {
      if (there.delete(hold.holdId)) continue;
      const { placed, reason } = await spool.hold(hold);
      log.info({ holdId: hold.holdId, placed, reason }, 'hold');
    }
    for (const holdId of there) await spool.releaseHold(holdId);
  }
}
