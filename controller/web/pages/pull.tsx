/** One footage request: how far it is, what is missing and why, and the footage itself. */
import { Alert, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { ApiFault } from '../api/client.js';
import { isUnfinished, usePull, useUnit } from '../api/queries.js';
import { groupGaps } from '../logic/coverage.js';
import { PullStateBadge } from '../parts/badges.js';
import { CancelPull } from '../parts/cancel-pull.js';
import { Icon } from '../parts/icons.js';
import { useMayView } from '../parts/session.js';
import { Loaded, Problem } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { useWords } from '../parts/words.js';
import { Footage } from '../player/footage.js';
import { GapList } from '../timeline/gap-list.js';
import { Facts } from './pull-facts.js';

export function PullPage({ id }: { id: string }) {
  const pull = usePull(id);
  return <Loaded query={pull}>{(found) => <Pull pull={found} />}</Loaded>;
}

function Pull({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const mayCancel = useMayView();
  useTitle(t('pull.title', { unit: pull.unitId }));
  return (
    <Stack gap="md">
      <div className="page-head">
        <div className="titled">
          <Title order={1} size="h3">
            {t('pull.title', { unit: pull.unitId })}
          </Title>
          <PullStateBadge pull={pull} />
        </div>
        {mayCancel && isUnfinished(pull) ? <CancelPull id={pull.id} /> : null}
      </div>
      <State pull={pull} />
      <Copy pull={pull} />
      <Footage pull={pull} />
      <Missing pull={pull} />
      <Facts pull={pull} />
    </Stack>
  );
}

function State({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const total = pull.bytesTotal;
  const share = total ? pull.bytesDone / total : pull.state === 'done' ? 1 : 0;
  if (pull.state === 'failed') {
    const problem = pull.problem ?? { code: 'LR_INTERNAL', message: t('pull.failed') };
    return <Problem error={new ApiFault('invalid', { code: problem.code, title: problem.message, status: 0 })} />;
  }
  if (pull.state === 'done' && total === 0)
    return (
      <Alert color="yellow" icon={<Icon name="gap" />} title={t('pull.noParts')}>
        {t('pull.noPartsHint')}
      </Alert>
    );
  return (
    <Paper withBorder radius="md" p="md">
      <div className="progress-words">
        <Text size="sm">{t('pull.progress')}</Text>
        <Text size="sm" data-testid="progress">
          {total === null
            ? format.bytes(pull.bytesDone)
            : t('pull.progressOf', { done: format.bytes(pull.bytesDone), total: format.bytes(total) })}{' '}
          · {format.percent(share)}
        </Text>
      </div>
      <Progress value={share * 100} size="lg" animated={pull.state === 'running'} aria-label={t('pull.progress')} />
      <Rate pull={pull} />
      {pull.state === 'waiting' && pull.waitingSince ? <Away unitId={pull.unitId} since={pull.waitingSince} /> : null}
      {pull.state === 'waiting' && pull.waitingFor ? (
        <Alert color="yellow" mt="sm" icon={<Icon name="waiting" />}>
          {t(pull.waitingFor.code === 'LR_LINK_BUDGET' ? 'pull.waitingBudget' : 'pull.waitingLink')}
          {pull.waitingFor.until ? ` ${t('pull.waitingUntil', { time: format.dateTime(Date.parse(pull.waitingFor.until)) })}` : null}
        </Alert>
      ) : null}
      {pull.state === 'queued' ? (
        <Text size="sm" c="dimmed" mt={6}>
          {t('pull.queued')}
        </Text>
      ) : null}
    </Paper>
  );
}

function Away({ unitId, since }: { unitId: string; since: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const unit = useUnit(unitId).data;
  const time = format.dateTime(Date.parse(since));
  if (unit?.state === 'standby' && unit.power?.nextContact)
    return (
      <Alert color="blue" mt="sm" icon={<Icon name="standby" />}>
        {t('pull.waitingStandby', { time, next: format.time(Date.parse(unit.power.nextContact)) })}
      </Alert>
    );
  return (
    <Alert color="yellow" mt="sm" icon={<Icon name="waiting" />}>
      {t('pull.waitingSince', { time })}
    </Alert>
  );
}

function Rate({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (pull.state === 'cancelled')
    return (
      <Text size="sm" mt={6}>
        {t('pull.cancelled')}
      </Text>
    );
  if (pull.bytesPerS === undefined || pull.secondsLeft === undefined) return null;
  return (
    <Text size="sm" c="dimmed" mt={6} data-testid="rate">
      {t('pull.rate', { rate: format.bytes(pull.bytesPerS), left: format.length(pull.secondsLeft * 1000) })}
    </Text>
  );
}

/** What comes home is not what the camera sent: said before anybody looks at it. */
function Copy({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!pull.derived) return null;
  const fragments = pull.parts.flatMap((part) => part.madeFrom ?? []).reduce((sum, from) => sum + from.seqLast - from.seqFirst + 1, 0);
  const { rateBps, heightMax, audio } = pull.derived;
  const how = t(audio ? 'pull.copyHow' : 'pull.copySilent', { rate: format.rate(rateBps), height: format.number(heightMax) });
  return (
    <Alert color="blue" title={t('pull.copy')} data-testid="derived">
      {how} {t('pull.copyFrom', { fragments: format.number(fragments), quality: t(`quality.${pull.quality}`) })}
    </Alert>
  );
}

function Missing({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const words = useWords();
  const gaps = groupGaps(
    pull.missing.map((gap) => ({
      camera: gap.camera,
      rendition: pull.quality === 'original' ? ('original' as const) : ('proxy' as const),
      fromMs: Date.parse(gap.from),
      toMs: Date.parse(gap.to),
      cause: gap.cause,
    })),
  );
  // What is missing of one that failed or was called off is said above.
  if (gaps.length === 0 && (pull.state === 'failed' || pull.state === 'cancelled')) return null;
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('pull.missing')}>
      <Title order={2} size="h5" mb="xs">
        {t('pull.missing')}
      </Title>
      {gaps.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t(pull.state === 'done' ? 'pull.nothingMissing' : pull.parts.length > 0 ? 'pull.nothingWillMiss' : 'pull.notPlanned')}
        </Text>
      ) : (
        <GapList
          gaps={gaps.map(({ rows, ...gap }) => ({
            ...gap,
            camera: rows
              .map((row) => row.camera)
              .sort()
              .join(t('request.comma')),
            cause: words.cause(gap.cause),
          }))}
        />
      )}
    </Paper>
  );
}
