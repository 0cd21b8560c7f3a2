/** What a request asks for: the rendition, and the rate where the wagon makes a copy of it. */
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { rateBps } from '../logic/format.js';
import { useFormat } from './use-format.js';

export function Quality({ pull }: { pull: Pick<PullShape, 'quality' | 'rate'> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const copy = pull.rate === undefined ? undefined : t('pull.copyRate', { rate: format.rate(rateBps(pull.rate)) });
  return <>{[t(`quality.${pull.quality}`), copy].filter((part) => part !== undefined).join(t('request.comma'))}</>;
}
