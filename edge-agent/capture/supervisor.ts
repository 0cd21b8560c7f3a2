/**
 * Keeps a camera's sessions going without end: the first connection and one that broke take the same way, with growing, jittered
 * pauses that footage resets. Tells the sink in words what state it is in. With a second runner it changes over to it once the first
 * could not make sense of the camera several times in a row. When a session of the second one ends ten minutes or more after that, the
 * first gets one attempt again (the camera may have been given other firmware); footage is never interrupted for it.
 */
import type { Clock, MonoMs } from '@longroof/base/clock';
import { assert, type Fault } from '@longroof/base/errors';
import { type Log, redactUrls } from '@longroof/base/log';
import { Backoff } from '@longroof/base/retry';
import type { CaptureEngine, CaptureSink } from './engine.js';
import { captureFault, gapCauseOf, hasNoNetwork, isParseFailure } from './faults.js';
import type { Runner } from './runner.js';

const RETRY_FIRST_MS = 1000;
const RETRY_MS_MAX = 15_000;
/** The unit itself has no network yet: asking its own kernel again costs nothing, and no camera is troubled. */
const NO_NETWORK_MS = 500;
const PARSE_FAILURES_MAX = 3;
const TRY_FIRST_AGAIN_MS = 10 * 60_000;

export interface SupervisorDeps {
  clock: Clock;
  log: Log;
  random?: (() => number) | undefined;
}

export class Supervisor implements CaptureEngine {
  readonly #runners: readonly Runner[];
  readonly #sink: CaptureSink;
  readonly #deps: SupervisorDeps;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #parseFailures = 0;
  /** Which of the runners has its turn, and since when. */
  #turn = 0;
  #turnMonoMs: MonoMs = 0;

  /** `runners`: the one to begin with first, then the one to change over to, if any. */
  constructor(runners: readonly Runner[], sink: CaptureSink, deps: SupervisorDeps) {
    assert(runners.length > 0, 'a capture engine has a runner');
    this.#runners = runners;
    this.#sink = sink;
    this.#deps = deps;
    this.#backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MS_MAX, ...(deps.random ? { random: deps.random } : {}) });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#sink.state({ state: 'connecting' });
      const fault = await this.#session(signal);
      if (!signal.aborted) await this.#pause(fault, signal);
    }
    this.#sink.state({ state: 'stopped' });
  }

  async #session(signal: AbortSignal): Promise<Fault> {
    const runner = this.#runners[this.#turn] as Runner;
    let footage = false;
    const playing = (): void => this.#sink.state({ state: 'playing', engine: runner.engine });
    let troubled = false;
    const fault = await runner.run(signal, {
      playing,
      footage: () => {
        footage = true;
        this.#backoff.reset();
        if (troubled) playing();
      },
      trouble: (trouble) => {
        troubled = true;
        this.#fail(trouble, 0);
      },
    });
    this.#parseFailures = !footage && isParseFailure(fault) ? this.#parseFailures + 1 : 0;
    return fault;
  }

  async #pause(fault: Fault, signal: AbortSignal): Promise<void> {
    const retryInMs = hasNoNetwork(fault) ? NO_NETWORK_MS : this.#backoff.nextMs();
    this.#fail(this.#changeOver(fault), retryInMs);
    try {
      await this.#deps.clock.sleep(retryInMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** The fault to tell: the one that came, or that another engine takes over because of it. */
  #changeOver(fault: Fault): Fault {
    const nowMonoMs = this.#deps.clock.mono();
    if (this.#turn > 0) {
      if (nowMonoMs - this.#turnMonoMs < TRY_FIRST_AGAIN_MS) return fault;
      this.#turn = 0;
      // One failure more, and it is the other's turn again.
      this.#parseFailures = PARSE_FAILURES_MAX - 1;
      return fault;
    }
    if (this.#parseFailures < PARSE_FAILURES_MAX || this.#runners.length < 2) return fault;
    const given = this.#runners[0]?.engine;
    this.#turn = 1;
    this.#turnMonoMs = nowMonoMs;
    this.#parseFailures = 0;
    return captureFault(
      'LR_CAPTURE_ENGINE',
      `engine ${given} could not read this camera (${fault.code}: ${fault.message}); ${this.#runners[1]?.engine} takes over`,
    );
  }

  #fail(fault: Fault, retryInMs: number): void {
    const message = redactUrls(fault.message);
    this.#deps.log.warn({ code: fault.code, cause: gapCauseOf(fault), retryInMs: Math.round(retryInMs) }, message);
    this.#sink.state({ state: 'failed', cause: gapCauseOf(fault), code: fault.code, message, retryInMs });
  }
}
