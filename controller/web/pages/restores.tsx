/** What became of a restore from a backup: which wagons have been heard since, what came back, and what did not. */
import { Alert, Badge, Paper, Stack, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { RestoreShape } from '../../api/shapes.js';
import { useRestores } from '../api/desk-queries.js';
import { Icon } from '../parts/icons.js';
import { Moment } from '../parts/moment.js';
import { Empty, Loaded } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { Link } from '../router.js';

const SHOWN_MAX = 200;
const COLOUR: Record<RestoreShape['units'][number]['state'], string> = { awaited: 'gray', offering: 'yellow', offered: 'green' };

export function RestoresPage() {
  const { t } = useTranslation();
  const restores = useRestores();
  useTitle(t('restores.title'));
  return (
    <Stack gap="md">
      <div>
        <Title order={1} size="h3">
          {t('restores.title')}
        </Title>
        <Text size="sm" c="dimmed">
          {t('restores.hint')}
        </Text>
      </div>
      <Loaded query={restores}>
        {(list) =>
          list.length === 0 ? <Empty title={t('restores.none')} /> : list.map((one) => <Restore key={one.storeEpoch} restore={one} />)
        }
      </Loaded>
    </Stack>
  );
}

function Restore({ restore }: { restore: RestoreShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const awaited = restore.units.filter(({ state }) => state === 'awaited').length;
  const bytes = restore.units.reduce((sum, unit) => sum + (unit.storedBytes ?? 0), 0);
  const stored = restore.units.reduce((sum, unit) => sum + (unit.stored ?? 0), 0);
  return (
    <Paper withBorder radius="md" p="md" component="section">
      <Title order={2} size="h4" mb="xs">
        <Moment at={restore.restored} />
      </Title>
      <dl className="facts wide">
        <dt>{t('restores.backup')}</dt>
        <dd>
          <Moment at={restore.backup} />
        </dd>
        <dt>{t('restores.back')}</dt>
        <dd>{t('restores.pieces', { count: stored, n: format.number(stored), bytes: format.bytes(bytes) })}</dd>
        <dt>{t('restores.notBack')}</dt>
        <dd>
          {restore.lostFragments === 0
            ? t('restores.nothingLost')
            : t('restores.lostOf', { n: format.number(restore.lostFragments), places: format.number(restore.lostPieces) })}
        </dd>
      </dl>
      {awaited > 0 ? (
        <Alert color="yellow" icon={<Icon name="waiting" />} mb="sm">
          {t('restores.awaited', { n: format.number(awaited) })}
        </Alert>
      ) : null}
      <Units restore={restore} />
      <Lost restore={restore} />
    </Paper>
  );
}

function Units({ restore }: { restore: RestoreShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Title order={3} size="h5" mt="sm">
        {t('units.title')}
      </Title>
      <Table className="stacks">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('pulls.unit')}</Table.Th>
            <Table.Th>{t('restores.state')}</Table.Th>
            <Table.Th>{t('restores.had')}</Table.Th>
            <Table.Th>{t('restores.again')}</Table.Th>
            <Table.Th>{t('units.lastSeen')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {restore.units.map((unit) => (
            <Table.Tr key={unit.unitId}>
              <Table.Td>
                <Link to={`/units/${unit.unitId}`} inherit>
                  <bdi>{unit.unitId}</bdi>
                </Link>
              </Table.Td>
              <Table.Td>
                <Badge className={`state ${COLOUR[unit.state]}`} color={COLOUR[unit.state]} variant="light">
                  {t(unit.state === 'awaited' ? 'restores.awaitedState' : `restores.${unit.state}`)}
                </Badge>
              </Table.Td>
              <Table.Td data-label={t('restores.had')}>{unit.receipted === undefined ? '—' : format.number(unit.receipted)}</Table.Td>
              <Table.Td data-label={t('restores.again')}>
                {unit.stored === undefined ? '—' : `${format.number(unit.stored)} · ${format.bytes(unit.storedBytes ?? 0)}`}
                {unit.refused ? ` · ${t('restores.refusedOf', { n: format.number(unit.refused) })}` : ''}
              </Table.Td>
              <Table.Td data-label={t('units.lastSeen')}>
                <Moment at={unit.lastSeen} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}

function Lost({ restore }: { restore: RestoreShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (restore.lost.length === 0) return null;
  const shown = restore.lost.slice(0, SHOWN_MAX);
  return (
    <>
      <Title order={3} size="h5" mt="md">
        {t('restores.lost')}
      </Title>
      <Table className="stacks">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('unit.gapCamera')}</Table.Th>
            <Table.Th>{t('pull.span')}</Table.Th>
            <Table.Th>{t('restores.size')}</Table.Th>
            <Table.Th>{t('restores.how')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((piece) => (
            <Table.Tr key={`${piece.unitId}/${piece.epoch}/${piece.camera}/${piece.quality}/${piece.run}/${piece.seqFirst}`}>
              <Table.Td>
                <bdi>{piece.unitId}</bdi> · <bdi>{piece.camera}</bdi> ·{' '}
                {piece.quality === 'derived' ? t('restores.derived') : t(`quality.${piece.quality}`)}
              </Table.Td>
              <Table.Td>{piece.from && piece.to ? <Span from={piece.from} to={piece.to} /> : t('restores.noTime')}</Table.Td>
              <Table.Td data-label={t('restores.size')}>
                {t('restores.pieces', {
                  ...{ count: piece.fragments, n: format.number(piece.fragments) },
                  bytes: piece.bytes === null ? t('restores.noSize') : format.bytes(piece.bytes),
                })}
              </Table.Td>
              <Table.Td data-label={t('restores.how')}>{t(`restores.gone_${piece.gone}`)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {restore.lostPieces > shown.length ? (
        <Text size="sm" c="dimmed">
          {t('restores.more', { n: format.number(restore.lostPieces - shown.length) })} <code dir="ltr">longroof-controller restored</code>
        </Text>
      ) : null}
    </>
  );
}

function Span({ from, to }: { from: string; to: string }) {
  const format = useFormat();
  return (
    <>
      <Moment at={from} /> ({format.length(Date.parse(to) - Date.parse(from))})
    </>
  );
}
