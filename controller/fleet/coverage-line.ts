/**
 * One stream's time line from what the wagon told (reels, gaps) and what the centre holds (islands of fragments). Pure. Each instant of
 * the span comes out once: footage and where it is, or a gap and its cause; what nobody has told yet is a gap
 * `not-yet-reported`, or `being-recorded` where the wagon says it records and the reel is still open.
 */
import type { UtcMs } from '@longroof/base/clock';
import type { Where } from './shapes.js';

export interface Claim {
  source: string;
  errorMs: number;
}

/** A reel on the wagon, by its catalogue record. */
export interface ReelSpan {
  epoch: string;
  run: number;
  seqFirst: number;
  count: number;
  startMonoMs: number;
  startUtcMs: UtcMs;
  durationMs: number;
  bytes: number;
  claim: Claim;
  gone: 'released' | 'expired' | 'lost' | null;
}

/** Consecutive fragments at the centre without a break in time. */
export interface IslandSpan {
  epoch: string;
  run: number;
  seqFirst: number;
  seqLast: number;
  startMonoMs: number;
  endMonoMs: number;
  startUtcMs: UtcMs;
  bytes: number;
  claim: Claim;
}

export interface GapSpan {
  fromMs: UtcMs;
  toMs: UtcMs;
  cause: string;
  detail?: string;
}

export interface FootageSpan {
  fromMs: UtcMs;
  toMs: UtcMs;
  where: Where;
  bytes: number;
  claim: Claim;
}

export interface Line {
  footage: FootageSpan[];
  gaps: GapSpan[];
}

/** Footage nearer together is one: durations are rounded, frames come a little late. */
const JOIN_MS = 250;
/** Less of nothing is not told: clocks that were set right leave slivers between reels. */
const SLIVER_MS = 1000;

/**
 * `bornMs`: before it the stream did not exist, as far as the wagon's journal says. `openMs`: the time of which the wagon says that it
 * is being recorded; its reel is told when it closes.
 */
export function layLine(
  span: { fromMs: UtcMs; toMs: UtcMs; bornMs: UtcMs | undefined; openMs?: readonly [UtcMs, UtcMs] | undefined },
  told: { reels: readonly ReelSpan[]; islands: readonly IslandSpan[]; gaps: readonly GapSpan[] },
): Line {
  const footage = joinFootage(cutReels(told.reels, told.islands), span.fromMs, span.toMs);
  const gaps: GapSpan[] = [];
  for (const gap of [...told.gaps].sort((a, b) => a.fromMs - b.fromMs)) {
    const fromMs = Math.max(gap.fromMs, span.fromMs, gaps.at(-1)?.toMs ?? span.fromMs);
    for (const [from, to] of holes(footage, fromMs, Math.min(gap.toMs, span.toMs))) gaps.push({ ...gap, fromMs: from, toMs: to });
  }
  const covered = [...footage, ...gaps].sort((a, b) => a.fromMs - b.fromMs);
  for (const [from, to] of holes(covered, span.fromMs, span.toMs)) {
    if (to - from < SLIVER_MS) continue;
    const bornMs = Math.min(to, Math.max(from, span.bornMs ?? from));
    if (bornMs > from) gaps.push({ fromMs: from, toMs: bornMs, cause: 'configuration' });
    const [openFrom, openTo] = (span.openMs ?? [to, to]).map((ms) => Math.min(to, Math.max(bornMs, ms))) as [number, number];
    if (openFrom > bornMs) gaps.push({ fromMs: bornMs, toMs: openFrom, cause: 'not-yet-reported' });
    if (openTo > openFrom) gaps.push({ fromMs: openFrom, toMs: openTo, cause: 'being-recorded' });
    if (to > openTo) gaps.push({ fromMs: openTo, toMs: to, cause: 'not-yet-reported' });
  }
  return { footage, gaps: gaps.sort((a, b) => a.fromMs - b.fromMs) };
}

/** What of [fromMs, toMs) lies in none of the spans, which are in order of their beginning. */
function* holes(spans: readonly { fromMs: number; toMs: number }[], fromMs: number, toMs: number): Generator<[number, number]> {
  let at = fromMs;
  for (const span of spans) {
    if (span.toMs <= at) continue;
    if (span.fromMs >= toMs) break;
    if (span.fromMs > at) yield [at, span.fromMs];
    at = Math.max(at, span.toMs);
  }
  if (at < toMs) yield [at, toMs];
}

/** Reels cut where fragments at the centre begin and end; then what is at the centre of no reel that is known. */
function cutReels(reels: readonly ReelSpan[], islands: readonly IslandSpan[]): FootageSpan[] {
  const out: FootageSpan[] = [];
  const loose = new Map(islands.map((island) => [island, [[island.startMonoMs, island.endMonoMs]] as [number, number][]]));
  const byRun = new Map<string, IslandSpan[]>();
  for (const island of islands) byRun.set(runKey(island), [...(byRun.get(runKey(island)) ?? []), island]);
  for (const reel of reels) {
    const own = (byRun.get(runKey(reel)) ?? []).filter(
      (island) => island.seqFirst < reel.seqFirst + reel.count && island.seqLast >= reel.seqFirst,
    );
    const endMonoMs = reel.startMonoMs + reel.durationMs;
    for (const island of own) loose.set(island, without(loose.get(island) ?? [], reel.startMonoMs, endMonoMs));
    cutReel(reel, own, out);
  }
  for (const [island, parts] of loose)
    for (const [fromMono, toMono] of parts) {
      if (toMono - fromMono < JOIN_MS) continue;
      const fromMs = island.startUtcMs + fromMono - island.startMonoMs;
      const share = (toMono - fromMono) / (island.endMonoMs - island.startMonoMs);
      out.push({ fromMs, toMs: fromMs + toMono - fromMono, where: 'centre', bytes: island.bytes * share, claim: island.claim });
    }
  return out;
}

function runKey(of: { epoch: string; run: number }): string {
  return `${of.epoch}/${of.run}`;
}

/** Islands are in order of seq. */
function cutReel(reel: ReelSpan, islands: readonly IslandSpan[], out: FootageSpan[]): void {
  const endMonoMs = reel.startMonoMs + reel.durationMs;
  const emit = (fromMono: number, toMono: number, here: boolean): void => {
    if (toMono <= fromMono) return;
    const fromMs = reel.startUtcMs + fromMono - reel.startMonoMs;
    const bytes = reel.durationMs > 0 ? (reel.bytes * (toMono - fromMono)) / reel.durationMs : reel.bytes;
    out.push({ fromMs, toMs: fromMs + toMono - fromMono, where: whereIs(reel.gone, here), bytes, claim: reel.claim });
  };
  let at = reel.startMonoMs;
  for (const island of islands) {
    // The ends of a reel are told by its record: an island that reaches into its neighbour covers them.
    const from = island.seqFirst <= reel.seqFirst ? reel.startMonoMs : Math.max(reel.startMonoMs, island.startMonoMs);
    const to = island.seqLast >= reel.seqFirst + reel.count - 1 ? endMonoMs : Math.min(endMonoMs, island.endMonoMs);
    emit(at, from, false);
    emit(Math.max(at, from), to, true);
    at = Math.max(at, to);
  }
  emit(at, endMonoMs, false);
}

function whereIs(gone: ReelSpan['gone'], here: boolean): Where {
  if (here) return gone === null ? 'wagon-and-centre' : 'centre';
  if (gone === null) return 'wagon';
  return gone === 'lost' ? 'lost' : 'disposed';
}

function without(parts: readonly [number, number][], from: number, to: number): [number, number][] {
  const out: [number, number][] = [];
  for (const [a, b] of parts) {
    if (Math.min(b, from) > a) out.push([a, Math.min(b, from)]);
    if (b > Math.max(a, to)) out.push([Math.max(a, to), b]);
  }
  return out;
}

/** In order, clipped to the span, no two at once, neighbours in one place joined. */
function joinFootage(pieces: FootageSpan[], fromMs: UtcMs, toMs: UtcMs): FootageSpan[] {
  const out: FootageSpan[] = [];
  for (const piece of pieces.sort((a, b) => a.fromMs - b.fromMs)) {
    const last = out.at(-1);
    const clipped = clip(piece, Math.max(fromMs, last?.toMs ?? fromMs), toMs);
    if (!clipped) continue;
    const near = last !== undefined && clipped.fromMs - last.toMs <= JOIN_MS;
    if (near && last.where === clipped.where && last.claim.source === clipped.claim.source) {
      last.toMs = clipped.toMs;
      last.bytes += clipped.bytes;
      last.claim = { source: last.claim.source, errorMs: Math.max(last.claim.errorMs, clipped.claim.errorMs) };
    } else {
      if (near) clipped.fromMs = last.toMs;
      out.push(clipped);
    }
  }
  return out;
}

function clip(piece: FootageSpan, fromMs: UtcMs, toMs: UtcMs): FootageSpan | undefined {
  const from = Math.max(piece.fromMs, fromMs);
  const to = Math.min(piece.toMs, toMs);
  if (to <= from) return undefined;
  return { ...piece, fromMs: from, toMs: to, bytes: (piece.bytes * (to - from)) / (piece.toMs - piece.fromMs) };
}
