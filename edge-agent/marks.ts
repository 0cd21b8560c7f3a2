/**
 * Events that protect footage. Each is a `mark` in the journal and, as its policy says, a hold over the time around it, within S6: the
 * spool may refuse, and its refusal is on record. Events that follow one another fast take one longer hold, so that a flood of
 * them places at most one each `after`. Holds of events are let go when their time is over.
 */
import { randomUUID } from 'node:crypto';
import type { Json } from '@longroof/base/canonical';
import type { Clock, MonoMs, UtcMs } from '@longroof/base/clock';
import type { Log } from '@longroof/base/log';
import type { EventConfig, EventPolicy } from '@longroof/protocol/event-config';
import type { WallClaim } from '@longroof/protocol/fragment';
import { eventId, isEventId, type MarkDetail, type MarkKind } from '@longroof/protocol/marks';
import type { Spool } from './spool/spool.js';

export interface MarksOptions {
  spool: Pick<Spool, 'record' | 'hold' | 'releaseHold' | 'holds'>;
  clock: Clock;
  log: Log;
  claim: (monoMs: MonoMs) => WallClaim;
  config: EventConfig;
  cameras: () => string[];
}

/** What is held is widened by the clock's error, by no more than this at each end. */
const SLACK_MS_MAX = 60_000;
/** With a worse clock no hold is over. */
const TRUSTED_ERROR_MS = 3_600_000;

interface Held {
  id: string;
  /** All from here on is held, by this one and those before it. */
  sinceMonoMs: MonoMs;
  fromMonoMs: MonoMs;
  toMonoMs: MonoMs;
}

export class Marks {
  readonly #options: MarksOptions;
  readonly #held = new Map<MarkKind, Held>();
  #count = 0;

  constructor(options: MarksOptions) {
    this.#options = options;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when mark and hold, or its refusal, are durable. */
  async mark(kind: MarkKind, atMonoMs: MonoMs, more: { on?: boolean; value?: number } = {}): Promise<void> {
    const { spool, log, config, cameras } = this.#options;
    this.#count += 1;
    const policy = config[kind];
    const before = this.#held.get(kind);
    const isCovered = before !== undefined && before.sinceMonoMs <= atMonoMs - policy.before && atMonoMs + policy.after <= before.toMonoMs;
    const held = isCovered ? before : spanOf(policy, before, atMonoMs);
    const claim = this.#options.claim(atMonoMs);
    const slackMs = Math.min(SLACK_MS_MAX, claim.errorMs);
    const offsetMs = claim.utcMs - atMonoMs;
    const span = {
      fromUtcMs: Math.round(held.fromMonoMs + offsetMs - slackMs),
      toUtcMs: Math.round(held.toMonoMs + offsetMs + slackMs),
    };
    const names = cameras();
    const detail: MarkDetail = { kind, atMonoMs: Math.round(atMonoMs), on: more.on ?? true };
    if (more.value !== undefined) detail.value = Math.round(more.value * 100) / 100;
    if (policy.hold) detail.hold = { holdId: held.id, ...span };
    if (policy.upload !== 'none' && !isCovered)
      detail.upload = { id: held.id, cameras: names, rendition: policy.upload, ...span, urgent: policy.urgent };
    this.#held.set(kind, held);
    await spool.record('event', { event: 'mark', detail: detail as unknown as Record<string, Json> }, { urgent: true });
    log.info({ kind, hold: detail.hold?.holdId }, 'an event was marked');
    if (!policy.hold || isCovered || names.length === 0) return;
    const reviewUtcMs = Math.round(span.toUtcMs + policy.keep);
    const { placed, reason } = await spool.hold({ holdId: held.id, cameras: names, ...span, owner: `event: ${kind}`, reviewUtcMs });
    if (placed) return;
    log.warn({ kind, reason }, 'the footage of an event is not held');
    // The next of its kind tries anew.
    if (this.#held.get(kind) === held) this.#held.delete(kind);
  }

  /** Lets go of the holds of events whose time is over; to be called now and then. */
  async letGo(): Promise<void> {
    const { spool, clock, claim, log } = this.#options;
    const { utcMs, source, errorMs } = claim(clock.mono());
    if (source === 'none' || errorMs > TRUSTED_ERROR_MS) return;
    for (const { holdId, reviewUtcMs } of await spool.holds()) {
      if (!isOver(holdId, reviewUtcMs, utcMs - errorMs)) continue;
      await spool.releaseHold(holdId);
      log.info({ holdId }, 'the hold of an event is over');
    }
  }
}

function isOver(holdId: string, reviewUtcMs: UtcMs, nowUtcMs: UtcMs): boolean {
  return isEventId(holdId) && reviewUtcMs <= nowUtcMs;
}

/** Behind a hold that still runs follows one twice as long, so that the next events are within it. */
function spanOf({ before, after }: EventPolicy, last: Held | undefined, atMonoMs: MonoMs): Held {
  const id = eventId(randomUUID());
  const isRunning = last !== undefined && last.toMonoMs > atMonoMs - before;
  if (isRunning) return { id, sinceMonoMs: last.sinceMonoMs, fromMonoMs: last.toMonoMs, toMonoMs: atMonoMs + 2 * after };
  return { id, sinceMonoMs: atMonoMs - before, fromMonoMs: atMonoMs - before, toMonoMs: atMonoMs + after };
}

/** So many fixes in a row above the limit count; it must be slower by so much before the next counts. */
const FIXES_MIN = 3;
const REARM_MPS = 5 / 3.6;

/** Speed above a limit, from fixes; pure. */
export class SpeedWatch {
  readonly #limitMps: number;
  #above = 0;
  #armed = true;

  constructor(limitKmh: number | undefined) {
    this.#limitMps = limitKmh === undefined ? Number.POSITIVE_INFINITY : limitKmh / 3.6;
  }

  /** True once when it becomes too fast. */
  take(speedMps: number | null): boolean {
    if (speedMps === null) return false;
    if (speedMps < this.#limitMps - REARM_MPS) this.#armed = true;
    this.#above = speedMps > this.#limitMps ? this.#above + 1 : 0;
    if (!this.#armed || this.#above < FIXES_MIN) return false;
    this.#armed = false;
    return true;
  }
}
