/**
 * Makes the desired state happen. A generation is accepted once, durably, before anything is done about it; each pull then runs by
 * itself. What it has come to is in the journal before it is noted, so a restart forgets none; at worst it says the same twice.
 */
import type { Clock, UtcMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import { streamText } from '@longroof/protocol/fragment';
import type { DoneBody } from '@longroof/protocol/journal';
import type { DesiredLive } from '@longroof/protocol/live';
import type { DesiredPull } from '@longroof/protocol/messages';
import type { UnitSettings } from '@longroof/protocol/settings';
import type { RunAs } from '../derive/low-child.js';
import type { Spool } from '../spool/spool.js';
import type { Uplink } from '../uplink/uplink.js';
import { ConfigurationKeeper } from './configuration-keeper.js';
import { CopyMaker } from './copy.js';
import { HoldKeeper } from './hold-keeper.js';
import { type Planned, type Progress, planSteps, type Run, readDesiredState, type Step } from './plan.js';
import { type PullContext, planPull, priorityOfPull, sendPlanned, untilDurable } from './pull.js';
import { CommandState } from './state.js';

const RETRY = { firstMs: 1_000, maxMs: 60_000 };

export interface CommanderOptions {
  uplink: Pick<Uplink, 'enqueue' | 'attach'>;
  spool: Spool;
  disk: Disk;
  clock: Clock;
  log: Log;
  /** The spool's folder: `desired.json` and `commands.json` are kept there. */
  dir: string;
  /** Cameras to be shown live from now on: of a desired state that has just come, never of one from before a restart. */
  live?: (wanted: readonly DesiredLive[]) => void;
  /** Who makes copies for pulls with a rate; the agent's own user where left out. May throw LR_COPY_USER. */
  runAs?: () => RunAs | undefined;
  /** Takes on settings that the centre asks for, or throws why not; left out, each is refused. */
  configure?: (settings: UnitSettings) => Promise<void>;
}

export interface Commander {
  /** Takes up what was under way when the agent ended, and what the controller asks for from now on. */
  start(): void;
  /** Stops what is under way, to be taken up again at the next start. */
  stop(): Promise<void>;
  readonly counters: Readonly<{
    generation: number;
    running: number;
    accepted: number;
    stale: number;
    complete: number;
    partial: number;
    refused: number;
  }>;
}

export function createCommander(options: CommanderOptions): Commander {
  return new PullCommander(options);
}

interface Running {
  stop: AbortController;
  ended: Promise<void>;
}

async function refuseSettings(): Promise<void> {
  throw new Fault('conflict', 'LR_SETTINGS_UNIT', 'this unit takes no settings from the centre');
}

class PullCommander implements Commander {
  readonly counters = { generation: 0, running: 0, accepted: 0, stale: 0, complete: 0, partial: 0, refused: 0 };
  readonly #options: CommanderOptions;
  readonly #state: CommandState;
  readonly #copies: CopyMaker;
  readonly #holds: HoldKeeper;
  readonly #configuration: ConfigurationKeeper;
  readonly #running = new Map<string, Running>();
  readonly #endUtcMs = new Map<string, UtcMs>();
  readonly #durable = new Set<() => void>();
  /** Plans are made one after another: each holds one slice of a selection. */
  #planning: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: CommanderOptions) {
    this.#options = options;
    const { disk, dir, spool, log, clock } = options;
    this.#holds = new HoldKeeper({ spool, clock, log });
    this.#configuration = new ConfigurationKeeper({ spool, disk, dir, clock, log, take: options.configure ?? refuseSettings });
    this.#state = new CommandState(disk, dir, spool.identity.unit, spool.identity.epoch, log);
    this.#copies = new CopyMaker({ spool, clock, log, runAs: options.runAs ?? (() => undefined) });
    this.counters.generation = this.#state.generation;
    spool.onDurable((streams) => {
      const offsetMs = clock.utc() - clock.mono();
      for (const { stream, endMonoMs } of streams) this.#endUtcMs.set(streamText(stream), endMonoMs + offsetMs);
      for (const look of this.#durable) look();
    });
  }

  start(): void {
    this.#apply();
    this.#options.uplink.attach({ generation: () => this.#state.generation, desired: (statement) => this.#desired(statement) });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const running of this.#running.values()) running.stop.abort();
    await Promise.all([this.#holds.stop(), this.#configuration.stop(), ...[...this.#running.values()].map((running) => running.ended)]);
  }

  #desired(statement: Record<string, unknown>): void {
    const { live, ...desired } = readDesiredState(statement);
    if (this.#stopped || desired.generation === this.#state.generation) return;
    if (desired.generation < this.#state.generation) {
      this.counters.stale += 1;
      return;
    }
    this.#state.accept(desired);
    this.counters.accepted += 1;
    this.counters.generation = desired.generation;
    this.#options.log.info({ generation: desired.generation, pulls: desired.pulls.length }, 'desired state accepted');
    this.#options.live?.(live ?? []);
    this.#apply();
  }

  #apply(): void {
    const { desired, progress } = this.#state;
    if (!desired) return;
    this.#holds.apply(desired.holds, desired.lifts);
    this.#configuration.apply(desired.configuration);
    for (const step of planSteps(desired, progress, new Set(this.#running.keys()), this.#options.clock.utc())) this.#execute(step);
  }

  #execute(step: Step): void {
    if (step.do === 'stop') {
      this.#running.get(step.pullId)?.stop.abort();
      return;
    }
    const pullId = step.do === 'start' ? step.pull.pullId : step.pullId;
    const stop = new AbortController();
    const work =
      step.do === 'start' ? () => this.#pull(step.pull, step.planned, stop.signal) : () => this.#finish(pullId, 'refused', step.code);
    const ended = this.#untilDone(pullId, work, stop.signal).finally(() => {
      this.#running.delete(pullId);
      this.counters.running = this.#running.size;
      // A newer state may have named it again while it was being stopped.
      if (stop.signal.aborted && !this.#stopped) this.#apply();
    });
    this.#running.set(pullId, { stop, ended });
    this.counters.running = this.#running.size;
  }

  /** Again after a pause while the disk or the queue does not let it; what will not get better ends it as refused. */
  async #untilDone(pullId: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    let next = work;
    while (!signal.aborted) {
      try {
        await next();
        return;
      } catch (error) {
        const fault = toFault(error, `pull ${pullId}`);
        if (signal.aborted || fault.kind === 'cancelled') return;
        this.#options.log.warn({ pullId, error: fault }, 'a pull did not get through');
        if (!fault.retryable) next = () => this.#finish(pullId, 'refused', fault.code);
        await this.#pause(backoff.nextMs(), signal);
      }
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #pull(pull: DesiredPull, before: Planned | undefined, signal: AbortSignal): Promise<void> {
    const { spool, uplink, clock } = this.#options;
    const context: PullContext = {
      spool,
      uplink,
      clock,
      signal,
      pulls: () => this.#running.size,
      reached: (one, end) => this.#reached(one, end),
    };
    const known = this.#state.progress.get(pull.pullId);
    const last = known?.state === 'planned' ? known : before;
    // A plan of a version that kept no names is made again.
    const planned = last?.made || last?.parts ? last : await this.#plan(pull, context);
    const { made, parts = [], bytes } = planned;
    const sent = await sendPlanned(made ? 'derived' : pull.rendition, made ?? parts, priorityOfPull(pull, bytes), context);
    const all = sent.refused === 0 && sent.fragments >= planned.fragments && !planned.short;
    await this.#finish(pull.pullId, all ? 'complete' : 'partial');
  }

  async #plan(pull: DesiredPull, context: PullContext): Promise<Planned> {
    await untilDurable(pull, context);
    if (pull.rateBps !== undefined) return this.#copy({ ...pull, rateBps: pull.rateBps }, context.signal);
    const mine = this.#planning.then(() => planPull(pull, context));
    this.#planning = mine.catch(() => undefined);
    const plan = await mine;
    const { missing, fragments, bytes } = plan;
    const planned: Planned = { state: 'planned', fragments, bytes, parts: plan.parts.map(runOf) };
    return this.#planned({ pullId: pull.pullId, state: 'planned', parts: plan.rooted(), missing }, planned);
  }

  /** The copies are on the disk before they are announced: after a restart they are sent, not made again. */
  async #copy(pull: DesiredPull & { rateBps: number }, signal: AbortSignal): Promise<Planned> {
    const { parts, missing, derived, fragments, bytes, short } = await this.#copies.make(pull, signal);
    const planned: Planned = { state: 'planned', fragments, bytes, made: parts.map(runOf), ...(short ? { short } : {}) };
    return this.#planned({ pullId: pull.pullId, state: 'planned', parts, missing, derived }, planned);
  }

  async #planned(body: DoneBody, planned: Planned): Promise<Planned> {
    await this.#record(body);
    this.#state.note(body.pullId, planned);
    return planned;
  }

  async #finish(pullId: string, state: Exclude<Progress['state'], 'planned'>, code?: string): Promise<void> {
    await this.#record(code ? { pullId, state, code } : { pullId, state });
    this.#state.note(pullId, { state });
    this.counters[state] += 1;
    this.#options.log.info({ pullId, state, code }, 'pull ended');
  }

  async #record(body: DoneBody): Promise<void> {
    await this.#options.spool.record('done', body, { urgent: true });
  }

  #reached(pull: DesiredPull, signal: AbortSignal): Promise<void> {
    const texts = pull.cameras.map((camera) => streamText({ camera, rendition: pull.rendition }));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#durable.delete(look);
        signal.removeEventListener('abort', stop);
      };
      const look = (): void => {
        if (!texts.every((text) => (this.#endUtcMs.get(text) ?? 0) >= pull.toUtcMs)) return;
        end();
        resolve();
      };
      const stop = (): void => {
        end();
        reject(new Fault('cancelled', 'LR_CANCELLED', 'the pull is no longer wanted'));
      };
      this.#durable.add(look);
      signal.addEventListener('abort', stop, { once: true });
      look();
    });
  }
}

function runOf({ camera, run, seqFirst, seqLast }: Run): Run {
  return { camera, run, seqFirst, seqLast };
}
