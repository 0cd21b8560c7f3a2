/**
 * Makes the copy that a pull with a rate asks for: reel by reel through the encoder and into the spool, one pull at a time, and only
 * while the recording's own writes do not queue. Says what each copy was made from, by the hashes of its originals.
 */
import type { Clock, UtcMs } from '@longroof/base/clock';
import { type Fault, toFault } from '@longroof/base/errors';
import type { Log } from '@longroof/base/log';
import { type StreamName, streamText } from '@longroof/protocol/fragment';
import type { DerivedBy, DoneBody, DonePart } from '@longroof/protocol/journal';
import type { DesiredPull } from '@longroof/protocol/messages';
import { notTaken, untilCalm } from '../derive/calm.js';
import type { RunAs } from '../derive/low-child.js';
import { type Copy, heightFor, KEY_MS, transcode } from '../derive/transcode.js';
import { Turns } from '../derive/turns.js';
import type { Selection, Spool, StoredFragment } from '../spool/spool.js';
import { PullPlan, Seam } from './parts.js';
import { stopped, WALL_SLACK_MS } from './pull.js';

/** Of one selection. */
const SLICE_MS = 10 * 60_000;
/** A copy begins at a key frame: that of the first picture asked for lies no further back. */
const LEAD_MS = 20_000;
const CALM_MS_MAX = 10 * 60_000;
const DURABLE_MS_MAX = 60_000;

export interface CopyMakerOptions {
  spool: Spool;
  clock: Clock;
  log: Log;
  /** Read for each copy, so that a user who was missing can be made. Throws LR_COPY_USER. */
  runAs: () => RunAs | undefined;
}

export interface CopyPlan {
  parts: DonePart[];
  missing: NonNullable<DoneBody['missing']>;
  derived: DerivedBy;
  fragments: number;
  bytes: number;
  /** Footage that is here could not be copied, or not all of it. */
  short: boolean;
}

interface Camera {
  pull: DesiredPull & { rateBps: number };
  stream: StreamName;
  derived: StreamName;
  /** What went into the encoder, and what is missing of it. */
  originals: PullPlan;
  copies: PullPlan;
  failed: Fault | undefined;
  signal: AbortSignal;
}

export class CopyMaker {
  readonly #options: CopyMakerOptions;
  readonly #lastSeq = new Map<string, number>();
  readonly #looks = new Set<() => void>();
  readonly #turns = new Turns();

  constructor(options: CopyMakerOptions) {
    this.#options = options;
    options.spool.onDurable((streams) => {
      for (const { stream, seq } of streams) if (stream.rendition === 'derived') this.#lastSeq.set(streamText(stream), seq);
      for (const look of this.#looks) look();
    });
  }

  /** Pulls wait for each other, urgent ones in front. Throws what ends the pull: LR_COPY_*, LR_PULL_PARTS, LR_CANCELLED; LR_COPY_DISK passes by itself. */
  make(pull: DesiredPull & { rateBps: number }, signal: AbortSignal): Promise<CopyPlan> {
    return this.#turns.run(pull.urgent === true, signal, () => this.#make(pull, signal));
  }

  async #make(pull: DesiredPull & { rateBps: number }, signal: AbortSignal): Promise<CopyPlan> {
    const { rateBps, rendition, pullId } = pull;
    const runAs = this.#options.runAs();
    const made: CopyPlan = { parts: [], missing: [], derived: madeBy(rateBps), fragments: 0, bytes: 0, short: false };
    let failed: Fault | undefined;
    this.#options.log.info({ pullId, rateBps, cameras: pull.cameras }, 'making a copy');
    for (const name of pull.cameras) {
      const camera: Camera = {
        ...{ pull, stream: { camera: name, rendition }, derived: { camera: name, rendition: 'derived' } },
        ...{ originals: new PullPlan(), copies: new PullPlan(), failed: undefined, signal },
      };
      await this.#camera(camera, runAs);
      failed ??= camera.failed;
      made.parts.push(...partsOf(camera));
      made.missing.push(...camera.originals.missing);
      made.fragments += camera.copies.fragments;
      made.bytes += camera.copies.bytes;
    }
    made.short = failed !== undefined;
    if (failed && made.fragments === 0) throw failed;
    return made;
  }

  async #camera(camera: Camera, runAs: RunAs | undefined): Promise<void> {
    const { fromUtcMs, toUtcMs } = camera.pull;
    const seam = new Seam();
    let group: StoredFragment[] = [];
    for (let from = fromUtcMs - LEAD_MS; from < toUtcMs; from += SLICE_MS) {
      if (camera.signal.aborted) throw stopped();
      const to = Math.min(from + SLICE_MS, toUtcMs);
      const selection = await this.#options.spool.select([camera.stream], from, to);
      camera.originals.add({ fragments: [], missing: clip(selection.missing, fromUtcMs) });
      for (const fragment of seam.fresh(selection.fragments)) {
        const last = group.at(-1);
        if (last && (last.reelPath !== fragment.reelPath || last.meta.initSha256 !== fragment.meta.initSha256)) {
          await this.#group(camera, group, runAs);
          group = [];
        }
        group.push(fragment);
      }
    }
    await this.#group(camera, group, runAs);
  }

  /** Fragments of one reel. What cannot be copied is told as missing, and the rest goes on. */
  async #group(camera: Camera, fragments: StoredFragment[], runAs: RunAs | undefined): Promise<void> {
    const { spool, clock, log } = this.#options;
    const { pull, signal } = camera;
    const originals = fromKey(fragments, pull.fromUtcMs);
    const [first, last] = [originals[0], originals.at(-1)];
    if (!first || !last || endOf(last) <= pull.fromUtcMs) return;
    await untilCalm(spool, clock, CALM_MS_MAX, signal);
    const span = { fromUtcMs: Math.max(first.wall.utcMs, pull.fromUtcMs), toUtcMs: Math.min(endOf(last), pull.toUtcMs) };
    try {
      const copies = await transcode(originals, pull.rateBps, { spool, clock, runAs, signal });
      await this.#keep(
        camera,
        copies.filter((copy) => isIn(copy, span)),
      );
      camera.originals.add({ fragments: originals, missing: [] });
    } catch (error) {
      const fault = toFault(error, `copy of ${streamText(camera.stream)}`);
      if (fault.retryable || fault.kind === 'cancelled' || fault.code === 'LR_COPY_PROGRAM') throw fault;
      log.warn({ pullId: pull.pullId, error: fault, ...span }, 'footage that cannot be copied');
      camera.failed ??= fault;
      camera.originals.add({ fragments: [], missing: [{ ...camera.stream, ...span, cause: 'damaged' }] });
    }
  }

  /** Into the spool, and what the spool has made of it into the plan: one part while numbers go on. */
  async #keep(camera: Camera, copies: readonly Copy[]): Promise<void> {
    const [first, last] = [copies[0], copies.at(-1)];
    if (!first || !last) return;
    const { spool } = this.#options;
    const before = this.#lastSeq.get(streamText(camera.derived)) ?? -1;
    // At once, so that they are of one reel.
    for (const { fragment, wall } of copies) if (!spool.write(fragment, wall)) throw notTaken();
    await this.#durable(camera.derived, before + copies.length, camera.signal);
    const [from, to] = [first.wall.utcMs - WALL_SLACK_MS, last.wall.utcMs + WALL_SLACK_MS];
    const { fragments } = await spool.select([camera.derived], from, to);
    const isMine = ({ meta }: StoredFragment): boolean => meta.run === spool.identity.run && meta.seq > before;
    const mine = fragments.filter(isMine).sort((a, b) => a.meta.seq - b.meta.seq);
    if (mine.length !== copies.length) throw notTaken();
    camera.copies.add({ fragments: mine, missing: [] });
  }

  #durable(stream: StreamName, seq: number, signal: AbortSignal): Promise<void> {
    const text = streamText(stream);
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#looks.delete(look);
        late.cancel();
        signal.removeEventListener('abort', stop);
        settle();
      };
      const look = (): void => {
        if ((this.#lastSeq.get(text) ?? -1) >= seq) end(resolve);
      };
      const stop = (): void => end(() => reject(stopped()));
      const late = clock.after(DURABLE_MS_MAX, () => end(() => reject(notTaken())));
      signal.addEventListener('abort', stop, { once: true });
      this.#looks.add(look);
      look();
    });
  }
}

function partsOf({ copies, originals }: Camera): DonePart[] {
  const from = originals.rooted().map(({ rendition, run, seqFirst, seqLast, root = '' }) => ({ rendition, run, seqFirst, seqLast, root }));
  return copies.rooted().map((part, index) => (index === 0 ? { ...part, from } : part));
}

function madeBy(rateBps: number): DerivedBy {
  return { rateBps, tool: 'ffmpeg libx264 veryfast', heightMax: heightFor(rateBps), keyMs: KEY_MS, audio: false };
}

function endOf({ meta, wall }: StoredFragment): UtcMs {
  return wall.utcMs + meta.duration90k / 90;
}

function isIn({ fragment, wall }: Copy, span: { fromUtcMs: UtcMs; toUtcMs: UtcMs }): boolean {
  return wall.utcMs < span.toUtcMs && wall.utcMs + fragment.meta.duration90k / 90 > span.fromUtcMs;
}

/** From the last key frame at or before `fromUtcMs`, or the first one behind it: nothing before it can be decoded. */
function fromKey(fragments: StoredFragment[], fromUtcMs: UtcMs): StoredFragment[] {
  const lead = fragments.findLastIndex((one) => one.meta.independent && one.wall.utcMs <= fromUtcMs);
  const start = lead >= 0 ? lead : fragments.findIndex((one) => one.meta.independent);
  return start < 0 ? [] : fragments.slice(start);
}

function clip(missing: Selection['missing'], fromUtcMs: UtcMs): Selection['missing'] {
  return missing.filter((one) => one.toUtcMs > fromUtcMs).map((one) => ({ ...one, fromUtcMs: Math.max(one.fromUtcMs, fromUtcMs) }));
}
