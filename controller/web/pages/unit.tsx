/** One wagon: its state, its footage and gaps over time, and the way to request a part of it. */
import { Alert, Button, Paper, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { CoverageShape, UnitShape } from '../../api/shapes.js';
import { useHolds } from '../api/desk-queries.js';
import { isUnfinished, rangeOf, type TimelineSpan, useCoverage, usePulls, useUnit } from '../api/queries.js';
import { HoldDialog } from '../holds/hold-dialog.js';
import { Live } from '../live/live.js';
import { type GroupedGap, groupedGaps, type Range, type Row, rowsOf } from '../logic/coverage.js';
import { Alarms } from '../parts/alarms.js';
import { CameraChip, UnitStateBadge } from '../parts/badges.js';
import { Configuration } from '../parts/configuration.js';
import { Icon } from '../parts/icons.js';
import { Moment } from '../parts/moment.js';
import { Position } from '../parts/position.js';
import { useMayView } from '../parts/session.js';
import { Empty, Loaded } from '../parts/states.js';
import { UnitLink } from '../parts/unit-link.js';
import { UnitPower } from '../parts/unit-power.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { useWords } from '../parts/words.js';
import { GapList } from '../timeline/gap-list.js';
import { PullDialog } from '../timeline/pull-dialog.js';
import { SpanTools, spanTo } from '../timeline/span-tools.js';
import { Timeline } from '../timeline/timeline.js';

const HOUR_MS = 3_600_000;
/** A reel is reported once it is closed: so much at the end of the timeline is always on its way. */
const UNREPORTED_USUAL_MS = 120_000;

export function UnitPage({ id }: { id: string }) {
  const unit = useUnit(id);
  useTitle(id);
  return (
    <Loaded query={unit}>
      {(found) => (
        <Stack gap="md">
          <Alarms unit={found} />
          <Head unit={found} />
          <Live unit={found} />
          <Footage unit={found} />
          <Configuration unit={found} />
          <Refusals unit={found} />
        </Stack>
      )}
    </Loaded>
  );
}

function Head({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Paper withBorder radius="md" p="md">
      <div className="card-head">
        <Title order={1} size="h3">
          <bdi>{unit.id}</bdi>
        </Title>
        <UnitStateBadge state={unit.state} />
      </div>
      <dl className="facts wide">
        <dt>{t('units.lastSeen')}</dt>
        <dd>
          {unit.online
            ? `${t('units.connected')} · `
            : `${t(`unitState.${unit.state}`)}${t('request.comma')}${format.ago(Date.parse(unit.lastSeen))} · `}
          <Moment at={unit.lastSeen} />
        </dd>
        <Awaited unit={unit} />
        <dt>{t('units.position')}</dt>
        <dd>
          <Position position={unit.position} />
        </dd>
        <UnitPower unit={unit} />
        <UnitLink link={unit.link} />
        {unit.version ? (
          <>
            <dt>{t('units.version')}</dt>
            <dd>
              <bdi>{unit.version}</bdi> · {unit.journal.whole ? t('unit.journalWhole') : <strong>{t('unit.journalBroken')}</strong>}
            </dd>
          </>
        ) : null}
      </dl>
      <div className="chips">
        {unit.cameras.map((camera) => (
          <CameraChip key={camera.id} camera={camera} />
        ))}
      </div>
    </Paper>
  );
}

/** What waits for the wagon while it is out of reach, or has not been answered yet. */
function Awaited({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const pulls = usePulls().data?.filter((pull) => pull.unitId === unit.id && isUnfinished(pull)).length ?? 0;
  const holds =
    useHolds().data?.filter((hold) => hold.unitId === unit.id && (hold.state === 'queued' || hold.state === 'lifting')).length ?? 0;
  if (pulls + holds === 0) return null;
  const n = { pulls: format.number(pulls), holds: format.number(holds) };
  return (
    <>
      <dt>{t('units.awaited')}</dt>
      <dd>{holds === 0 ? t('units.awaitedPulls', n) : t('units.awaitedBoth', n)}</dd>
    </>
  );
}

function Footage({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const [span, setSpan] = useState<TimelineSpan>({ lengthMs: HOUR_MS, toMs: 'now' });
  const [selection, setSelection] = useState<Range>();
  const [asking, setAsking] = useState<Range>();
  const [holding, setHolding] = useState<Range>();
  const coverage = useCoverage(unit.id, span);
  const mayView = useMayView();
  const ask = (): void => {
    const shown = rangeOf(span);
    setAsking(selection ?? { fromMs: Math.max(shown.fromMs, shown.toMs - 10 * 60_000), toMs: shown.toMs });
  };
  if (unit.cameras.length === 0) return <Empty title={t('unit.empty')} />;
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('unit.timeline')}>
      <div className="page-head">
        <Title order={2} size="h4">
          {t('unit.timeline')}
        </Title>
        {mayView ? (
          <Button onClick={ask} leftSection={<Icon name="running" />}>
            {selection ? t('unit.requestSelection') : t('unit.request')}
          </Button>
        ) : null}
      </div>
      <SpanTools span={span} onSpan={setSpan} />
      <Loaded query={coverage}>
        {(data) => (
          <Shown data={data} selection={selection} onSelect={setSelection} onSpan={setSpan} {...(mayView ? { onHold: setHolding } : {})} />
        )}
      </Loaded>
      {holding ? <HoldDialog unit={unit} range={holding} onClose={() => setHolding(undefined)} /> : null}
      {asking ? <PullDialog unit={unit} range={asking} onClose={() => setAsking(undefined)} /> : null}
    </Paper>
  );
}

interface SelectionBarProps {
  selection: Range | undefined;
  onClear(): void;
  onZoom(range: Range): void;
  onHold?(range: Range): void;
}

function SelectionBar({ selection, onClear, onZoom, onHold }: SelectionBarProps) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!selection) return null;
  return (
    <div className="selection-bar" role="status">
      <Text size="sm" fw={600}>
        {t('unit.selected', { length: format.length(selection.toMs - selection.fromMs) })}
      </Text>
      <Text size="sm">
        <Moment at={selection.fromMs} /> — <Moment at={selection.toMs} short />
      </Text>
      <Button size="compact-sm" variant="default" onClick={() => onZoom(selection)}>
        {t('unit.zoomSelection')}
      </Button>
      {onHold ? (
        <Button size="compact-sm" variant="default" onClick={() => onHold(selection)}>
          {t('holds.this')}
        </Button>
      ) : null}
      <Button size="compact-sm" variant="default" onClick={onClear}>
        {t('unit.clearSelection')}
      </Button>
    </div>
  );
}

interface ShownProps {
  data: CoverageShape;
  selection: Range | undefined;
  onSelect(range: Range | undefined): void;
  onSpan(span: TimelineSpan): void;
  onHold?(range: Range): void;
}

function Shown({ data, selection, onSelect, onSpan, onHold }: ShownProps) {
  const { t } = useTranslation();
  const rows = rowsOf(data);
  const range = { fromMs: Date.parse(data.from), toMs: Date.parse(data.to) };
  if (rows.length === 0) return <Empty title={t('unit.empty')} />;
  return (
    <>
      <Timeline rows={rows} events={data.events} span={range} selection={selection} onSelect={onSelect} />
      <SelectionBar
        selection={selection}
        onClear={() => onSelect(undefined)}
        {...(onHold ? { onHold } : {})}
        onZoom={(chosen) => onSpan(spanTo(chosen.toMs - chosen.fromMs, chosen.toMs))}
      />
      <Gaps
        rows={rows}
        range={range}
        onPick={(gap) => {
          const lengthMs = Math.max(10_000, gap.toMs - gap.fromMs);
          onSelect({ fromMs: gap.fromMs, toMs: gap.toMs });
          onSpan(spanTo(lengthMs * 5, (gap.fromMs + gap.toMs) / 2 + lengthMs * 2.5));
        }}
      />
    </>
  );
}

function Gaps({ rows, range, onPick }: { rows: Row[]; range: Range; onPick(range: Range): void }) {
  const { t } = useTranslation();
  const words = useWords();
  const cameraNames = useCameraNames();
  const gaps = groupedGaps(rows, range, UNREPORTED_USUAL_MS).map(({ rows: of, ...gap }) => ({
    ...gap,
    camera: cameraNames(of),
    cause: words.cause(gap.cause),
  }));
  return (
    <section className="gaps" aria-label={t('unit.gaps')}>
      <Title order={3} size="h5" mt="md" mb={4}>
        {t('unit.gaps')}
      </Title>
      {gaps.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('unit.noGaps')}
        </Text>
      ) : (
        <GapList gaps={gaps} onPick={onPick} />
      )}
    </section>
  );
}

/** `front, left; low-rate copy of rear`: the rendition is named only where the camera's original is not meant too. */
function useCameraNames(): (rows: GroupedGap['rows']) => string {
  const { t } = useTranslation();
  return (rows) => {
    const camerasOf = (rendition: GroupedGap['rows'][number]['rendition']): string[] =>
      rows.filter((row) => row.rendition === rendition).map(({ camera }) => camera);
    const joined = (cameras: string[]): string => cameras.sort((a, b) => a.localeCompare(b)).join(t('request.comma'));
    const originals = camerasOf('original');
    const copies = camerasOf('proxy').filter((camera) => !originals.includes(camera));
    const parts = [joined(originals), copies.length > 0 ? t('unit.copyOf', { cameras: joined(copies) }) : ''];
    return parts.filter((part) => part !== '').join(t('request.semicolon'));
  };
}

function Refusals({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (unit.refusals.length === 0) return null;
  return (
    <Alert color="yellow" icon={<Icon name="degraded" />} title={t('unit.refusals')}>
      {unit.refusals.map((refusal) => (
        <Text size="sm" key={refusal.code}>
          <code dir="ltr">{refusal.code}</code> <bdi>{refusal.message}</bdi> —{' '}
          {t('unit.refusalCount', {
            count: refusal.count,
            n: format.number(refusal.count),
            time: format.dateTime(Date.parse(refusal.last)),
          })}
        </Text>
      ))}
    </Alert>
  );
}
