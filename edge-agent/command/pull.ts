/**
 * One pull from beginning to end: wait until its time is on the disk, say what will come, send it, say what came of it. Its selection
 * is read in slices, and at most 64 of its fragments wait at the uplink, so a day of eight cameras costs little more memory than an hour of one.
 */
import type { Clock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import type { FragmentMeta, Rendition } from '@longroof/protocol/fragment';
import type { DesiredPull } from '@longroof/protocol/messages';
import type { Selection, Spool, StoredFragment } from '../spool/spool.js';
import { priorityOf } from '../uplink/priority.js';
import type { Uplink } from '../uplink/uplink.js';
import { PullPlan } from './parts.js';
import type { Run } from './plan.js';

/** Camera time of one slice, a few thousand fragments, shared by the pulls that are under way. */
const SLICE_STREAM_MS = 4_800_000;
const SLICE_STREAM_MS_MIN = 75_000;
/** Fragments in one answer of the spool. */
const NAMED_MAX = 2000;
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

/** Sends what the plan named and resolves when all of it has been answered. Lower `priority` first. */
export function sendPlanned(rendition: Rendition, runs: readonly Run[], priority: number, context: PullContext): Promise<Sent> {
  return send(fragmentsOf(rendition, runs, context), priority, context);
}

async function send(fragments: AsyncIterable<StoredFragment[]>, priority: number, context: PullContext): Promise<Sent> {
  const sent: Sent = { fragments: 0, bytes: 0, refused: 0 };
  const waiting = new Set<Promise<void>>();
  let failed: unknown;
  for await (const some of fragments) {
    for (const fragment of some) {
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

/** By name, not by time: since they were planned the clock may have been set, and then the same time is that of other fragments. */
async function* fragmentsOf(rendition: Rendition, runs: readonly Run[], context: PullContext): AsyncGenerator<StoredFragment[]> {
  for (const { camera, run, seqFirst, seqLast } of runs) {
    for (let from = seqFirst; from <= seqLast; from += NAMED_MAX) {
      if (context.signal.aborted) throw stopped();
      yield await context.spool.named({ camera, rendition, run, seqFirst: from, seqLast: Math.min(from + NAMED_MAX - 1, seqLast) });
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
