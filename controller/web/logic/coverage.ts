/**
 * What a timeline shows, apart from how it looks: rows of footage and gaps from the API's coverage, what is at a time, sums over a
 * range, bars in pixels and the ticks of the axis. Pure functions; times are UTC milliseconds, ranges include their start only.
 */

/** The member of the API's shapes that is used here; kept structural so that this folder stands alone. */
export interface CoverageLike {
  cameras: {
    camera: string;
    rendition: 'original' | 'proxy';
    footage: { from: string; to: string; where: Where; bytes: number; clock: { source: string; errorMs: number } }[];
    gaps: { from: string; to: string; cause: string; detail?: string }[];
  }[];
}
export type Where = 'wagon' | 'centre' | 'wagon-and-centre' | 'disposed' | 'lost';

export interface Range {
  fromMs: number;
  toMs: number;
}

export interface FootagePiece extends Range {
  kind: 'footage';
  where: Where;
  bytes: number;
  clock: { source: string; errorMs: number };
}
export interface GapPiece extends Range {
  kind: 'gap';
  cause: string;
  detail?: string;
}
export type Piece = FootagePiece | GapPiece;

export interface Row {
  camera: string;
  rendition: 'original' | 'proxy';
  /** By start. */
  pieces: Piece[];
}

/** Footage nearer together than this is drawn as one. */
const JOIN_MS = 50;

function joined(pieces: Piece[]): Piece[] {
  pieces.sort((a, b) => a.fromMs - b.fromMs);
  const out: Piece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (last && Math.abs(piece.fromMs - last.toMs) <= JOIN_MS && same(last, piece)) {
      last.toMs = Math.max(last.toMs, piece.toMs);
      if (last.kind === 'footage' && piece.kind === 'footage') {
        last.bytes += piece.bytes;
        last.clock.errorMs = Math.max(last.clock.errorMs, piece.clock.errorMs);
      }
    } else out.push(piece);
  }
  return out;
}

function same(a: Piece, b: Piece): boolean {
  if (a.kind === 'footage' && b.kind === 'footage') return a.where === b.where && a.clock.source === b.clock.source;
  return a.kind === 'gap' && b.kind === 'gap' && a.cause === b.cause && a.detail === b.detail;
}

/** Rows in the order of the camera's name, the original in front of the proxy. */
export function rowsOf(coverage: CoverageLike): Row[] {
  const rows = coverage.cameras.map((camera): Row => {
    const footage = camera.footage.map(
      (item): Piece => ({
        kind: 'footage',
        fromMs: Date.parse(item.from),
        toMs: Date.parse(item.to),
        where: item.where,
        bytes: item.bytes,
        clock: { ...item.clock },
      }),
    );
    const gaps = camera.gaps.map(
      (item): Piece => ({
        kind: 'gap',
        fromMs: Date.parse(item.from),
        toMs: Date.parse(item.to),
        cause: item.cause,
        ...(item.detail === undefined ? {} : { detail: item.detail }),
      }),
    );
    return { camera: camera.camera, rendition: camera.rendition, pieces: joined([...footage, ...gaps]) };
  });
  return rows.sort((a, b) => a.camera.localeCompare(b.camera) || a.rendition.localeCompare(b.rendition));
}

/** A gap in the recording itself; time that is not reported yet may still turn out to be footage. */
export function isRealGap(piece: Piece): boolean {
  return piece.kind === 'gap' && !isOpen(piece.cause);
}

/**
 * What the row says of a time. A gap wins over footage that overlaps it by a rounding; within `slackMs` the nearest gap wins over
 * what is no gap, so that a short one can be hit.
 */
export function pieceAt(row: Row, atMs: number, slackMs = 0): Piece | undefined {
  let here: Piece | undefined;
  let near: Piece | undefined;
  let nearMs = slackMs;
  for (const piece of row.pieces) {
    if (piece.fromMs > atMs + slackMs) break;
    if (piece.fromMs <= atMs && atMs < piece.toMs && (here === undefined || isRealGap(piece))) here = piece;
    const distanceMs = Math.max(piece.fromMs - atMs, atMs - piece.toMs, 0);
    if (isRealGap(piece) && distanceMs <= nearMs) {
      near = piece;
      nearMs = distanceMs;
    }
  }
  return here && isRealGap(here) ? here : (near ?? here);
}

const UNREPORTED = 'not-yet-reported';
const RECORDING = 'being-recorded';
/** Before the camera was set up there was nothing to miss. */
const BEFORE = 'configuration';
/** As planned: a parked wagon that spares its battery. A gap all the same. */
const SPARED = 'power-saving';

/** Neither footage yet nor a loss. */
export function isOpen(cause: string): boolean {
  return cause === UNREPORTED || cause === RECORDING;
}

const gone = (piece: Piece): boolean => piece.kind === 'footage' && (piece.where === 'disposed' || piece.where === 'lost');

export interface Sum {
  footageMs: number;
  bytes: number;
  gapMs: number;
  /** Gaps and footage that is gone, cut to the range. */
  gaps: { fromMs: number; toMs: number; cause: string; detail?: string }[];
}

/** What a row holds within a range. Footage that is gone counts as a gap of that cause. */
export function sumOf(row: Row, range: Range): Sum {
  const sum: Sum = { footageMs: 0, bytes: 0, gapMs: 0, gaps: [] };
  for (const piece of row.pieces) {
    const fromMs = Math.max(piece.fromMs, range.fromMs);
    const toMs = Math.min(piece.toMs, range.toMs);
    if (toMs <= fromMs) continue;
    if (piece.kind === 'footage' && !gone(piece)) {
      sum.footageMs += toMs - fromMs;
      sum.bytes += piece.bytes * ((toMs - fromMs) / (piece.toMs - piece.fromMs));
    } else {
      sum.gapMs += toMs - fromMs;
      const cause = piece.kind === 'gap' ? piece.cause : piece.where;
      sum.gaps.push({ fromMs, toMs, cause, ...(piece.kind === 'gap' && piece.detail !== undefined ? { detail: piece.detail } : {}) });
    }
  }
  return sum;
}

/**
 * The part that was recorded of the time that the unit has reported on and the camera was set up; undefined where there is none, and
 * while the very first reel is open.
 */
export function recordedShare(row: Row, range: Range): number | undefined {
  const sum = sumOf(row, range);
  if (sum.footageMs === 0 && sum.gaps.some((gap) => gap.cause === RECORDING)) return undefined;
  const asideMs = sum.gaps.reduce((ms, gap) => ms + (isOpen(gap.cause) || gap.cause === BEFORE ? gap.toMs - gap.fromMs : 0), 0);
  const reportedMs = sum.footageMs + sum.gapMs - asideMs;
  return reportedMs > 0 ? sum.footageMs / reportedMs : undefined;
}

export interface GroupedGap extends Range {
  cause: string;
  detail?: string;
  rows: { camera: string; rendition: 'original' | 'proxy' }[];
}

/** Gaps of several rows that begin and end together, for the same cause, are one: a power cut is told once. */
const TOGETHER_MS = 2_000;

/** Every gap of the rows within the range, latest first; `tailMs`: what is not reported yet for no longer than this is no gap. */
export function groupedGaps(rows: readonly Row[], range: Range, tailMs = 0): GroupedGap[] {
  const all = rows
    .flatMap((row) => sumOf(row, range).gaps.map((gap) => ({ ...gap, camera: row.camera, rendition: row.rendition })))
    .filter((gap) => gap.cause !== RECORDING)
    .filter((gap) => !(gap.cause === UNREPORTED && gap.toMs >= range.toMs && gap.toMs - gap.fromMs <= tailMs));
  return groupGaps(all);
}

export interface SingleGap extends Range {
  camera: string;
  rendition: 'original' | 'proxy';
  cause: string;
  detail?: string;
}

/** Latest first. What is shorter than the millisecond that times are told in is left out. */
export function groupGaps(gaps: readonly SingleGap[]): GroupedGap[] {
  const groups: GroupedGap[] = [];
  const sorted = gaps.filter((gap) => gap.toMs - gap.fromMs >= 1).sort((a, b) => b.fromMs - a.fromMs);
  for (const { camera, rendition, ...gap } of sorted) {
    let group: GroupedGap | undefined;
    for (let at = groups.length - 1; at >= 0 && groups[at]!.fromMs - gap.fromMs <= TOGETHER_MS; at--) {
      const one = groups[at]!;
      const together = Math.abs(one.toMs - gap.toMs) <= TOGETHER_MS && one.cause === gap.cause && one.detail === gap.detail;
      if (together && !one.rows.some((other) => other.camera === camera && other.rendition === rendition)) group = one;
    }
    if (group) group.rows.push({ camera, rendition });
    else groups.push({ ...gap, rows: [{ camera, rendition }] });
  }
  return groups;
}

export type BarLook = 'wagon' | 'centre' | 'both' | 'gone' | 'gap' | 'spared' | 'unreported' | 'recording' | 'before';

export interface Bar {
  x: number;
  width: number;
  look: BarLook;
}

export function gapLook(cause: string): BarLook {
  if (cause === UNREPORTED) return 'unreported';
  if (cause === RECORDING) return 'recording';
  if (cause === BEFORE) return 'before';
  if (cause === SPARED) return 'spared';
  return cause === 'disposed' || cause === 'lost' ? 'gone' : 'gap';
}

function lookOf(piece: Piece): BarLook {
  if (piece.kind === 'gap') return gapLook(piece.cause);
  if (gone(piece)) return 'gone';
  return piece.where === 'wagon' ? 'wagon' : piece.where === 'centre' ? 'centre' : 'both';
}

/** A gap is never drawn narrower than this, however short it is. */
export const GAP_WIDTH_MIN = 3;

/** Bars in pixels, footage first, so that a short gap lies on top and stays in sight. At most two for each pixel. */
export function barsOf(row: Row, span: Range, width: number): Bar[] {
  const perMs = width / (span.toMs - span.fromMs);
  const footage: Bar[] = [];
  const gaps: Bar[] = [];
  for (const piece of row.pieces) {
    const from = (Math.max(piece.fromMs, span.fromMs) - span.fromMs) * perMs;
    const to = (Math.min(piece.toMs, span.toMs) - span.fromMs) * perMs;
    if (to <= 0 || from >= width || to <= from) continue;
    const look = lookOf(piece);
    const isGap = look === 'gap' || look === 'gone' || look === 'spared';
    const barWidth = Math.max(to - from, isGap ? GAP_WIDTH_MIN : 0.5);
    const list = isGap ? gaps : footage;
    const x = Math.min(from, width - barWidth);
    const last = list.at(-1);
    if (last && last.look === look && x - (last.x + last.width) < 0.5) last.width = Math.max(last.width, x + barWidth - last.x);
    else list.push({ x, width: barWidth, look });
  }
  return [...footage, ...gaps];
}

const TICK_STEPS_MS = [1, 2, 5, 10, 15, 30]
  .map((s) => s * 1000)
  .concat(
    [1, 2, 5, 10, 15, 30].map((m) => m * 60_000),
    [1, 2, 3, 6, 12].map((h) => h * 3_600_000),
    [1, 2, 7].map((d) => d * 86_400_000),
  );

/** Round local times across the span, at most `countMax`. `zoneOffsetMs`: local time minus UTC. */
export function ticksOf(span: Range, countMax: number, zoneOffsetMs: number): { atMs: number[]; stepMs: number } {
  const lengthMs = span.toMs - span.fromMs;
  const stepMs = TICK_STEPS_MS.find((step) => lengthMs / step <= Math.max(1, countMax)) ?? TICK_STEPS_MS.at(-1)!;
  const atMs: number[] = [];
  for (
    let at = Math.ceil((span.fromMs + zoneOffsetMs) / stepMs) * stepMs - zoneOffsetMs;
    at < span.toMs && atMs.length < 64;
    at += stepMs
  ) {
    atMs.push(at);
  }
  return { atMs, stepMs };
}
