/**
 * Durable fragments of a span of wall time, in order, and what of the span is missing and why. Wall times are the best known today:
 * a clock that was set later also moves the footage from before.
 */
import type { UtcMs } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { type StreamName, streamText, type WallClaim } from '@longroof/protocol/fragment';
import type { GapCause } from '@longroof/protocol/gap';
import { merklePaths } from '@longroof/protocol/merkle';
import { GAP_MIN_MS } from './coverage.js';
import { reelPath } from './retention.js';
import { adjoins, durationMs, type FragmentRow, fragmentMeta, type ReelRow } from './rows.js';
import type { FragmentRun, Selection, StoredFragment } from './spool.js';
import type { CoreState } from './state.js';
import { WallIndex, type WallSpan } from './wall-index.js';

/** A selection of more is refused: ask for less time. */
export const SELECT_FRAGMENTS_MAX = 20_000;

/** Fragments so far outside are looked at too: one that adjoins what is inside leaves no hole at the edge. */
const EDGE_MS = 2000;

interface Cause extends WallSpan {
  cause: GapCause | undefined;
}

/** Throws `too-large` (LR_SPOOL_SELECT) beyond SELECT_FRAGMENTS_MAX. */
export function select(state: CoreState, streams: readonly StreamName[], fromUtcMs: UtcMs, toUtcMs: UtcMs): Selection {
  const selection: Selection = { fragments: [], missing: [] };
  const wall = new WallIndex(state.index);
  const nowUtcMs = state.recovered.wall.now().utcMs;
  const span = { from: fromUtcMs, to: Math.min(toUtcMs, nowUtcMs) };
  for (const name of streams) {
    const text = streamText(name);
    const id = state.index.knownStreamId(text);
    const covered: WallSpan[] = [];
    if (id !== undefined) selectFragments(state, wall, { text, id }, fromUtcMs, toUtcMs, selection.fragments, covered);
    if (span.to <= span.from) continue;
    const causes: Cause[] = id === undefined ? [{ ...span, cause: 'unknown-camera' }] : causesOf(state, wall, id, text, nowUtcMs);
    for (const { from, to, cause } of explain(holes(span, covered), causes))
      selection.missing.push({ camera: name.camera, rendition: name.rendition, fromUtcMs: from, toUtcMs: to, cause });
  }
  return selection;
}

/** Reels of a stream that may hold footage of a span. */
export function reelsIn(state: CoreState, wall: WallIndex, stream: number, from: UtcMs, to: UtcMs): ReelRow[] {
  const ids: number[] = [];
  for (const reel of state.index.reelTimes(stream)) {
    const hull = wall.hullOfReel(reel);
    if (hull.from < to && hull.to > from) ids.push(reel.id);
  }
  return ids.map((id) => state.index.reel(id)!);
}

function selectFragments(
  state: CoreState,
  wall: WallIndex,
  stream: { text: string; id: number },
  from: UtcMs,
  to: UtcMs,
  into: StoredFragment[],
  covered: WallSpan[],
): void {
  const boots = bootsOf(state);
  const found: (StoredFragment & { isInside: boolean })[] = [];
  let insideCount = into.length;
  for (const reel of reelsIn(state, wall, stream.id, from - EDGE_MS, to + EDGE_MS)) {
    const rows = state.index.fragments(reel);
    const places = placesIn(reel, rows);
    for (const [index, row] of rows.entries()) {
      const best = wall.ofFragment(row, reel);
      const end = best.utcMs + durationMs(row);
      if (best.utcMs >= to + EDGE_MS || end <= from - EDGE_MS) continue;
      const isInside = best.utcMs < to && end > from;
      const one = { stream: stream.text, reel, boot: boots.get(reel.boot) ?? '', row, wall: best };
      found.push({ ...storedFragment(state, one, places?.[index], index, rows.length), isInside });
      if (isInside) insideCount += 1;
      if (insideCount > SELECT_FRAGMENTS_MAX)
        throw new Fault('too-large', 'LR_SPOOL_SELECT', `more than ${SELECT_FRAGMENTS_MAX} fragments between these times`, {
          hint: 'Ask for less time or fewer cameras at once.',
        });
    }
  }
  found.sort((a, b) => a.wall.utcMs - b.wall.utcMs || a.meta.run - b.meta.run || a.meta.seq - b.meta.seq);
  let last: StoredFragment | undefined;
  for (const { isInside, ...fragment } of found) {
    const { meta, wall: at } = fragment;
    const lastEnd = last && adjoins(last.meta, meta) ? last.wall.utcMs + durationMs(last.meta) : at.utcMs;
    covered.push({ from: Math.min(at.utcMs, lastEnd), to: at.utcMs + durationMs(meta) });
    if (isInside) into.push(fragment);
    last = fragment;
  }
}

function bootsOf(state: CoreState): Map<number, string> {
  return new Map(state.index.boots().map((row) => [row.id, row.boot]));
}

interface Found {
  stream: string;
  reel: ReelRow;
  boot: string;
  row: FragmentRow;
  wall: WallClaim;
}

function storedFragment(state: CoreState, found: Found, steps: Buffer[] | undefined, index: number, count: number): StoredFragment {
  const { stream, reel, boot, row, wall } = found;
  const place = steps ? { place: { index, count, path: steps.map((step) => step.toString('hex')) } } : {};
  return {
    ...{ meta: fragmentMeta(row, reel, state.options.unit, stream, boot), wall, reelPath: reelPath(state.options.path, stream, reel) },
    ...{ offset: row.at, released: row.released !== 0, ...place },
  };
}

export function selectNamed(state: CoreState, { run, seqFirst, seqLast, ...name }: FragmentRun): StoredFragment[] {
  const stream = streamText(name);
  const id = state.index.knownStreamId(stream);
  const wall = new WallIndex(state.index);
  const boots = bootsOf(state);
  const found: StoredFragment[] = [];
  for (const reel of id === undefined ? [] : state.index.reelsWith(id, run, seqFirst, seqLast)) {
    const rows = state.index.fragments(reel);
    const places = placesIn(reel, rows);
    for (const [index, row] of rows.entries()) {
      if (row.seq < seqFirst || row.seq > seqLast) continue;
      const one = { stream, reel, boot: boots.get(reel.boot) ?? '', row, wall: wall.ofFragment(row, reel) };
      found.push(storedFragment(state, one, places?.[index], index, rows.length));
    }
  }
  return found;
}

/** Paths of all fragments of a closed reel: what its catalogue record says then stays so. */
export function placesIn(reel: ReelRow, rows: readonly FragmentRow[]): Buffer[][] | undefined {
  return reel.root !== null && rows.length === reel.count ? merklePaths(rows.map((row) => row.sha)) : undefined;
}

/** What of `span` the covered spans leave open. */
export function holes(span: WallSpan, covered: readonly WallSpan[]): WallSpan[] {
  const open: WallSpan[] = [];
  let at = span.from;
  for (const one of [...covered].sort((a, b) => a.from - b.from)) {
    if (one.from - at > GAP_MIN_MS) open.push({ from: at, to: Math.min(one.from, span.to) });
    at = Math.max(at, one.to);
    if (at >= span.to) return open;
  }
  if (span.to - at > GAP_MIN_MS) open.push({ from: at, to: span.to });
  return open;
}

/** Recorded gaps of a stream, the one that is open now, and the time before there was anything. `undefined`: still on its way to disk. */
function causesOf(state: CoreState, wall: WallIndex, stream: number, text: string, nowUtcMs: UtcMs): Cause[] {
  const causes: Cause[] = [];
  let first = nowUtcMs;
  for (const gap of state.index.gaps(stream)) {
    const span = wall.ofGap(gap);
    first = Math.min(first, span.from);
    causes.push({ ...span, cause: gap.cause as GapCause });
  }
  const oldest = state.index.firstReel(stream);
  if (oldest) first = Math.min(first, wall.startOfReel(oldest));
  const live = state.streams.get(text);
  if (live) {
    const { cause, atMonoMs } = live.coverage.cause;
    const accounted = live.coverage.accountedMonoMs;
    const from = Math.min(nowUtcMs, nowUtcMs - (state.options.clock.mono() - accounted));
    const isGap = !live.coverage.isOpen || atMonoMs >= accounted;
    causes.push({ from, to: Number.POSITIVE_INFINITY, cause: isGap ? cause : undefined });
    first = Math.min(first, from);
  }
  causes.push({ from: Number.NEGATIVE_INFINITY, to: first, cause: 'configuration' });
  return causes.sort((a, b) => a.from - b.from);
}

/** Cuts holes by cause. What no cause covers takes that of the time before it: clocks that were set leave such slivers. */
export function explain(open: readonly WallSpan[], causes: readonly Cause[]): { from: UtcMs; to: UtcMs; cause: GapCause }[] {
  const explained: { from: UtcMs; to: UtcMs; cause: GapCause }[] = [];
  for (const hole of open) {
    let at = hole.from;
    let last: GapCause | undefined = 'damaged';
    const push = (to: UtcMs, cause: GapCause | undefined): void => {
      if (to <= at) return;
      const before = explained.at(-1);
      if (cause !== undefined) {
        if (before && before.cause === cause && before.to === at) before.to = to;
        else explained.push({ from: at, to, cause });
      }
      at = to;
    };
    for (const cause of causes) {
      if (cause.to <= at) {
        if (cause.cause !== 'configuration') last = cause.cause ?? last;
        continue;
      }
      if (cause.from >= hole.to) break;
      push(Math.min(cause.from, hole.to), last);
      push(Math.min(cause.to, hole.to), cause.cause);
      last = cause.cause;
    }
    push(hole.to, last);
  }
  return explained;
}
