/** What a request would give: how long footage of which cameras, the gaps within, and about how many bytes. */
import { Paper, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { useRangeCoverage } from '../api/queries.js';
import { isOpen, type Range, type Row, rowsOf, type Sum, sumOf } from '../logic/coverage.js';
import { Problem } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useWords } from '../parts/words.js';

interface PreviewProps {
  unitId: string;
  cameras: string[];
  quality: PullShape['quality'];
  range: Range | undefined;
}

export function PullPreview({ unitId, cameras, quality, range }: PreviewProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const coverage = useRangeCoverage(unitId, range);
  if (!range || cameras.length === 0) return null;
  if (coverage.isError) return <Problem error={coverage.error} />;
  const rows = coverage.data ? rowsOf(coverage.data).filter((row) => row.rendition === quality && cameras.includes(row.camera)) : undefined;
  const bytes = rows?.reduce((sum, row) => sum + sumOf(row, range).bytes, 0) ?? 0;
  return (
    <Paper withBorder radius="sm" p="sm" className="preview" aria-live="polite">
      <Text size="sm" fw={600}>
        {t('request.gives')}
      </Text>
      {rows === undefined ? (
        <Text size="sm" c="dimmed">
          {t('request.loading')}
        </Text>
      ) : (
        <ul>
          {together(cameras, rows, range).map((group) => (
            <CamerasPreview key={group.cameras[0]} {...group} />
          ))}
        </ul>
      )}
      {bytes > 0 ? (
        <Text size="sm" c="dimmed">
          {t('request.givesBytes', { bytes: format.bytes(bytes) })}
        </Text>
      ) : null}
    </Paper>
  );
}

/** Cameras of which the same is said, together: most often that is all of them. */
function together(cameras: readonly string[], rows: readonly Row[], range: Range): { cameras: string[]; sum: Sum | undefined }[] {
  const found = new Map<string, { cameras: string[]; sum: Sum | undefined }>();
  for (const camera of cameras) {
    const row = rows.find((one) => one.camera === camera);
    const sum = row ? sumOf(row, range) : undefined;
    const seconds = (ms: number): number => Math.round(ms / 1000);
    const said = sum ? [seconds(sum.footageMs), ...sum.gaps.map((gap) => [gap.cause, seconds(gap.toMs - gap.fromMs)])] : [];
    const key = JSON.stringify(said);
    const group = found.get(key) ?? { cameras: [], sum };
    group.cameras.push(camera);
    found.set(key, group);
  }
  return [...found.values()];
}

function CamerasPreview({ cameras, sum }: { cameras: readonly string[]; sum: Sum | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  const camera = cameras.join(t('request.comma'));
  if (!sum || (sum.footageMs === 0 && sum.gaps.length === 0)) return <li>{t('request.givesNothing', { camera })}</li>;
  const gaps = sum.gaps.filter((gap) => !isOpen(gap.cause));
  const gapMs = gaps.reduce((ms, gap) => ms + gap.toMs - gap.fromMs, 0);
  const recordingMs = sum.gaps.reduce((ms, gap) => ms + (gap.cause === 'being-recorded' ? gap.toMs - gap.fromMs : 0), 0);
  const unreportedMs = sum.gapMs - gapMs - recordingMs;
  const causes = [...new Set(gaps.map((gap) => words.causeShort(gap.cause)))].join(t('request.comma'));
  const nothing = sum.footageMs === 0 && recordingMs === 0;
  return (
    <li>
      {nothing
        ? t('request.givesNothing', { camera })
        : t('request.givesFootage', { camera, length: format.length(sum.footageMs + recordingMs) })}
      {recordingMs > 0 ? <span className="dim"> {t('request.givesRecording', { length: format.length(recordingMs) })}</span> : null}
      {gaps.length > 0 ? (
        <span className="why"> {nothing ? `(${causes})` : `${t('request.givesGaps', { length: format.length(gapMs) })} ${causes}`}</span>
      ) : null}
      {unreportedMs > 0 ? <span className="dim"> {t('request.givesUnreported', { length: format.length(unreportedMs) })}</span> : null}
    </li>
  );
}
