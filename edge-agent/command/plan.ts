/**
 * Desired state and progress -> steps, as a pure function: what is wrong is refused, what is new is started, what was under way when
 * the agent ended is taken up again, what is finished is left alone, and what is no longer desired is stopped.
 */
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { isCameraRendition, isPullRendition } from '@longroof/protocol/fragment';
import { isDesiredLive, LIVE_CAMERAS_MAX } from '@longroof/protocol/live';
import { type DesiredPull, type DesiredState, isRateBps, PULLS_MAX, RATE_CAMERA_MS_MAX } from '@longroof/protocol/messages';
import { readConfiguration } from './configuration-keeper.js';
import { readHolds, readLifts } from './hold-keeper.js';

export const PULL_MS_MAX = 24 * 3_600_000;
const CAMERAS_MAX = 16;
/** More than this in one message is no mistake in counting. */
const PULLS_READ_MAX = 4 * PULLS_MAX;
const PULL_ID = /^[A-Za-z0-9-]{1,64}$/;

/** How far a pull has come; kept through restarts. */
export type Progress = Planned | { state: 'complete' | 'partial' | 'refused' };

export interface Planned {
  state: 'planned';
  fragments: number;
  bytes: number;
  /** By name: what the centre has been told will come, whatever becomes of the clock since. Left out by versions before. */
  parts?: Run[];
  /** Of a pull with a rate, in its place: the fragments that were made for it. */
  made?: Run[];
  /** Something of it could not be made. */
  short?: boolean;
}

/** Consecutive fragments of a camera. */
export interface Run {
  camera: string;
  run: number;
  seqFirst: number;
  seqLast: number;
}

export type Step =
  | { do: 'refuse'; pullId: string; code: string }
  | { do: 'start'; pull: DesiredPull; planned: Planned | undefined }
  | { do: 'stop'; pullId: string };

/**
 * Reads the pulls of a statement whose signature holds. A pull that asks for something impossible is kept for its refusal; one
 * without a name could not be answered, so it makes the whole statement wrong. Throws `invalid` (LR_DESIRED_SHAPE).
 */
export function readDesiredState(statement: Record<string, unknown>): DesiredState {
  const pulls = statement['pulls'];
  const named = (pull: unknown): boolean => {
    const id = (pull as { pullId?: unknown } | null)?.pullId;
    return typeof id === 'string' && PULL_ID.test(id);
  };
  if (!Array.isArray(pulls) || pulls.length > PULLS_READ_MAX || !pulls.every(named))
    throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: pulls is wrong');
  if (new Set(pulls.map((pull: DesiredPull) => pull.pullId)).size !== pulls.length)
    throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: a pull is named twice');
  readHolds(statement['holds']);
  readLifts(statement['lifts']);
  const { live } = statement;
  if (live !== undefined && !(Array.isArray(live) && live.length <= LIVE_CAMERAS_MAX && live.every(isDesiredLive)))
    throw new Fault('invalid', 'LR_DESIRED_SHAPE', 'desired state: live is wrong');
  readConfiguration(statement['configuration']);
  return statement as unknown as DesiredState;
}

/** The code of its refusal, or undefined when the pull can be done. */
export function checkPull(pull: DesiredPull, nowUtcMs: UtcMs): string | undefined {
  const { cameras, rendition, fromUtcMs, toUtcMs, rateBps } = pull;
  if (!Array.isArray(cameras) || cameras.length === 0 || cameras.length > CAMERAS_MAX || !cameras.every(isId)) return 'LR_PULL_CAMERA';
  if (new Set(cameras).size !== cameras.length) return 'LR_PULL_CAMERA';
  if (!isPullRendition(rendition)) return 'LR_PULL_RENDITION';
  if (!Number.isFinite(fromUtcMs) || !Number.isFinite(toUtcMs) || fromUtcMs >= toUtcMs) return 'LR_PULL_TIME';
  if (toUtcMs - fromUtcMs > PULL_MS_MAX) return 'LR_PULL_SPAN';
  if (toUtcMs - nowUtcMs > PULL_MS_MAX) return 'LR_PULL_FUTURE';
  if (rateBps === undefined) return undefined;
  if (!isRateBps(rateBps) || !isCameraRendition(rendition)) return 'LR_PULL_RATE';
  if ((toUtcMs - fromUtcMs) * cameras.length > RATE_CAMERA_MS_MAX) return 'LR_PULL_RATE_SPAN';
  return undefined;
}

export function planSteps(
  desired: DesiredState,
  progress: ReadonlyMap<string, Progress>,
  running: ReadonlySet<string>,
  nowUtcMs: UtcMs,
): Step[] {
  const steps: Step[] = [];
  const wanted = new Set<string>();
  for (const pull of desired.pulls) {
    const done = progress.get(pull.pullId);
    const over = wanted.size >= PULLS_MAX;
    wanted.add(pull.pullId);
    if (running.has(pull.pullId) || (done && done.state !== 'planned')) continue;
    const code = over ? 'LR_PULL_COUNT' : checkPull(pull, nowUtcMs);
    if (code) steps.push({ do: 'refuse', pullId: pull.pullId, code });
    else steps.push({ do: 'start', pull, planned: done });
  }
  for (const pullId of running) if (!wanted.has(pullId)) steps.push({ do: 'stop', pullId });
  return steps;
}
