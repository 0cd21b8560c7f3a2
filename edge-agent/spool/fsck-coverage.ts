/** The accounting's part of fsck (S5): the time of each stream, boot by boot, is in fragments or in gaps, without a hole. */

import { GAP_MIN_MS } from './coverage.js';
import type { Findings, FsckReport } from './fsck.js';
import type { IndexDb } from './index-db.js';
import { durationMs } from './rows.js';
import { REEL_GONE } from './schema.js';

interface Span {
  from: number;
  to: number;
}

/** Rounding of recorded times, twice, beside the shortest gap. */
/** One gap reaches back over no more boots than this. */
const BOOTS_MAX = 1000;
const HOLE_MS = GAP_MIN_MS + 1;

export function checkCoverage(index: IndexDb, findings: Findings, counts: FsckReport['counts']): void {
  for (const stream of index.streams()) {
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
    for (const reel of [...index.reelsOfStream(stream.id)]) {
      if (reel.state === REEL_GONE) continue;
      for (const fragment of index.fragments(reel)) add(reel.boot, fragment.startMono, fragment.startMono + durationMs(fragment));
    }
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

/** The part of a gap from before its boot belongs to the time of the boot before, where the way back is known. */
function addGap(index: IndexDb, add: (boot: number, from: number, to: number) => void, boot: number, from: number, to: number): void {
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
