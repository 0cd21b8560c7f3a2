/** All footage requests, newest first. */
import { Button, Paper, Progress, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { isUnfinished, usePulls } from '../api/queries.js';
import { PullStateBadge } from '../parts/badges.js';
import { Moment } from '../parts/moment.js';
import { Quality } from '../parts/quality.js';
import { useMayView } from '../parts/session.js';
import { Empty, Loaded } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { useWords } from '../parts/words.js';
import { Link, navigate } from '../router.js';

export function PullsPage() {
  const { t } = useTranslation();
  const pulls = usePulls();
  const mayAsk = useMayView();
  useTitle(t('pulls.title'));
  return (
    <>
      <div className="page-head">
        <Title order={1} size="h3">
          {t('pulls.title')}
        </Title>
        {mayAsk ? (
          <Button variant="default" onClick={() => navigate('/request')}>
            {t('many.title')}
          </Button>
        ) : null}
      </div>
      <Loaded query={pulls}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t('pulls.none')} hint={t('pulls.noneHint')} />
          ) : (
            <ul className="rows">
              {list.map((pull) => (
                <li key={pull.id}>
                  <PullRow pull={pull} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

export function PullRow({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  const lengthMs = Date.parse(pull.to) - Date.parse(pull.from);
  return (
    <Paper className="pull-row" withBorder radius="md" p="sm">
      <div className="pull-what">
        <Link to={`/pulls/${pull.id}`} fw={700}>
          <bdi>{pull.unitId}</bdi> · <bdi>{pull.cameras.join(t('request.comma'))}</bdi>
        </Link>
        <Text size="sm">
          <Moment at={pull.from} /> · {format.length(lengthMs)} · <Quality pull={pull} />
        </Text>
        <Text size="sm" c="dimmed" lineClamp={2}>
          {pull.caseNumber ? `${t('pulls.case', { number: pull.caseNumber })} · ` : ''}
          <bdi>{words.reason(pull.reason)}</bdi> — {t('pulls.by')}: <bdi>{words.person(pull.person)}</bdi>
        </Text>
      </div>
      <div className="pull-how">
        <PullStateBadge pull={pull} />
        {isUnfinished(pull) && pull.bytesTotal ? (
          <>
            <Progress value={(100 * pull.bytesDone) / pull.bytesTotal} aria-label={t('pull.progress')} mt={6} />
            <Text size="xs" c="dimmed" mt={2}>
              {t('pull.progressOf', { done: format.bytes(pull.bytesDone), total: format.bytes(pull.bytesTotal) })}
            </Text>
          </>
        ) : null}
      </div>
    </Paper>
  );
}
