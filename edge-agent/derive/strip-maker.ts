/**
 * Makes a strip of each minute of each camera while nothing more important is to be done: one after another, from the sub-stream where
 * there is one, never more than a few minutes behind. A minute that comes too late is skipped and counted.
 */
import type { Clock } from '@longroof/base/clock';
import { toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { type CameraRendition, streamText } from '@longroof/protocol/fragment';
import type { Spool, StoredFragment } from '../spool/spool.js';
import { notTaken, untilCalm } from './calm.js';
import type { RunAs } from './low-child.js';
import { keyPictures } from './pictures.js';
import { chooseKeys, describe, drawStrip, loadSharp, stripFragment } from './strip.js';

export const MINUTE_MS = 60_000;
/** Footage of a minute is on the disk by then. */
const SETTLE_MS = 15_000;
export const BEHIND_MS_MAX = 10 * MINUTE_MS;
const CALM_MS_MAX = 30_000;
const IDLE_MS = 1000;

export interface StripSource {
  camera: string;
  /** The sub-stream where there is one: it decodes cheaper. */
  rendition: CameraRendition;
}

export interface StripMakerOptions {
  spool: Spool;
  /** Its wall time is the one that the unit believes. */
  clock: Clock;
  log: Log;
  sources: () => readonly StripSource[];
  runAs: () => RunAs | undefined;
  /** While it is so none is made: the unit saves power. */
  paused?: () => boolean;
}

export interface StripCounters {
  made: number;
  bytes: number;
  /** Minutes for which there was no time. */
  skipped: number;
  /** Minutes whose footage could not be decoded. */
  failed: number;
}

export class StripMaker {
  readonly counters: StripCounters = { made: 0, bytes: 0, skipped: 0, failed: 0 };
  readonly #options: StripMakerOptions;
  readonly #stop = new AbortController();
  /** By camera: the minute that comes next, counted from 1970. */
  readonly #next = new Map<string, number>();
  #running: Promise<void> | undefined;
  #sharp: Awaited<ReturnType<typeof loadSharp>> | undefined;

  constructor(options: StripMakerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const due = this.#options.paused?.() ? undefined : this.#due();
      if (!due) {
        await clock.sleep(IDLE_MS, signal).catch(() => undefined);
        continue;
      }
      try {
        await this.make(due.source, due.minute);
      } catch (error) {
        const fault = toFault(error, `strip of ${due.source.camera}`);
        if (fault.kind === 'cancelled') return;
        this.counters.failed += 1;
        log.warn({ error: fault, camera: due.source.camera, minute: due.minute }, 'a strip could not be made');
      }
    }
  }

  /** The camera that is furthest behind. */
  #due(): { source: StripSource; minute: number } | undefined {
    const nowMs = this.#options.clock.utc();
    const thisMinute = Math.floor(nowMs / MINUTE_MS);
    const oldest = Math.ceil((nowMs - BEHIND_MS_MAX) / MINUTE_MS);
    let best: { source: StripSource; minute: number } | undefined;
    for (const source of this.#options.sources()) {
      let minute = this.#next.get(source.camera) ?? thisMinute;
      // A clock that was set: minutes of the other time do not come.
      if (minute > thisMinute + 1) minute = thisMinute;
      if (minute < oldest) {
        this.counters.skipped += oldest - minute;
        minute = oldest;
      }
      this.#next.set(source.camera, minute);
      if ((minute + 1) * MINUTE_MS + SETTLE_MS <= nowMs && (!best || minute < best.minute)) best = { source, minute };
    }
    if (best) this.#next.set(best.source.camera, best.minute + 1);
    return best;
  }

  /** False where the minute has no footage. Throws LR_COPY_*, LR_SPOOL_*, LR_CANCELLED. */
  async make(source: StripSource, minute: number): Promise<boolean> {
    const { spool, clock, runAs } = this.#options;
    const { signal } = this.#stop;
    await untilCalm(spool, clock, CALM_MS_MAX, signal);
    const [from, to] = [minute * MINUTE_MS, (minute + 1) * MINUTE_MS];
    const { fragments } = await spool.select([source], from, to);
    // A fragment that reaches over belongs to the minute in which it begins.
    const shown: StoredFragment[] = fragments.filter(({ wall }) => wall.utcMs >= from);
    const keys = chooseKeys(shown);
    if (keys.length === 0) return false;
    const pictures = await keyPictures(keys, { spool, clock, runAs: runAs(), signal });
    if (pictures.length === 0) throw toFault(undefined, `no picture of ${streamText(source)}`);
    this.#sharp ??= await loadSharp();
    const jpeg = await drawStrip(this.#sharp, pictures.slice(0, keys.length), describe(shown, keys));
    const { fragment, wall } = stripFragment(jpeg, shown, Math.min(pictures.length, keys.length), { clock, identity: spool.identity });
    if (!spool.write(fragment, wall)) throw notTaken();
    this.counters.made += 1;
    this.counters.bytes += jpeg.length;
    return true;
  }
}
