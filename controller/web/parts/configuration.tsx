/** The settings that the centre asked a wagon to take on, and what the wagon made of them. */
import { Paper, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { ConfigurationShape, UnitShape } from '../../api/shapes.js';
import { Moment } from './moment.js';

export function Configuration({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const { configuration } = unit;
  if (!configuration) return null;
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('configuration.title')}>
      <Title order={2} size="h4" mb="xs">
        {t('configuration.title')}
      </Title>
      <dl className="facts wide">
        <dt>{t('configuration.asked')}</dt>
        <dd>
          <Moment at={configuration.asked} /> · <bdi>{configuration.person}</bdi> · <bdi>{configuration.reason}</bdi>
        </dd>
        <dt>{t('configuration.settings')}</dt>
        <dd>
          <Settings settings={configuration.settings} />
        </dd>
        <dt>{t('configuration.answer')}</dt>
        <dd>
          {t(`configuration.${configuration.state}`)}
          {configuration.answered ? (
            <>
              {' · '}
              <Moment at={configuration.answered} />
            </>
          ) : null}
          {configuration.problem ? (
            <Text size="sm">
              <bdi>{configuration.problem.message}</bdi> <code dir="ltr">{configuration.problem.code}</code>
            </Text>
          ) : null}
        </dd>
      </dl>
    </Paper>
  );
}

/** As they are written: names of settings are those of the API. */
function Settings({ settings }: { settings: ConfigurationShape['settings'] }) {
  const { t } = useTranslation();
  const cameras = Object.entries(settings.cameras);
  if (cameras.length === 0) return t('configuration.none');
  return cameras.map(([camera, one]) => (
    <Text size="sm" key={camera}>
      <bdi>{camera}</bdi>{' '}
      <code dir="ltr">
        {Object.entries(one)
          .map(([name, value]) => `${name}: ${String(value)}`)
          .join(', ')}
      </code>
    </Text>
  ));
}
