/** The timeline of a wagon: an axis, a row for each camera and rendition, and what is at the reader's place, in words. */
import { useElementSize } from '@mantine/hooks';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { CoverageShape } from '../../api/shapes.js';
import { type Range, type Row, recordedShare, ticksOf } from '../logic/coverage.js';
import { Icon } from '../parts/icons.js';
import { Moment } from '../parts/moment.js';
import { useFormat } from '../parts/use-format.js';
import { useDescribe } from './describe.js';
import { EventMarks } from './event-marks.js';
import { slackOf, TimelineRow } from './row.js';

export interface TimelineProps {
  rows: Row[];
  events: CoverageShape['events'];
  span: Range;
  selection: Range | undefined;
  onSelect(range: Range | undefined): void;
}

export function Timeline({ rows, events, span, selection, onSelect }: TimelineProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [place, setPlace] = useState<{ key: string; atMs: number }>();
  const keyOf = (row: Row): string => `${row.camera}.${row.rendition}`;
  const slackMs = slackOf(span, width);
  const inSpan = place && place.atMs >= span.fromMs && place.atMs < span.toMs ? place : undefined;
  const placeRow = rows.find((row) => keyOf(row) === inSpan?.key);
  return (
    <div className="timeline">
      <Readout row={placeRow} atMs={inSpan?.atMs} slackMs={slackMs} />
      <div className="lane axis-lane">
        <div className="lane-label" />
        <div className="axis-box" ref={ref}>
          <Axis span={span} width={width} />
        </div>
      </div>
      <EventMarks events={events} span={span} />
      {rows.map((row) => {
        const share = recordedShare(row, span);
        return (
          <div className={`lane ${row.rendition}`} key={keyOf(row)}>
            <div className="lane-label">
              <bdi>{row.rendition === 'original' ? row.camera : t('quality.proxy')}</bdi>
              <span className="share">{share === undefined ? '—' : format.percent(share)}</span>
            </div>
            <TimelineRow
              row={row}
              label={t('unit.rowLabel', { camera: row.camera, quality: t(`quality.${row.rendition}`) })}
              span={span}
              width={width}
              cursorMs={inSpan?.key === keyOf(row) ? inSpan.atMs : undefined}
              sharedMs={inSpan?.atMs}
              selection={selection}
              valueText={(atMs) => {
                const what = describe(row, atMs, slackMs);
                return `${format.time(atMs)} — ${what.title}: ${what.text}`;
              }}
              onRead={(atMs) => setPlace({ key: keyOf(row), atMs })}
              onSelect={onSelect}
            />
          </div>
        );
      })}
      <Legend />
    </div>
  );
}

function Axis({ span, width }: { span: Range; width: number }) {
  const format = useFormat();
  if (width === 0) return null;
  const zoneOffsetMs = -new Date(span.toMs).getTimezoneOffset() * 60_000;
  const { atMs, stepMs } = ticksOf(span, width / 70, zoneOffsetMs);
  return (
    <svg width={width} height={22} aria-hidden="true" className="axis">
      {atMs.map((ms) => {
        const x = ((ms - span.fromMs) / (span.toMs - span.fromMs)) * width;
        return (
          <g key={ms}>
            <line x1={x} x2={x} y1={17} y2={22} />
            <text x={x} y={13} textAnchor={x < 24 ? 'start' : x > width - 24 ? 'end' : 'middle'}>
              {format.tick(ms, stepMs)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function Readout({ row, atMs, slackMs }: { row: Row | undefined; atMs: number | undefined; slackMs: number }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const format = useFormat();
  if (!row || atMs === undefined) return <p className="readout hint">{t('unit.help')}</p>;
  const what = describe(row, atMs, slackMs);
  return (
    <div className={`readout ${what.kind}`} data-testid="readout">
      <span className="when">
        <Moment at={atMs} />
      </span>
      <span className="who">
        <Icon name={what.kind === 'footage' ? 'camera' : 'gap'} sizePx={15} /> <bdi>{row.camera}</bdi> · {t(`quality.${row.rendition}`)}
      </span>
      <span className="what">
        <strong>{what.title}</strong>
        {what.range ? ` (${format.length(what.range.toMs - what.range.fromMs)})` : ''}: {what.text}
      </span>
    </div>
  );
}

const LOOKS = ['wagon', 'centre', 'both', 'gap', 'spared', 'gone', 'recording', 'before', 'unreported'] as const;

function Legend() {
  const { t } = useTranslation();
  const names: Record<(typeof LOOKS)[number], string> = {
    wagon: t('where.wagon'),
    centre: t('where.centre'),
    both: t('where.wagon-and-centre'),
    gap: t('unit.legendGap'),
    spared: t('unit.legendSpared'),
    gone: t('unit.legendGone'),
    recording: t('unit.legendRecording'),
    before: t('unit.legendBefore'),
    unreported: t('unit.legendUnreported'),
  };
  return (
    <ul className="legend" aria-label={t('unit.legend')}>
      {LOOKS.map((look) => (
        <li key={look}>
          <svg width={22} height={12} aria-hidden="true">
            <rect className={`bar ${look}`} width={22} height={12} />
          </svg>
          {names[look]}
        </li>
      ))}
    </ul>
  );
}
