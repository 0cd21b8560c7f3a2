/** Events that protect footage, as small marks over the rows. Each says in words what it was, when, and whether its footage is held. */
import { useTranslation } from 'react-i18next';
import type { CoverageShape } from '../../api/shapes.js';
import type { Range } from '../logic/coverage.js';
import { useFormat } from '../parts/use-format.js';

type MarkedEvent = CoverageShape['events'][number];

export function EventMarks({ events, span }: { events: MarkedEvent[]; span: Range }) {
  const { t } = useTranslation();
  const words = useEventWords();
  const shown = events.filter(({ at }) => Date.parse(at) >= span.fromMs && Date.parse(at) < span.toMs);
  if (shown.length === 0) return null;
  return (
    <div className="lane events-lane">
      <div className="lane-label">{t('unit.events')}</div>
      <ul className="marks" dir="ltr" aria-label={t('unit.events')}>
        {shown.map((event) => (
          <li
            key={`${event.kind}${event.at}`}
            className={event.kind}
            style={{ left: `${((Date.parse(event.at) - span.fromMs) / (span.toMs - span.fromMs)) * 100}%` }}
            title={words(event)}
          >
            <span className="mark-words">{words(event)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function useEventWords(): (event: MarkedEvent) => string {
  const { t } = useTranslation();
  const format = useFormat();
  return ({ kind, at, on, hold }) => {
    const what = kind === 'ignition' ? t(on ? 'event.ignitionOn' : 'event.ignitionOff') : t(`event.${kind}`);
    const held = hold?.state === 'placed' || hold?.state === 'queued' ? t('event.held') : hold ? t('event.notHeld') : '';
    return [`${format.time(Date.parse(at))} — ${what}`, held].filter((part) => part !== '').join('; ');
  };
}
