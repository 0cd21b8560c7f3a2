/** What the wagon does with its battery, and why; how long it can go on, or when it can be reached next. */
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { nowMs } from '../api/clock.js';
import { Moment } from './moment.js';
import { useFormat } from './use-format.js';

/** Less is nothing to go by. */
const LEFT_HOURS_MIN = 0.1;
/** It is told when it changes: an older voltage is shown with its time. */
const FRESH_MS = 120_000;

export function UnitPower({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { power, online } = unit;
  if (!power) return null;
  const { reason, supplyV, left, nextContact } = power;
  const mode = unit.state === 'off' ? t('unitState.off') : t(`power.mode.${power.mode}`);
  const parts = [`${mode}: ${t(`power.reason.${reason}`, { defaultValue: reason })}`];
  if (supplyV !== null) parts.push(t('power.volts', { volts: format.number(supplyV, 1) }));
  if (left && left.cameraHours >= LEFT_HOURS_MIN)
    parts.push(
      t('power.left', {
        hours: format.number(left.cameraHours, left.cameraHours < 10 ? 1 : 0),
        error: format.number(left.errorCameraHours, left.cameraHours < 10 ? 1 : 0),
      }),
    );
  return (
    <>
      <dt>{t('power.label')}</dt>
      <dd>
        <span className={`power ${power.mode}`} data-testid="power">
          {parts.join(' · ')}
          <Spared power={power} />
          {nextContact ? <Contact unit={unit} at={nextContact} /> : null}
          {unit.state === 'standby' || (online && nowMs() - Date.parse(power.at) < FRESH_MS) ? null : (
            <span className="dim"> ({t('units.positionAt', { time: format.dateTime(Date.parse(power.at)) })})</span>
          )}
        </span>
      </dd>
    </>
  );
}

/** What a parked wagon does not record to spare its battery. */
function Spared({ power: { mode, shed } }: { power: NonNullable<UnitShape['power']> }) {
  const { t } = useTranslation();
  if (mode !== 'parked-watch' || !shed) return null;
  const cameras = shed.cameras.join(t('request.comma'));
  return (
    <>
      {shed.proxies ? ` · ${t('power.sparesProxies')}` : null}
      {cameras === '' ? null : ` · ${t('power.sparesCameras', { cameras })}`}
    </>
  );
}

/** When it can be reached next; a time that it let pass is said as such. */
function Contact({ unit, at }: { unit: UnitShape; at: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const atMs = Date.parse(at);
  const isMissed = !unit.online && unit.state !== 'standby';
  return (
    <>
      {' · '}
      {t(isMissed ? 'power.missedContact' : 'power.nextContact')} <Moment at={at} short />
      {isMissed ? null : ` (${atMs > nowMs() ? format.until(atMs) : t('power.contactDue')})`}
    </>
  );
}
