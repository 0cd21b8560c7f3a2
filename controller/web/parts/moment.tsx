/** A time: local, with UTC beside or below it. The machine-readable time is in the element. */

import { utcText, utcTime } from '../logic/format.js';
import { useFormat } from './use-format.js';

export function Moment({ at, short = false, stacked = false }: { at: string | number; short?: boolean; stacked?: boolean }) {
  const format = useFormat();
  const utcMs = typeof at === 'number' ? at : Date.parse(at);
  if (!Number.isFinite(utcMs)) return <span>—</span>;
  return (
    <time dateTime={new Date(utcMs).toISOString()} className={stacked ? 'moment stacked' : 'moment'}>
      <span>{short ? format.time(utcMs) : format.dateTime(utcMs)}</span>{' '}
      <bdi dir="ltr" className="utc">
        {short ? utcTime(utcMs) : utcText(utcMs)}
      </bdi>
    </time>
  );
}
