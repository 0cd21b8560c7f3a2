/** Where a wagon was, in degrees, with the time of the fix: a position without its time says nothing. */
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { Icon } from './icons.js';
import { useFormat } from './use-format.js';

export function Position({ position }: { position: UnitShape['position'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!position) return <span>{t('units.noPosition')}</span>;
  return (
    <span>
      <Icon name="pin" sizePx={14} />{' '}
      <bdi dir="ltr">
        {position.latDeg.toFixed(5)}, {position.lonDeg.toFixed(5)}
      </bdi>{' '}
      <span className="dim">{t('units.positionAt', { time: format.dateTime(Date.parse(position.at)) })}</span>
    </span>
  );
}
