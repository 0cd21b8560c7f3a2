/** Which span of time the timeline shows: lengths, earlier and later, zoom, and back to now. */
import { ActionIcon, Button, SegmentedControl, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { nowMs } from '../api/clock.js';
import { rangeOf, type TimelineSpan } from '../api/queries.js';
import { Icon, type IconName } from '../parts/icons.js';

const HOUR_MS = 3_600_000;
const LENGTHS_MS = { spanHour: HOUR_MS, spanSix: 6 * HOUR_MS, spanDay: 24 * HOUR_MS, spanWeek: 7 * 24 * HOUR_MS } as const;
const LENGTH_MIN_MS = 10_000;
/** The API answers no more than this. */
const LENGTH_MAX_MS = 7 * 24 * HOUR_MS;

/** Not beyond now: there the span follows the clock. */
export function spanTo(lengthMs: number, toMs: number): TimelineSpan {
  const boundMs = Math.min(Math.max(lengthMs, LENGTH_MIN_MS), LENGTH_MAX_MS);
  return { lengthMs: boundMs, toMs: toMs >= nowMs() ? 'now' : toMs };
}

function zoomed(span: TimelineSpan, factor: number): TimelineSpan {
  const { fromMs, toMs } = rangeOf(span);
  const lengthMs = Math.min(Math.max(span.lengthMs * factor, LENGTH_MIN_MS), LENGTH_MAX_MS);
  if (span.toMs === 'now') return { lengthMs, toMs: 'now' };
  return spanTo(lengthMs, (fromMs + toMs) / 2 + lengthMs / 2);
}

export function SpanTools({ span, onSpan }: { span: TimelineSpan; onSpan(span: TimelineSpan): void }) {
  const { t } = useTranslation();
  const names = Object.keys(LENGTHS_MS) as (keyof typeof LENGTHS_MS)[];
  const chosen = names.find((name) => LENGTHS_MS[name] === span.lengthMs);
  const moved = (by: number): TimelineSpan => spanTo(span.lengthMs, rangeOf(span).toMs + by * span.lengthMs);
  const tool = (name: IconName, label: string, act: () => void, disabled = false) => (
    <Tooltip label={label}>
      <ActionIcon variant="default" size="lg" aria-label={label} disabled={disabled} onClick={act}>
        <Icon name={name} />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <div className="span-tools">
      <SegmentedControl
        aria-label={t('unit.span')}
        value={chosen ?? ''}
        data={names.map((name) => ({ value: name, label: t(`unit.${name}`) }))}
        onChange={(name) => {
          const lengthMs = LENGTHS_MS[name as keyof typeof LENGTHS_MS];
          onSpan({ lengthMs, toMs: 'now' });
        }}
      />
      <div className="span-moves" dir="ltr">
        {tool('earlier', t('unit.earlier'), () => onSpan(moved(-0.5)))}
        {tool('later', t('unit.later'), () => onSpan(moved(0.5)), span.toMs === 'now')}
        {tool('zoomIn', t('unit.zoomIn'), () => onSpan(zoomed(span, 0.5)), span.lengthMs <= LENGTH_MIN_MS)}
        {tool('zoomOut', t('unit.zoomOut'), () => onSpan(zoomed(span, 2)), span.lengthMs >= LENGTH_MAX_MS)}
        {span.toMs === 'now' ? null : (
          <Button variant="default" onClick={() => onSpan({ lengthMs: span.lengthMs, toMs: 'now' })}>
            {t('unit.now')}
          </Button>
        )}
      </div>
    </div>
  );
}
