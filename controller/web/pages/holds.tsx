/** Holds: what wagons must keep, who answers for it, and whose review is overdue. */
import { Badge, Button, Paper, SegmentedControl, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { HoldShape } from '../../api/shapes.js';
import { useHolds, useLiftHold } from '../api/desk-queries.js';
import { HoldDialog } from '../holds/hold-dialog.js';
import { Moment } from '../parts/moment.js';
import { ReasonDialog } from '../parts/reason-dialog.js';
import { useMayView } from '../parts/session.js';
import { Empty, Loaded } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { useWords } from '../parts/words.js';
import { Link } from '../router.js';

const COLOUR: Record<HoldShape['state'], string> = { queued: 'yellow', placed: 'green', refused: 'red', lifting: 'yellow', lifted: 'gray' };
const isStanding = (hold: HoldShape): boolean => hold.state === 'queued' || hold.state === 'placed';

export function HoldsPage() {
  const { t } = useTranslation();
  const holds = useHolds();
  const mayHold = useMayView();
  const [setting, setSetting] = useState(false);
  const [filter, setFilter] = useState('standing');
  useTitle(t('holds.title'));
  return (
    <>
      <div className="page-head">
        <Title order={1} size="h3">
          {t('holds.title')}
        </Title>
        <div className="tools">
          <SegmentedControl
            value={filter}
            onChange={setFilter}
            data={[
              { value: 'standing', label: t('holds.filterStanding') },
              { value: 'all', label: t('holds.filterAll') },
            ]}
          />
          {mayHold ? <Button onClick={() => setSetting(true)}>{t('holds.set')}</Button> : null}
        </div>
      </div>
      <Text size="sm" c="dimmed" mb="sm">
        {t('holds.hint')}
      </Text>
      <Loaded query={holds}>
        {(list) => <HoldList holds={list.filter((hold) => filter === 'all' || isStanding(hold) || hold.state === 'lifting')} />}
      </Loaded>
      {setting ? <HoldDialog onClose={() => setSetting(false)} /> : null}
    </>
  );
}

function HoldList({ holds }: { holds: HoldShape[] }) {
  const { t } = useTranslation();
  if (holds.length === 0) return <Empty title={t('holds.none')} hint={t('holds.noneHint')} />;
  // Whoever has to act comes first.
  const sorted = [...holds].sort((a, b) => Number(b.reviewDue) - Number(a.reviewDue) || a.review.localeCompare(b.review));
  return (
    <ul className="rows">
      {sorted.map((hold) => (
        <li key={hold.id}>
          <HoldRow hold={hold} />
        </li>
      ))}
    </ul>
  );
}

function HoldRow({ hold }: { hold: HoldShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  const lengthMs = Date.parse(hold.to) - Date.parse(hold.from);
  return (
    <Paper className={hold.reviewDue ? 'pull-row hold-row due' : 'pull-row hold-row'} withBorder radius="md" p="sm">
      <div className="pull-what">
        <Text fw={700}>
          <Link to={`/units/${hold.unitId}`} inherit>
            <bdi>{hold.unitId}</bdi>
          </Link>{' '}
          · <bdi>{hold.cameras.join(t('request.comma'))}</bdi>
        </Text>
        <Text size="sm">
          <Moment at={hold.from} /> · {format.length(lengthMs)}
          {hold.bytes === null ? '' : ` · ${format.bytes(hold.bytes)}`}
          {hold.made ? ` · ${t('holds.withMade')}` : ''}
        </Text>
        <Text size="sm">
          {t('holds.owner')}: <bdi>{words.owner(hold)}</bdi> · {t('holds.review')}:{' '}
          <time dateTime={hold.review}>{format.date(Date.parse(hold.review))}</time>
        </Text>
        <Text size="sm" c="dimmed" lineClamp={3}>
          <bdi>{words.reason(hold.reason)}</bdi> — <bdi>{words.person(hold.person)}</bdi>
        </Text>
        {hold.problem ? (
          <Text size="sm" className="refused">
            {words.problem(hold.problem) ?? t('holds.refusedWhy')} <code dir="ltr">{hold.problem}</code>
          </Text>
        ) : null}
      </div>
      <div className="pull-how hold-how">
        {hold.reviewDue ? (
          <Badge className="state red" color="red" variant="light" size="lg">
            {t('holds.due')}
          </Badge>
        ) : null}
        <Badge className={`state ${COLOUR[hold.state]}`} color={COLOUR[hold.state]} variant="light" size="lg">
          {t(`holdState.${hold.state}`)}
        </Badge>
        <Lift hold={hold} />
      </div>
    </Paper>
  );
}

function Lift({ hold }: { hold: HoldShape }) {
  const { t } = useTranslation();
  const mayLift = useMayView();
  const lift = useLiftHold(hold.id);
  const [asking, setAsking] = useState(false);
  if (!mayLift || !isStanding(hold)) return null;
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={() => setAsking(true)}>
        {t('holds.lift')}
      </Button>
      {asking ? (
        <ReasonDialog
          title={t('holds.liftTitle', { unit: hold.unitId })}
          text={t('holds.liftHint')}
          submit={t('holds.lift')}
          grave
          pending={lift.isPending}
          error={lift.error}
          onClose={() => setAsking(false)}
          onReason={(reason) => lift.mutate(reason, { onSuccess: () => setAsking(false) })}
        />
      ) : null}
    </>
  );
}
