/**
 * Holds the footage against the unit's signed records: which fragments they name, and by what; whether any that they name between the
 * first and the last is left out; when it was, as the unit knew it.
 */
import type { CheckedFootage, Fragment } from './footage.js';
import type { CatalogRecord, Derived, GapRecord, Journal, Wall } from './journal.js';
import { rootOf } from './merkle.js';
import { isIn, type Reel, reelKey } from './reels.js';
import { broken } from './source.js';
import { checkClaimed, dateFragment } from './time.js';

/** `reel`: a catalogue record made when it was recorded. `plan`: the unit's plan for this pull, made when it was asked. */
export type BoundBy = 'reel' | 'plan' | 'nothing';

export interface Hole {
  fromUtcMs: number;
  toUtcMs: number;
  /** As the unit's records have it; undefined where they do not say. */
  cause: string | undefined;
  /** Fragments that are recorded there and not in this file; undefined where it cannot be known. */
  leftOut: number | undefined;
}

export interface CameraProof {
  camera: string;
  rendition: string;
  files: string[];
  fragments: number;
  bytes: number;
  bound: Record<BoundBy, number>;
  fromUtcMs: number;
  toUtcMs: number;
  /** Worst of all; `signed` false where some of the times rest on the fragments' own metadata alone. */
  clock: { sources: string[]; errorMs: number; signed: boolean };
  holes: Hole[];
  /** Fragments of the unit's plan that are not here. */
  plannedAbsent: number;
  lostPackets: number;
  damaged: number;
  /** Set where it is a copy and a signed record says how it was made: that record, and how many fragments of what it names. */
  copy: Copy | undefined;
}

export interface Copy extends Derived {
  record: number;
  rendition: string;
  originals: number;
}

interface Stream {
  camera: string;
  rendition: string;
  /** Whose gap records say why something is missing. */
  gapsOf: string;
}

interface Placed {
  fragment: Fragment;
  by: BoundBy;
  catalog: CatalogRecord | undefined;
  wall: Wall;
  wallSigned: boolean;
}

/** Footage that does not meet by less is no hole: a frame may come late. */
const HOLE_MS = 1500;
/** Fragments lie inside the bounds that their reel's record gives, rounded there to a millisecond. */
const BOUNDS_MS = 2;

/** Throws LR_PROOF_REEL, LR_PROOF_PLAN, LR_PROOF_TIME. All footage is of one camera. */
export function proveCamera(
  footage: readonly CheckedFootage[],
  journals: readonly Journal[],
  reels: ReadonlyMap<string, Reel>,
): CameraProof {
  const { camera, rendition } = footage[0] as CheckedFootage;
  const placed: Placed[] = [];
  for (const one of footage) {
    const from = placed.length;
    for (const fragment of one.fragments) placed.push(place(one, fragment, journalOf(journals, fragment), reels, placed.at(-1)));
    checkClaimed(one, placed.slice(from));
  }
  const order = new Map(journals.map((journal, index) => [journal.epoch, index]));
  placed.sort(
    (a, b) =>
      (order.get(a.fragment.epoch) ?? 0) - (order.get(b.fragment.epoch) ?? 0) ||
      a.fragment.run - b.fragment.run ||
      a.fragment.seq - b.fragment.seq,
  );
  const copy = rendition === 'derived' ? copyOf(journals, camera) : undefined;
  let plannedAbsent = 0;
  for (const journal of journals) plannedAbsent += byPlan(journal, camera, rendition, placed);
  const bound: Record<BoundBy, number> = { reel: 0, plan: 0, nothing: 0 };
  for (const one of placed) bound[one.by] += 1;
  const last = placed.at(-1);
  return {
    camera,
    rendition,
    files: footage.map((one) => one.file),
    fragments: placed.length,
    bytes: placed.reduce((sum, one) => sum + one.fragment.bytes, 0),
    bound,
    fromUtcMs: placed[0]?.wall.utcMs ?? 0,
    toUtcMs: last ? last.wall.utcMs + last.fragment.endMonoMs - last.fragment.startMonoMs : 0,
    clock: {
      sources: [...new Set(placed.map((one) => one.wall.source))],
      errorMs: placed.reduce((worst, one) => Math.max(worst, one.wall.errorMs), 0),
      signed: placed.every((one) => one.wallSigned),
    },
    // Copies have no gaps of their own: where nothing was recorded there was nothing to copy.
    holes: holesIn(placed, journals, { camera, rendition, gapsOf: copy?.rendition ?? rendition }),
    copy,
    plannedAbsent,
    lostPackets: placed.reduce((sum, one) => sum + one.fragment.lostPackets, 0),
    damaged: placed.filter((one) => one.fragment.damaged).length,
  };
}

function copyOf(journals: readonly Journal[], camera: string): Copy | undefined {
  for (const { plan } of journals) {
    const from = plan?.parts.filter((part) => part.camera === camera).flatMap((part) => part.from) ?? [];
    const originals = from.reduce((sum, one) => sum + one.seqLast - one.seqFirst + 1, 0);
    if (plan?.derived && from[0]) return { ...plan.derived, record: plan.seq, rendition: from[0].rendition, originals };
  }
  return undefined;
}

function journalOf(journals: readonly Journal[], fragment: Fragment): Journal | undefined {
  return journals.find((journal) => journal.epoch === fragment.epoch);
}

function place(
  footage: CheckedFootage,
  fragment: Fragment,
  journal: Journal | undefined,
  reels: ReadonlyMap<string, Reel>,
  last: Placed | undefined,
): Placed {
  const { camera, rendition, initSha256 } = footage;
  const { epoch, run, seq, sha256 } = fragment;
  const unbound = journal ? dateFragment(journal, { ...fragment, rendition }, undefined) : { wall: fragment.wall };
  const own: Placed = { fragment, by: 'nothing', catalog: undefined, wall: unbound.wall, wallSigned: false };
  const before = last?.catalog && { fragment: last.fragment, catalog: last.catalog };
  const holds = (one: CatalogRecord): boolean =>
    one.camera === camera && one.rendition === rendition && one.reelRun === run && seq >= one.seqFirst && seq < one.seqFirst + one.count;
  // Fragments come in order, so most are of the reel of the one before.
  const catalog =
    journal && (before && before.fragment.epoch === epoch && holds(before.catalog) ? before.catalog : journal.catalogs.find(holds));
  const reel = catalog && reels.get(reelKey({ epoch, camera, rendition, run, seqFirst: catalog.seqFirst }));
  if (!journal || !catalog || !reel || reel.root !== catalog.root || reel.count !== catalog.count || !isIn(reel, seq, sha256)) return own;
  if (catalog.initSha256 !== initSha256)
    throw broken('LR_PROOF_REEL', `${footage.file}: its init segment is not the one that was recorded`);
  const { startMonoMs, endMonoMs } = fragment;
  if (startMonoMs < catalog.startMonoMs - BOUNDS_MS || endMonoMs > catalog.startMonoMs + catalog.durationMs + BOUNDS_MS)
    throw broken('LR_PROOF_TIME', `${footage.file}: fragment ${seq} claims a time outside of its reel`);
  const { wall, isSigned } = dateFragment(journal, { ...fragment, rendition }, catalog);
  return { fragment, by: 'reel', catalog, wall, wallSigned: isSigned };
}

/** Binds what no reel binds, and counts what was planned and is not here. Throws LR_PROOF_PLAN. */
function byPlan(journal: Journal, camera: string, rendition: string, placed: readonly Placed[]): number {
  let absent = 0;
  for (const part of journal.plan?.parts ?? []) {
    if (part.camera !== camera || part.rendition !== rendition) continue;
    const here = placed.filter(
      ({ fragment: { epoch, run, seq } }) => epoch === journal.epoch && run === part.run && seq >= part.seqFirst && seq <= part.seqLast,
    );
    absent += part.seqLast - part.seqFirst + 1 - here.length;
    if (part.root === undefined || here.length !== part.seqLast - part.seqFirst + 1) continue;
    if (rootOf(here.map((one) => one.fragment.sha256)) !== part.root)
      throw broken('LR_PROOF_PLAN', `the fragments of ${camera} are not those that the unit said it would send`);
    for (const one of here) if (one.by === 'nothing') one.by = 'plan';
  }
  return absent;
}

function holesIn(placed: readonly Placed[], journals: readonly Journal[], stream: Stream): Hole[] {
  const holes: Hole[] = [];
  for (let index = 1; index < placed.length; index++) {
    const before = placed[index - 1] as Placed;
    const after = placed[index] as Placed;
    const [f, g] = [before.fragment, after.fragment];
    const fromUtcMs = before.wall.utcMs + f.endMonoMs - f.startMonoMs;
    const sameRun = f.epoch === g.epoch && f.run === g.run;
    const awayMs = f.boot === g.boot ? g.startMonoMs - f.endMonoMs : after.wall.utcMs - fromUtcMs;
    if (sameRun && g.seq === f.seq + 1 && awayMs <= HOLE_MS) continue;
    const journal = f.epoch === g.epoch ? journalOf(journals, f) : undefined;
    const hole = { fromUtcMs, toUtcMs: after.wall.utcMs };
    const leftOut = sameRun && g.seq === f.seq + 1 ? 0 : leftOutBetween(before, after, journal, stream);
    const cause = causeOf(journals, stream, before, after);
    // A new run that goes on at once, with nothing left out, is no hole.
    if (leftOut === 0 && awayMs <= HOLE_MS) continue;
    holes.push({ ...hole, leftOut, cause });
  }
  return holes;
}

/** Fragments that signed records name between two that are here. Undefined where the records between are not all in the file. */
function leftOutBetween(
  before: Placed,
  after: Placed,
  journal: Journal | undefined,
  stream: { camera: string; rendition: string },
): number | undefined {
  const [f, g] = [before.fragment, after.fragment];
  if (f.epoch === g.epoch && f.run === g.run) return g.seq - f.seq - 1;
  const [first, last] = [before.catalog?.seq, after.catalog?.seq];
  if (!journal || first === undefined || last === undefined) return undefined;
  const whole = journal.stretches.some((stretch) => stretch.first <= first && last <= stretch.last);
  if (!whole) return undefined;
  let count = 0;
  for (const { camera, rendition, reelRun, seqFirst, count: fragments } of journal.catalogs) {
    if (camera !== stream.camera || rendition !== stream.rendition || reelRun < f.run || reelRun > g.run) continue;
    const from = reelRun === f.run ? Math.max(seqFirst, f.seq + 1) : seqFirst;
    const to = reelRun === g.run ? Math.min(seqFirst + fragments, g.seq) : seqFirst + fragments;
    count += Math.max(0, to - from);
  }
  return count;
}

/** The gap record that covers most of the time between. */
function causeOf(journals: readonly Journal[], stream: Stream, before: Placed, after: Placed): string | undefined {
  const journal = journalOf(journals, after.fragment);
  let best: { ms: number; cause: string } | undefined;
  for (const gap of journal?.gaps ?? []) {
    if (gap.camera !== stream.camera || gap.rendition !== stream.gapsOf) continue;
    const ms = overlapMs(gap, journal as Journal, before, after);
    if (ms > 0 && (!best || ms > best.ms)) best = { ms, cause: gap.cause };
  }
  return best?.cause;
}

function overlapMs(gap: GapRecord, journal: Journal, before: Placed, after: Placed): number {
  const boot = journal.boots.get(gap.run);
  const { fragment: g } = after;
  if (gap.fromWall) {
    const from = before.wall.utcMs + before.fragment.endMonoMs - before.fragment.startMonoMs;
    return Math.min(gap.fromWall.utcMs + gap.durationMs, after.wall.utcMs) - Math.max(gap.fromWall.utcMs, from);
  }
  if (boot !== g.boot) return 0;
  const from = before.fragment.boot === boot ? before.fragment.endMonoMs : Number.NEGATIVE_INFINITY;
  return Math.min(gap.fromMonoMs + gap.durationMs, g.startMonoMs) - Math.max(gap.fromMonoMs, from);
}
