/** What a camera's row says of one time, in words: for the reader under the pointer, the finger, or the screen reader. */
import { useTranslation } from 'react-i18next';
import { nowMs } from '../api/clock.js';
import { gapLook, pieceAt, type Row } from '../logic/coverage.js';
import { useFormat } from '../parts/use-format.js';
import { useWords } from '../parts/words.js';

export interface Description {
  kind: 'footage' | 'gap' | 'spared' | 'unknown';
  title: string;
  text: string;
  /** The stretch it belongs to. */
  range?: { fromMs: number; toMs: number };
}

/** A clock that may be wrong by more than this is worth a word. */
const UNSURE_MS = 2_000;

/** `slackMs`: how near counts as hitting a gap, the width of a finger or pixel in time. */
export function useDescribe(): (row: Row, atMs: number, slackMs: number) => Description {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  return (row, atMs, slackMs) => {
    const piece = pieceAt(row, atMs, slackMs);
    if (!piece) return { kind: 'unknown', title: t('unit.noFootage'), text: atMs > nowMs() ? t('unit.future') : t('unit.nothing') };
    const range = { fromMs: piece.fromMs, toMs: piece.toMs };
    if (piece.kind === 'gap') {
      const text = `${words.cause(piece.cause)}${piece.detail ? ` (${piece.detail})` : ''}`;
      const recording = piece.cause === 'being-recorded';
      const kind = recording ? 'footage' : gapLook(piece.cause) === 'spared' ? 'spared' : 'gap';
      return { kind, title: t(recording ? 'unit.legendRecording' : 'unit.noFootage'), text, range };
    }
    const error = format.length(piece.clock.errorMs);
    const clock = piece.clock.errorMs > UNSURE_MS ? t('unit.clockUnsure', { error }) : t('unit.clockExact', { error });
    const gone = piece.where === 'disposed' || piece.where === 'lost';
    return {
      kind: gone ? 'gap' : 'footage',
      title: gone ? t('unit.noFootage') : t('unit.footage'),
      text: `${t(`where.${piece.where}`)} · ${clock}`,
      range,
    };
  };
}
