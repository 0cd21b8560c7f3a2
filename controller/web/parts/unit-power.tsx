/** What the wagon does with its battery, and why; how long it can go on, or when it can be reached next. */
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { Moment } from './moment.js';
import { useFormat } from './use-format.js';

export function UnitPower({ power }: { power: UnitShape['power'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!power) return null;
  const { mode, reason, supplyV, left, nextContact } = power;
  const parts = [`${t(`power.mode.${mode}`)}: ${t(`power.reason.${reason}`, { defaultValue: reason })}`];
  if (supplyV !== null) parts.push(t('power.volts', { volts: format.number(supplyV, 1) }));
  if (left)
    parts.push(
      t('power.left', { hours: format.number(Math.round(left.cameraHours)), error: format.number(Math.round(left.errorCameraHours)) }),
    );
  return (
    <>
      <dt>{t('power.label')}</dt>
      <dd>
        <span className={`power ${mode}`} data-testid="power">
          {parts.join(' · ')}
          {nextContact ? (
            <>
              {' · '}
              {t('power.nextContact')} <Moment at={nextContact} short />
            </>
          ) : null}
        </span>
      </dd>
    </>
  );
}
