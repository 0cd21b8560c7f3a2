/** Requests that were made together: how far each is, and which wagons could not be asked. */
import { Alert, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape, ReceiptShape } from '../../api/shapes.js';
import { usePulls } from '../api/queries.js';
import { Icon } from '../parts/icons.js';
import { ReceiptButton } from '../parts/receipt.js';
import { Empty, Loaded } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { useWords } from '../parts/words.js';
import { historyState } from '../router.js';
import { PullRow } from './pulls.js';

interface Refused {
  unitId: string;
  code: string;
  detail: string;
  receipt: ReceiptShape;
}

export function TogetherPage({ ids }: { ids: readonly string[] }) {
  const { t } = useTranslation();
  const pulls = usePulls();
  const { refused = [] } = (historyState() ?? {}) as { refused?: Refused[] };
  useTitle(t('together.title'));
  return (
    <Stack gap="md">
      <Title order={1} size="h3">
        {t('together.title')}
      </Title>
      <RefusedList refused={refused} />
      <Loaded query={pulls}>{(list) => <Shown pulls={list.filter(({ id }) => ids.includes(id))} />}</Loaded>
    </Stack>
  );
}

function Shown({ pulls }: { pulls: PullShape[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (pulls.length === 0) return <Empty title={t('together.none')} />;
  const sorted = [...pulls].sort((a, b) => a.unitId.localeCompare(b.unitId));
  const done = pulls.filter(({ ended }) => ended !== undefined).length;
  const waiting = pulls.filter(({ state }) => state === 'waiting').length;
  const bytes = pulls.reduce((sum, one) => sum + one.bytesDone, 0);
  const share = pulls.reduce((sum, one) => sum + (one.ended ? 1 : one.bytesTotal ? one.bytesDone / one.bytesTotal : 0), 0) / pulls.length;
  return (
    <>
      <Paper withBorder radius="md" p="md">
        <div className="progress-words">
          <Text size="sm" data-testid="together">
            {t('together.done', { done: format.number(done), all: format.number(pulls.length) })}
            {waiting > 0 ? ` · ${t('together.waiting', { n: format.number(waiting) })}` : ''}
          </Text>
          <Text size="sm">{format.bytes(bytes)}</Text>
        </div>
        <Progress value={share * 100} size="lg" aria-label={t('pull.progress')} />
      </Paper>
      <ul className="rows">
        {sorted.map((pull) => (
          <li key={pull.id}>
            <PullRow pull={pull} />
          </li>
        ))}
      </ul>
    </>
  );
}

function RefusedList({ refused }: { refused: readonly Refused[] }) {
  const { t } = useTranslation();
  const words = useWords();
  if (refused.length === 0) return null;
  return (
    <Alert color="red" icon={<Icon name="degraded" />} title={t('together.refused')}>
      <ul className="plain">
        {refused.map(({ unitId, code, detail, receipt }) => (
          <li key={unitId}>
            <strong>
              <bdi>{unitId}</bdi>
            </strong>
            : {words.problem(code) ?? detail} <code dir="ltr">{code}</code> <ReceiptButton receipt={receipt} />
          </li>
        ))}
      </ul>
    </Alert>
  );
}
