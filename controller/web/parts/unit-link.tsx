/** By what a wagon is connected, what its metered links have taken this month, and why footage waits. */
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { useFormat } from './use-format.js';

export function UnitLink({ link }: { link: UnitShape['link'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!link) return null;
  const { budget, waits } = link;
  return (
    <>
      <dt>{t('link.title')}</dt>
      <dd>
        {t(link.class === 'free' ? 'link.free' : 'link.metered')}
        {link.interface === null ? null : (
          <>
            {' '}
            (<bdi>{link.interface}</bdi>)
          </>
        )}
        {budget ? (
          <>
            {' · '}
            {t('link.spent', {
              spent: format.bytes(budget.spentBytes),
              all: format.bytes(budget.bytes),
              until: format.dateTime(Date.parse(budget.until)),
            })}
          </>
        ) : null}
        {waits ? (
          <>
            {' · '}
            <strong>
              {t(waits === 'LR_LINK_BUDGET' ? 'link.waitsBudget' : waits === 'LR_LINK_CLASS' ? 'link.waitsClass' : 'link.waitsCount')}
            </strong>
            {link.urgentGoes ? ` ${t('link.urgentGoes')}` : null}
          </>
        ) : null}
      </dd>
    </>
  );
}
