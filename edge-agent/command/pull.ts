/**
 * One pull from beginning to end: wait until its time is on the disk, say what will come, send it, say what came of it. Its selection
 * is read in slices, and at most 64 of its fragments wait at the uplink, so a day of eight cameras costs little more memory than an hour of one.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { FragmentMeta } from '@longroof/protocol/fragment';
import type { DesiredPull } from '@longroof/protocol/messages';
import type { Selection, Spool } from '../spool/spool.js';
import { priorityOf } from '../uplink/priority.js';
import type { Uplink } from '../uplink/uplink.js';
import { PullPlan, Seam } from './parts.js';
import type { Made } from './plan.js';

/** Camera time of one slice, a few thousand fragments, shared by the pulls that are under way. */
const SLICE_STREAM_MS = 4_800_000;
const SLICE_STREAM_MS_MIN = 75_000;
const MADE_SLICE_MS = 20 * 60_000;
/** Wall times of copies may move a little when the clock is set. */
export const WALL_SLACK_MS = 10 * 60_000;
const WAITING_MAX = 64;
/** Footage of the last moments is on the disk by then, or will not be. */
const SETTLE_MS = 10_000;

export interface PullContext {
  spool: Spool;
  uplink: Pick<Uplink, 'enqueue'>;
  clock: Clock;
  signal: AbortSignal;
  /** Pulls under way together. */
  pulls: () => number;
  /** Resolves when the footage of these streams reaches `toUtcMs`; rejects when the signal aborts. */
  reached: (pull: DesiredPull, signal: AbortSignal) => Promise<void>;
}

/** Resolves 10 s after the end of the pull's time, or as soon as all its cameras are durable to there. */
export async function untilDurable(pull: DesiredPull, context: PullContext): Promise<void> {
  const { clock, signal } = context;
  const waitMs = pull.toUtcMs + SETTLE_MS - clock.utc();
  if (waitMs <= 0) return;
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const sleep = clock.sleep(waitMs, both).catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  await Promise.race([sleep, context.reached(pull, both)]).finally(() => over.abort());
}

export async function planPull(pull: DesiredPull, context: PullContext): Promise<PullPlan> {
  const plan = new PullPlan();
  for await (const selection of slices(pull, context)) plan.add(selection);
  return plan;
}

export interface Sent {
  fragments: number;
  bytes: number;
  refused: number;
}

/** Urgent pulls before all others, smaller ones before larger ones. */
export function priorityOfPull(pull: DesiredPull, bytes: number): number {
  return priorityOf(pull.urgent === true ? 'urgent' : 'pull', bytes);
}

/** Sends what there is and resolves when all of it has been answered. Lower `priority` first. */
export function sendPull(pull: DesiredPull, priority: number, context: PullContext): Promise<Sent> {
  return send(slices(pull, context), priority, context);
}

/** As `sendPull`, of the copies that were made for it. */
export function sendMade(pull: DesiredPull, made: readonly Made[], priority: number, context: PullContext): Promise<Sent> {
  return send(madeSlices(pull, made, context), priority, context);
}

async function send(selections: AsyncIterable<Pick<Selection, 'fragments'>>, priority: number, context: PullContext): Promise<Sent> {
  const sent: Sent = { fragments: 0, bytes: 0, refused: 0 };
  const seam = new Seam();
  const waiting = new Set<Promise<void>>();
  let failed: unknown;
  for await (const selection of selections) {
    for (const fragment of seam.fresh(selection.fragments)) {
      const answered = context.uplink
        .enqueue(fragment, priority)
        .then(
          (outcome) => count(sent, fragment.meta, outcome === 'stored'),
          (error: unknown) => {
            failed ??= error;
          },
        )
        .finally(() => waiting.delete(answered));
      waiting.add(answered);
      while (waiting.size >= WAITING_MAX) await orStopped(Promise.race(waiting), context.signal);
      if (failed !== undefined) throw failed;
    }
  }
  await orStopped(Promise.all(waiting), context.signal);
  if (failed !== undefined) throw failed;
  return sent;
}

function count(sent: Sent, meta: FragmentMeta, stored: boolean): void {
  if (!stored) sent.refused += 1;
  else {
    sent.fragments += 1;
    sent.bytes += meta.bytes;
  }
}

async function* slices(pull: DesiredPull, context: PullContext): AsyncGenerator<Selection> {
  const streams = pull.cameras.map((camera) => ({ camera, rendition: pull.rendition }));
  let fromMs = pull.fromUtcMs;
  while (fromMs < pull.toUtcMs) {
    if (context.signal.aborted) throw stopped();
    const streamMs = Math.max(SLICE_STREAM_MS_MIN, SLICE_STREAM_MS / Math.max(1, context.pulls()));
    const toMs = Math.min(fromMs + Math.ceil(streamMs / streams.length), pull.toUtcMs);
    yield await context.spool.select(streams, fromMs, toMs);
    fromMs = toMs;
  }
}

/** Other pulls' copies of the same time lie beside them. */
async function* madeSlices(pull: DesiredPull, made: readonly Made[], context: PullContext): AsyncGenerator<Pick<Selection, 'fragments'>> {
  const end = pull.toUtcMs + WALL_SLACK_MS;
  for (const camera of new Set(made.map((one) => one.camera))) {
    const ours = made.filter((one) => one.camera === camera);
    for (let from = pull.fromUtcMs - WALL_SLACK_MS; from < end; from += MADE_SLICE_MS) {
      if (context.signal.aborted) throw stopped();
      const { fragments } = await context.spool.select([{ camera, rendition: 'derived' }], from, Math.min(from + MADE_SLICE_MS, end));
      yield {
        fragments: fragments.filter(({ meta }) =>
          ours.some((one) => meta.run === one.run && meta.seq >= one.seqFirst && meta.seq <= one.seqLast),
        ),
      };
    }
  }
}

function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(stopped());
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(stopped());
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

export function stopped(): Fault {
  return new Fault('cancelled', 'LR_CANCELLED', 'the pull is no longer wanted');
}
