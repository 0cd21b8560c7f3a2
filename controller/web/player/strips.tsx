/** Strips of a camera: a picture for each minute, with the time at which it begins. */
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useStrips } from '../api/queries.js';
import { Moment } from '../parts/moment.js';
import { Loaded } from '../parts/states.js';
import { withToken } from './source.js';

interface StripsProps {
  pullId: string;
  camera: string;
  token: string | undefined;
  /** More of them are on their way while it changes. */
  bytesDone: number;
}

export function Strips({ pullId, camera, token, bytesDone }: StripsProps) {
  const { t } = useTranslation();
  const strips = useStrips(pullId, camera, token, bytesDone);
  const base = `/api/pulls/${encodeURIComponent(pullId)}/${encodeURIComponent(camera)}`;
  return (
    <Loaded query={strips}>
      {(found) => (
        <div className="strips">
          {found.map((strip) => (
            <figure key={strip.name}>
              <img
                src={withToken(`${base}/strips/${strip.name}`, token)}
                alt={t('pull.stripOf', { camera, time: strip.from })}
                loading="lazy"
                decoding="async"
              />
              <Text component="figcaption" size="sm" c="dimmed">
                <Moment at={strip.from} />
              </Text>
            </figure>
          ))}
        </div>
      )}
    </Loaded>
  );
}
