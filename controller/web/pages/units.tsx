/** All wagons: which record, which do not, and why. Those with trouble stand first. */
import { Paper, SegmentedControl, Text, TextInput, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { useUnits } from '../api/queries.js';
import { CameraChip, UnitStateBadge } from '../parts/badges.js';
import { Icon } from '../parts/icons.js';
import { Moment } from '../parts/moment.js';
import { Position } from '../parts/position.js';
import { Empty, Loaded } from '../parts/states.js';
import { UnitPower } from '../parts/unit-power.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { Link } from '../router.js';

const RANK: Record<UnitShape['state'], number> = { 'not-recording': 0, degraded: 1, offline: 2, off: 3, standby: 4, recording: 5 };
const isTrouble = ({ state, alarms }: UnitShape): boolean => alarms.length > 0 || RANK[state] < RANK.standby;

export function UnitsPage() {
  const { t } = useTranslation();
  const units = useUnits();
  useTitle(t('units.title'));
  return <Loaded query={units}>{(list) => <UnitList units={list} />}</Loaded>;
}

function UnitList({ units }: { units: UnitShape[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [wanted, setWanted] = useState('');
  const [filter, setFilter] = useState('all');
  const recording = units.filter((unit) => unit.state === 'recording').length;
  const standby = units.filter((unit) => unit.state === 'standby').length;
  const shown = units
    .filter((unit) => unit.id.includes(wanted.trim().toLowerCase()) && (filter === 'all' || isTrouble(unit)))
    .sort((a, b) => RANK[a.state] - RANK[b.state] || a.id.localeCompare(b.id));
  if (units.length === 0) return <Empty title={t('units.none')} hint={t('units.noneHint')} />;
  return (
    <>
      <div className="page-head">
        <div>
          <Title order={1} size="h3">
            {t('units.title')}
          </Title>
          <Text size="sm" c="dimmed">
            {t('units.summary', { recording: format.number(recording), all: format.number(units.length) })}
            {standby > 0 ? ` · ${t('units.standby', { n: format.number(standby) })}` : ''}
          </Text>
        </div>
        <div className="tools">
          <SegmentedControl
            size="sm"
            value={filter}
            onChange={setFilter}
            data={[
              { value: 'all', label: t('units.filterAll') },
              { value: 'trouble', label: t('units.filterTrouble') },
            ]}
          />
          <TextInput
            type="search"
            aria-label={t('units.search')}
            placeholder={t('units.search')}
            value={wanted}
            onChange={(event) => setWanted(event.currentTarget.value)}
          />
        </div>
      </div>
      {shown.length === 0 ? <Empty title={t('units.noMatch')} /> : null}
      <ul className="cards">
        {shown.map((unit) => (
          <li key={unit.id}>
            <UnitCard unit={unit} />
          </li>
        ))}
      </ul>
    </>
  );
}

function UnitCard({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const recording = unit.cameras.filter((camera) => camera.state === 'recording').length;
  return (
    <Paper className={`unit-card ${unit.state}`} withBorder radius="md" p="md">
      <div className="card-head">
        <Link to={`/units/${unit.id}`} className="name" fw={700} size="lg">
          <bdi>{unit.id}</bdi>
        </Link>
        <UnitStateBadge state={unit.state} />
      </div>
      <dl className="facts">
        <dt>{t('units.lastSeen')}</dt>
        <dd>{unit.online ? t('units.connected') : <SeenAgo at={unit.lastSeen} />}</dd>
        <dt>{t('units.cameras')}</dt>
        <dd>
          {unit.state === 'standby' || unit.state === 'off'
            ? t('units.camerasRest', { all: format.number(unit.cameras.length) })
            : unit.online
              ? t('units.camerasOf', { recording: format.number(recording), all: format.number(unit.cameras.length) })
              : t('units.camerasAway', { all: format.number(unit.cameras.length) })}
        </dd>
        <dt>{t('units.position')}</dt>
        <dd>
          <Position position={unit.position} />
        </dd>
        <UnitPower unit={unit} />
      </dl>
      <div className="chips">
        {unit.cameras.map((camera) => (
          <CameraChip key={camera.id} camera={camera} />
        ))}
      </div>
      {unit.alarms.length > 0 ? (
        <Text size="sm" fw={600} className="alarmed">
          <Icon name="degraded" sizePx={14} /> {t('alarm.title')}
        </Text>
      ) : null}
      {unit.refusals.length > 0 ? <Refused unit={unit} /> : null}
    </Paper>
  );
}

function Refused({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const count = unit.refusals.reduce((sum, refusal) => sum + refusal.count, 0);
  return (
    <Text size="sm" className="refused">
      <Icon name="degraded" sizePx={14} /> {t('units.refusalsOf', { count, n: format.number(count) })}{' '}
      <code dir="ltr">{unit.refusals[0]?.code}</code>
    </Text>
  );
}

function SeenAgo({ at }: { at: string }) {
  const format = useFormat();
  return (
    <>
      {format.ago(Date.parse(at))} <Moment at={at} stacked />
    </>
  );
}
