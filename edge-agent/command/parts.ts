/**
 * Folds the selections of a pull's slices into what its `planned` record says: runs of consecutive fragments and what is missing,
 * joined where slices met. Bounded, because the record is.
 */
import { Fault } from '@longroof/base/errors';
import type { DoneBody } from '@longroof/protocol/journal';
import { MerkleFold } from '@longroof/protocol/merkle';
import type { Selection, StoredFragment } from '../spool/spool.js';
import { fragmentKey } from '../uplink/fragment-queue.js';

type Part = NonNullable<DoneBody['parts']>[number];
type Missing = NonNullable<DoneBody['missing']>[number];

/** Together they stay below the bound of a record. */
const PARTS_MAX = 160;
const MISSING_MAX = 160;
/** Less is no hole that anybody could see: fragments' times are rounded. */
const MISSING_MS_MIN = 100;

export class PullPlan {
  readonly parts: Part[] = [];
  readonly missing: Missing[] = [];
  fragments = 0;
  bytes = 0;
  readonly #seam = new Seam();
  readonly #last = new Map<string, Part>();
  readonly #folds = new Map<Part, MerkleFold>();
  readonly #lastMissing = new Map<string, Missing>();

  /** The parts with the Merkle root of each: the last word on what the plan says. */
  rooted(): Part[] {
    return this.parts.map((part) => ({ ...part, root: this.#folds.get(part)?.root().toString('hex') ?? '' }));
  }

  /** Slices come in order of time. Throws `too-large` (LR_PULL_PARTS) for what is in too many pieces to be told. */
  add(selection: Selection): void {
    for (const fragment of this.#seam.fresh(selection.fragments)) this.#addFragment(fragment);
    for (const missing of selection.missing) this.#addMissing(missing);
    if (this.parts.length > PARTS_MAX || this.missing.length > MISSING_MAX)
      throw new Fault('too-large', 'LR_PULL_PARTS', 'the time asked for is recorded in too many pieces', {
        hint: 'Ask for a shorter time.',
      });
  }

  #addFragment({ meta }: StoredFragment): void {
    const key = streamKey(meta);
    const last = this.#last.get(key);
    const leaf = Buffer.from(meta.sha256, 'hex');
    this.fragments += 1;
    this.bytes += meta.bytes;
    if (last && last.run === meta.run && last.seqLast + 1 === meta.seq) {
      this.#folds.get(last)?.add(leaf);
      last.seqLast = meta.seq;
      last.bytes += meta.bytes;
      return;
    }
    const { camera, rendition, run, seq, bytes } = meta;
    const part: Part = { camera, rendition, run, seqFirst: seq, seqLast: seq, bytes };
    const fold = new MerkleFold();
    fold.add(leaf);
    this.parts.push(part);
    this.#folds.set(part, fold);
    this.#last.set(key, part);
  }

  #addMissing(missing: Missing): void {
    const key = streamKey(missing);
    const last = this.#lastMissing.get(key);
    if (last && last.cause === missing.cause && missing.fromUtcMs <= last.toUtcMs + 1) {
      last.toUtcMs = Math.max(last.toUtcMs, missing.toUtcMs);
      return;
    }
    const { camera, rendition, fromUtcMs, toUtcMs, cause } = missing;
    if (toUtcMs - fromUtcMs < MISSING_MS_MIN) return;
    const copy: Missing = { camera, rendition, fromUtcMs, toUtcMs, cause };
    this.missing.push(copy);
    this.#lastMissing.set(key, copy);
  }
}

function streamKey(stream: { camera: string; rendition: string }): string {
  return `${stream.camera}.${stream.rendition}`;
}

/** Where two slices meet: a fragment that reaches over is in both, and counts once. */
export class Seam {
  #before: ReadonlySet<string> = new Set();

  fresh(fragments: readonly StoredFragment[]): StoredFragment[] {
    const fresh = fragments.filter((fragment) => !this.#before.has(fragmentKey(fragment.meta)));
    this.#before = new Set(fragments.map((fragment) => fragmentKey(fragment.meta)));
    return fresh;
  }
}
