/** Where the browser cannot decode what the camera sent: the low-rate copy of the same time, if it was requested already, or a way to it. */
import { Alert, Button, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { type PullRequest, useCreatePull, usePulls, useUnit } from '../api/queries.js';
import { Icon } from '../parts/icons.js';
import { Problem } from '../parts/states.js';
import { navigate } from '../router.js';

/** For a camera without a sub-stream: the wagon makes a copy that every browser plays. */
const COPY_RATE = '1M';

/** The newest request for a copy of all of this camera's time that has not failed. */
function copyOf(pulls: readonly PullShape[], pull: PullShape, camera: string): PullShape | undefined {
  return pulls.find(
    (one) =>
      one.id !== pull.id &&
      one.unitId === pull.unitId &&
      one.cameras.includes(camera) &&
      (one.quality === 'proxy' || (one.quality === 'original' && one.rate !== undefined)) &&
      one.state !== 'failed' &&
      one.state !== 'cancelled' &&
      Date.parse(one.from) <= Date.parse(pull.from) &&
      Date.parse(one.to) >= Date.parse(pull.to),
  );
}

export function Instead({ pull, camera, codec }: { pull: PullShape; camera: string; codec: string | null }) {
  const { t } = useTranslation();
  const pulls = usePulls();
  const unit = useUnit(pull.unitId);
  const create = useCreatePull();
  const copy = copyOf(pulls.data ?? [], pull, camera);
  const known = unit.data?.cameras.find(({ id }) => id === camera);
  const hasProxy = known === undefined || known.renditions.includes('proxy');
  const ask = (): void => {
    const { unitId, from, to, reason, caseNumber } = pull;
    const wanted: PullRequest = {
      ...{ unitId, cameras: [camera], from, to, reason },
      ...(caseNumber === undefined ? {} : { caseNumber }),
      ...(hasProxy ? { quality: 'proxy' } : { quality: 'original', rate: COPY_RATE }),
    };
    create.mutate(wanted, { onSuccess: ({ id }) => navigate(`/pulls/${encodeURIComponent(id)}`) });
  };
  return (
    <Alert color="yellow" icon={<Icon name="info" />} title={t('pull.cannotPlayShort')} mb="sm">
      <Text size="sm">
        {t('pull.cannotPlay')} <code dir="ltr">{codec}</code>
      </Text>
      <Group gap="sm" mt="xs">
        {copy ? (
          <Button onClick={() => navigate(`/pulls/${encodeURIComponent(copy.id)}`)} leftSection={<Icon name="play" sizePx={16} />}>
            {t('pull.copyWatch')}
          </Button>
        ) : (
          <Button loading={create.isPending} disabled={pulls.isPending} onClick={ask} leftSection={<Icon name="running" sizePx={16} />}>
            {t(hasProxy ? 'pull.copyAsk' : 'pull.copyMake')}
          </Button>
        )}
      </Group>
      {create.isError ? <Problem error={create.error} /> : null}
    </Alert>
  );
}
