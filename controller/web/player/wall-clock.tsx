/** The time of the frame in the picture, to the millisecond, local and UTC. */
import { useTranslation } from 'react-i18next';
import { useFormat } from '../parts/use-format.js';

export function WallClock({ utcMs }: { utcMs: number | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (utcMs === undefined) return <p className="wall-clock">—</p>;
  const utc = new Date(Math.round(utcMs)).toISOString();
  return (
    <p className="wall-clock" data-testid="wall-clock" data-utc={utc}>
      <span className="label">{t('player.wallClock')}</span> <time dateTime={utc}>{format.dateTime(utcMs)}</time>{' '}
      <bdi dir="ltr" className="utc">
        {utc.slice(0, 23).replace('T', ' ')} UTC
      </bdi>
    </p>
  );
}
