/** Gaps as a table: when, how long, which camera, and why in plain words. The same facts as the drawing, for every reader. */
import { Button, Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Moment } from '../parts/moment.js';
import { useFormat } from '../parts/use-format.js';

export interface ListedGap {
  camera: string;
  fromMs: number;
  toMs: number;
  /** In words. */
  cause: string;
  detail?: string;
}

const SHOWN_MAX = 200;

export function GapList({ gaps, onPick }: { gaps: ListedGap[]; onPick?: (gap: ListedGap) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const shown = gaps.slice(0, SHOWN_MAX);
  return (
    <>
      <Table className="gap-list" verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('unit.gapFrom')}</Table.Th>
            <Table.Th>{t('unit.gapLength')}</Table.Th>
            <Table.Th>{t('unit.gapCamera')}</Table.Th>
            <Table.Th>{t('unit.gapCause')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((gap) => (
            <Table.Tr key={`${gap.camera} ${gap.fromMs} ${gap.cause}`}>
              <Table.Td data-label={t('unit.gapFrom')}>
                {onPick ? (
                  <Button variant="subtle" size="compact-sm" className="pick" onClick={() => onPick(gap)}>
                    <Moment at={gap.fromMs} stacked />
                  </Button>
                ) : (
                  <Moment at={gap.fromMs} stacked />
                )}
              </Table.Td>
              <Table.Td data-label={t('unit.gapLength')}>{format.length(gap.toMs - gap.fromMs)}</Table.Td>
              <Table.Td data-label={t('unit.gapCamera')}>
                <bdi>{gap.camera}</bdi>
              </Table.Td>
              <Table.Td data-label={t('unit.gapCause')}>
                {gap.cause}
                {gap.detail ? (
                  <>
                    {' '}
                    <code dir="ltr">{gap.detail}</code>
                  </>
                ) : null}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {gaps.length > SHOWN_MAX ? <p className="dim">{t('unit.moreGaps', { n: format.number(gaps.length - SHOWN_MAX) })}</p> : null}
    </>
  );
}
