/**
 * The scrubber runs over the wall time that was asked for, not over the footage that came: what is missing has its place and its
 * cause. A slider for the keyboard and the screen reader; always from left to right.
 */
import { useElementSize } from '@mantine/hooks';
import { type KeyboardEvent, type PointerEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { BarLook, Range } from '../logic/coverage.js';
import { mediaAt, stretches, type TimedSegment } from '../logic/wall-map.js';
import { useFormat } from '../parts/use-format.js';

export interface ScrubberGap extends Range {
  /** In words. */
  cause: string;
  look: BarLook;
}

interface ScrubberProps {
  range: Range;
  segments: TimedSegment[];
  gaps: ScrubberGap[];
  wallMs: number | undefined;
  onSeek(utcMs: number): void;
}

const HEIGHT = 22;
const STEP_MS = 5_000;
const GAP_WIDTH_MIN = 3;

export function Scrubber({ range, segments, gaps, wallMs, onSeek }: ScrubberProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [hoverMs, setHoverMs] = useState<number>();
  const lengthMs = Math.max(1, range.toMs - range.fromMs);
  const x = (ms: number): number => ((Math.min(Math.max(ms, range.fromMs), range.toMs) - range.fromMs) / lengthMs) * width;
  const atMs = wallMs ?? range.fromMs;
  const pointed = hoverMs ?? undefined;
  const slackMs = width > 0 ? (lengthMs / width) * GAP_WIDTH_MIN : 0;
  const gap = pointed === undefined ? undefined : gaps.find((one) => one.fromMs - slackMs <= pointed && pointed < one.toMs + slackMs);
  const msOf = (event: PointerEvent): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return range.fromMs + (Math.min(Math.max(event.clientX - box.left, 0), box.width) / Math.max(1, box.width)) * lengthMs;
  };
  const press = (event: PointerEvent<HTMLElement>): void => {
    if (event.type === 'pointerdown') event.currentTarget.setPointerCapture(event.pointerId);
    setHoverMs(msOf(event));
    if (event.type === 'pointerdown' || event.buttons === 1) onSeek(msOf(event));
  };
  return (
    <div className="scrubber" dir="ltr">
      <div
        ref={ref}
        className="track"
        role="slider"
        tabIndex={0}
        aria-label={t('player.scrubber')}
        aria-valuemin={range.fromMs}
        aria-valuemax={range.toMs}
        aria-valuenow={Math.round(atMs)}
        aria-valuetext={format.dateTime(atMs)}
        onPointerDown={press}
        onPointerMove={press}
        onPointerLeave={() => setHoverMs(undefined)}
        onKeyDown={(event) => onKey(event, range, segments, atMs, onSeek)}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          <rect className="bar none" width={width} height={HEIGHT} />
          {stretches(segments).map((part) => (
            <rect
              key={part.fromMs}
              className="bar centre"
              x={x(part.fromMs)}
              width={Math.max(1, x(part.toMs) - x(part.fromMs))}
              height={HEIGHT}
            />
          ))}
          {gaps.map((one) => (
            <rect
              key={`${one.fromMs} ${one.cause}`}
              className={`bar ${one.look}`}
              x={Math.min(x(one.fromMs), width - GAP_WIDTH_MIN)}
              width={Math.max(GAP_WIDTH_MIN, x(one.toMs) - x(one.fromMs))}
              height={HEIGHT}
            />
          ))}
          {wallMs === undefined ? null : <rect className="head" x={x(wallMs) - 1.5} width={3} height={HEIGHT} />}
        </svg>
      </div>
      <p className="scrub-note" dir="auto" data-testid="scrub-note">
        {pointed === undefined ? (
          <>
            <span>{format.time(range.fromMs)}</span> — <span>{format.time(range.toMs)}</span>
          </>
        ) : (
          <>
            {format.time(pointed)}
            {gap ? ` — ${t('player.gapHere', { cause: gap.cause })}` : ''}
          </>
        )}
      </p>
    </div>
  );
}

function onKey(event: KeyboardEvent, range: Range, segments: TimedSegment[], atMs: number, onSeek: (utcMs: number) => void): void {
  let toMs: number | undefined;
  if (event.key === 'ArrowRight') toMs = atMs + STEP_MS;
  else if (event.key === 'ArrowLeft') toMs = stepBack(segments, atMs);
  else if (event.key === 'Home') toMs = range.fromMs;
  else if (event.key === 'End') toMs = (stretches(segments).at(-1)?.toMs ?? range.toMs) - 1_000;
  if (toMs === undefined) return;
  event.preventDefault();
  onSeek(Math.max(range.fromMs, toMs));
}

/** Five seconds of footage back: across a gap, not into it, or the reader would be thrown forward again. */
function stepBack(segments: TimedSegment[], atMs: number): number {
  const wantedMs = atMs - STEP_MS;
  const mediaS = mediaAt(segments, wantedMs);
  const before = segments.findLast((segment) => segment.utcMs <= wantedMs);
  const inFootage = before !== undefined && wantedMs < before.utcMs + before.durationS * 1000;
  if (inFootage || mediaS === undefined || before === undefined) return wantedMs;
  return before.utcMs + Math.max(0, before.durationS * 1000 - STEP_MS);
}
