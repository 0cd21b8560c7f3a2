/** What a request asks for: the rendition, and the rate where the wagon makes a copy of it. */
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';

export function Quality({ pull }: { pull: Pick<PullShape, 'quality' | 'rate'> }) {
  const { t } = useTranslation();
  // `300k` is 300 kbit/s.
  const rate = pull.rate?.replace(/(?=[a-z])/i, ' ');
  return (
    <>
      {t(`quality.${pull.quality}`)}
      {rate ? `, ${t('pull.copyRate', { rate })}` : ''}
    </>
  );
}
