/**
 * Keeps the spool's holds as the desired state names them: what is new is placed, what is no longer named is lifted. The spool answers
 * both in the journal, also a refusal, by which the controller takes it off the list. A state that names no holds at all changes none.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { Log } from '@longroof/base/log';
import { isEventId } from '@longroof/protocol/marks';
import { type DesiredHold, HOLDS_MAX, LIFTS_MAX } from '@longroof/protocol/messages';
import type { Spool } from '../spool/spool.js';
import { NewestWins } from './newest-wins.js';

const CAMERAS_MAX = 16;
const OWNER_CHARS_MAX = 200;
const HOLD_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Undefined where there are none. Throws `invalid` (LR_DESIRED_SHAPE). */
export function readHolds(value: unknown): DesiredHold[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length <= HOLDS_MAX && value.every(isHold)) return value as DesiredHold[];
  throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: holds is wrong');
}

/** Holds of events to let go before their time. Throws `invalid` (LR_DESIRED_SHAPE). */
export function readLifts(value: unknown): string[] {
  if (value === undefined) return [];
  const isRight = Array.isArray(value) && value.length <= LIFTS_MAX && value.every((id) => typeof id === 'string' && isEventId(id));
  if (isRight) return value as string[];
  throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: lifts is wrong');
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

interface Wanted {
  holds: readonly DesiredHold[] | undefined;
  lifts: readonly string[];
}

export interface HoldKeeperOptions {
  spool: Pick<Spool, 'hold' | 'releaseHold' | 'holds'>;
  clock: Clock;
  log: Log;
}

export class HoldKeeper {
  readonly #options: HoldKeeperOptions;
  readonly #work: NewestWins<Wanted>;

  constructor(options: HoldKeeperOptions) {
    this.#options = options;
    const { clock, log } = options;
    const told = { what: 'holds', failed: 'holds could not be brought in line; tried again' };
    this.#work = new NewestWins({ clock, log, settle: (wanted) => this.#settle(wanted), ...told });
  }

  /** The newest wins; what is under way comes to its end first. */
  apply(holds: readonly DesiredHold[] | undefined, lifts: readonly string[] = []): void {
    if (holds !== undefined || lifts.length > 0) this.#work.want({ holds, lifts });
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  async #settle({ holds, lifts }: Wanted): Promise<void> {
    const { spool, log } = this.#options;
    // Holds of events are the unit's own: not named here, and only let go where that is asked for.
    const there = new Set((await spool.holds()).map(({ holdId }) => holdId).filter((holdId) => !isEventId(holdId)));
    for (const holdId of lifts) await spool.releaseHold(holdId);
    if (holds === undefined) return;
    for (const hold of holds) {
      if (there.delete(hold.holdId)) continue;
      const { placed, reason } = await spool.hold(hold);
      log.info({ holdId: hold.holdId, placed, reason }, 'hold');
    }
    for (const holdId of there) await spool.releaseHold(holdId);
  }
}
