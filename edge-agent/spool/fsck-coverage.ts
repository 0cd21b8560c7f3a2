/** The accounting's part of fsck (S5): the time of each stream, boot by boot, is in fragments or in gaps, without a hole. */

import { isCameraRendition, parseStreamText } from '@longroof/protocol/fragment';
import { GAP_MIN_MS } from './coverage.js';
import type { Findings, FsckReport } from './fsck.js';
import type { IndexDb } from './index-db.js';
import { adjoins, durationMs, type MediaSpan } from './rows.js';
import { REEL_GONE } from './schema.js';

interface Span {
  from: number;
  to: number;
}

/** One gap reaches back over no more boots than this. */
const BOOTS_MAX = 1000;
/** Rounding of recorded times, twice, beside the shortest gap. */
const HOLE_MS = GAP_MIN_MS + 1;

export function checkCoverage(index: IndexDb, findings: Findings, counts: FsckReport['counts']): void {
  for (const stream of index.streams()) {
    if (!isCameraRendition(parseStreamText(stream.name)?.rendition)) continue;
    const boots = new Map<number, Span[]>();
    const add = (boot: number, from: number, to: number): void => {
      const spans = boots.get(boot) ?? [];
      boots.set(boot, spans);
      const last = spans.at(-1);
      if (last && from <= last.to + HOLE_MS && from >= last.from) last.to = Math.max(last.to, to);
      else spans.push({ from, to });
    };
    for (const gap of [...index.gaps(stream.id)]) {
      counts.gaps += 1;
      addGap(index, add, gap.boot, gap.fromMono, gap.fromMono + gap.duration);
    }
    addFootage(index, stream.id, add);
    for (const spans of boots.values()) {
      let to = Number.POSITIVE_INFINITY;
      for (const span of spans.sort((a, b) => a.from - b.from)) {
        const holeMs = span.from - to;
        if (holeMs > HOLE_MS)
          findings.bad('coverage', stream.name, `${Math.round(holeMs)} ms from ${to} to ${span.from} are in no fragment and no gap`);
        to = to === Number.POSITIVE_INFINITY ? span.to : Math.max(to, span.to);
      }
    }
  }
}

type Add = (boot: number, from: number, to: number) => void;

/** Fragments that adjoin by media time touch, whatever their monotonic times say. */
function addFootage(index: IndexDb, stream: number, add: Add): void {
  let last: MediaSpan | undefined;
  const reels = [...index.reelsOfStream(stream)].filter((reel) => reel.state !== REEL_GONE);
  for (const reel of reels.sort((a, b) => a.run - b.run || a.seqFirst - b.seqFirst)) {
    const initSha256 = reel.initSha.toString('hex');
    for (const row of index.fragments(reel)) {
      const { start90k, duration90k, startMono: startMonoMs } = row;
      const span: MediaSpan = { run: reel.run, initSha256, start90k, duration90k, startMonoMs };
      const lastEnd = last && adjoins(last, span) ? last.startMonoMs + durationMs(last) : startMonoMs;
      add(reel.boot, Math.min(startMonoMs, lastEnd), startMonoMs + durationMs(row));
      last = span;
    }
  }
}

/** The part of a gap from before its boot belongs to the time of the boot before, where the way back is known. */
function addGap(index: IndexDb, add: Add, boot: number, from: number, to: number): void {
  let own = boot;
  let start = from;
  let end = to;
  for (let boots = 0; boots < BOOTS_MAX; boots++) {
    if (end > 0) add(own, Math.max(start, 0), end);
    const back = start < 0 ? index.shift(own) : undefined;
    if (!back) return;
    start -= back.shiftMs;
    end = Math.min(end, 0) - back.shiftMs;
    own = back.before;
  }
}
