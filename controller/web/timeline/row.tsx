/**
 * One camera's row. Pointer and finger read and select; the keyboard does the same: it is a slider over time whose value is spoken
 * as time and what is there. Time runs from left to right in every language.
 */
import { type KeyboardEvent, type PointerEvent, useRef } from 'react';
import { barsOf, GAP_WIDTH_MIN, isRealGap, type Range, type Row } from '../logic/coverage.js';

export interface RowProps {
  row: Row;
  label: string;
  span: Range;
  width: number;
  /** Where the reader is, on this row; undefined elsewhere. */
  cursorMs: number | undefined;
  /** Where the reader is on any row. */
  sharedMs: number | undefined;
  selection: Range | undefined;
  valueText(atMs: number): string;
  onRead(atMs: number): void;
  onSelect(range: Range | undefined): void;
}

/** A shorter movement is a tap. */
const DRAG_MIN_PX = 5;
const STEPS = 120;

const clamp = (value: number, span: Range): number => Math.min(Math.max(value, span.fromMs), span.toMs);
/** A place to read at: the end is no part of the span. */
const placeIn = (value: number, span: Range): number => Math.min(clamp(value, span), span.toMs - 1);

export function TimelineRow(props: RowProps) {
  const { row, label, span, width, cursorMs, sharedMs, selection } = props;
  const height = row.rendition === 'original' ? 26 : 12;
  const perMs = width / (span.toMs - span.fromMs);
  const pointer = usePointer(props);
  const atMs = cursorMs ?? span.toMs - 1;
  const x = (ms: number): number => (ms - span.fromMs) * perMs;
  return (
    <div
      className="plot"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={span.fromMs}
      aria-valuemax={span.toMs}
      aria-valuenow={Math.round(atMs)}
      aria-valuetext={props.valueText(atMs)}
      data-camera={row.camera}
      data-rendition={row.rendition}
      onKeyDown={(event) => onKey(event, props, atMs)}
      onFocus={() => props.onRead(atMs)}
      {...pointer}
    >
      {width > 0 ? (
        <svg width={width} height={height} aria-hidden="true">
          <rect className="bar none" width={width} height={height} />
          {barsOf(row, span, width).map((bar) => (
            <rect key={`${bar.look}${bar.x.toFixed(2)}`} className={`bar ${bar.look}`} x={bar.x} width={bar.width} height={height} />
          ))}
          {selection ? (
            <rect
              className="selection"
              x={x(selection.fromMs)}
              width={Math.max(1, x(selection.toMs) - x(selection.fromMs))}
              height={height}
            />
          ) : null}
          {sharedMs === undefined ? null : <line className="cursor" x1={x(sharedMs)} x2={x(sharedMs)} y1={0} y2={height} />}
        </svg>
      ) : null}
    </div>
  );
}

function usePointer({ span, width, onRead, onSelect }: RowProps) {
  const start = useRef<{ x: number; atMs: number; dragged: boolean } | undefined>(undefined);
  const msOf = (event: PointerEvent): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return clamp(span.fromMs + ((event.clientX - box.left) / Math.max(1, width)) * (span.toMs - span.fromMs), span);
  };
  return {
    onPointerDown(event: PointerEvent<HTMLElement>) {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      start.current = { x: event.clientX, atMs: msOf(event), dragged: false };
      onRead(placeIn(msOf(event), span));
    },
    onPointerMove(event: PointerEvent<HTMLElement>) {
      const atMs = msOf(event);
      onRead(placeIn(atMs, span));
      const from = start.current;
      if (!from) return;
      if (Math.abs(event.clientX - from.x) >= DRAG_MIN_PX) from.dragged = true;
      if (from.dragged) onSelect({ fromMs: Math.min(from.atMs, atMs), toMs: Math.max(from.atMs, atMs) });
    },
    onPointerUp() {
      start.current = undefined;
    },
    onPointerCancel() {
      if (start.current?.dragged) onSelect(undefined);
      start.current = undefined;
    },
  };
}

/** Start of the next gap, or of the one before. */
function gapFrom(row: Row, atMs: number, forward: boolean): number | undefined {
  const starts = row.pieces.filter(isRealGap).map((piece) => piece.fromMs);
  return forward ? starts.find((ms) => ms > atMs + 1) : starts.findLast((ms) => ms < atMs - 1);
}

function onKey(event: KeyboardEvent, props: RowProps, atMs: number): void {
  const { row, span, selection } = props;
  const stepMs = (span.toMs - span.fromMs) / (event.ctrlKey ? STEPS * 10 : STEPS);
  let toMs: number | undefined;
  if (event.key === 'ArrowRight') toMs = atMs + stepMs;
  else if (event.key === 'ArrowLeft') toMs = atMs - stepMs;
  else if (event.key === 'Home') toMs = span.fromMs;
  else if (event.key === 'End') toMs = span.toMs - 1;
  else if (event.key === 'PageDown') toMs = gapFrom(row, atMs, true) ?? atMs;
  else if (event.key === 'PageUp') toMs = gapFrom(row, atMs, false) ?? atMs;
  else if (event.key === 'Escape') props.onSelect(undefined);
  if (toMs === undefined) return;
  event.preventDefault();
  const next = clamp(toMs, span);
  if (event.shiftKey) {
    // The end that moves is the one the reader stands on.
    const anchor = selection === undefined ? atMs : Math.abs(selection.fromMs - atMs) < 1 ? selection.toMs : selection.fromMs;
    props.onSelect({ fromMs: Math.min(anchor, next), toMs: Math.max(anchor, next) });
  }
  props.onRead(placeIn(next, span));
}

/** How much time a pixel, and the least width of a gap, stands for. */
export function slackOf(span: Range, width: number): number {
  return width > 0 ? ((span.toMs - span.fromMs) / width) * GAP_WIDTH_MIN : 0;
}
