/** What was asked for, by whom and why, and the signed receipt of how it ended. */
import { Paper, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { isUnfinished } from '../api/queries.js';
import { Moment } from '../parts/moment.js';
import { Quality } from '../parts/quality.js';
import { PullReceipt } from '../parts/receipt.js';
import { useFormat } from '../parts/use-format.js';
import { useWords } from '../parts/words.js';
import { Link } from '../router.js';

export function Facts({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('pull.facts')}>
      <Title order={2} size="h5" mb="xs">
        {t('pull.facts')}
      </Title>
      <dl className="facts wide">
        <dt>{t('pulls.unit')}</dt>
        <dd>
          <Link to={`/units/${pull.unitId}`} inherit>
            <bdi>{pull.unitId}</bdi>
          </Link>
        </dd>
        <dt>{t('pull.span')}</dt>
        <dd>
          <Moment at={pull.from} /> — <Moment at={pull.to} /> ({format.length(Date.parse(pull.to) - Date.parse(pull.from))})
        </dd>
        <dt>{t('pull.quality')}</dt>
        <dd>
          <Quality pull={pull} />
        </dd>
        {pull.urgent ? (
          <>
            <dt>{t('pull.urgent')}</dt>
            <dd>✓</dd>
          </>
        ) : null}
        <dt>{t('pull.reason')}</dt>
        <dd>
          <bdi>{words.reason(pull.reason)}</bdi>
        </dd>
        {pull.caseNumber ? (
          <>
            <dt>{t('pull.caseNumber')}</dt>
            <dd>
              <bdi>{pull.caseNumber}</bdi>
            </dd>
          </>
        ) : null}
        <dt>{t('pull.person')}</dt>
        <dd>
          <bdi>{words.person(pull.person)}</bdi>
        </dd>
        <dt>{t('pull.created')}</dt>
        <dd>
          <Moment at={pull.created} />
        </dd>
        {pull.ended ? (
          <>
            <dt>{t('pull.ended')}</dt>
            <dd>
              <Moment at={pull.ended} />
            </dd>
          </>
        ) : null}
      </dl>
      {isUnfinished(pull) ? null : <PullReceipt pullId={pull.id} />}
    </Paper>
  );
}
