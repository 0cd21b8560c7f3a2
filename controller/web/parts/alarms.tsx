/** What a wagon's record contradicts itself in, until somebody has seen to it; and the way for a manager to say that he has. */
import { Alert, Button, Group, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { AlarmShape, UnitShape } from '../../api/shapes.js';
import { useCloseAlarm } from '../api/queries.js';
import { isReason, REASON_CHARS_MAX } from '../logic/reason.js';
import { Icon } from './icons.js';
import { useMayOperate } from './session.js';
import { Problem } from './states.js';
import { useFormat } from './use-format.js';

const TEXT: Readonly<Record<string, 'LR_EPOCH_RETURNED' | 'LR_JOURNAL_FORK' | 'LR_JOURNAL_ROLLBACK'>> = {
  LR_EPOCH_RETURNED: 'LR_EPOCH_RETURNED',
  LR_JOURNAL_FORK: 'LR_JOURNAL_FORK',
  LR_JOURNAL_ROLLBACK: 'LR_JOURNAL_ROLLBACK',
};

export function Alarms({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  if (unit.alarms.length === 0) return null;
  return (
    <Alert color="red" role="alert" icon={<Icon name="degraded" />} title={t('alarm.title')}>
      {unit.alarms.map((alarm) => (
        <AlarmLine key={alarm.id} unit={unit.id} alarm={alarm} />
      ))}
      <Text size="sm" mt="xs">
        {t('alarm.advice')}
      </Text>
    </Alert>
  );
}

function AlarmLine({ unit, alarm }: { unit: string; alarm: AlarmShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const mayClose = useMayOperate();
  const known = TEXT[alarm.code];
  return (
    <>
      <Text size="sm">
        {known ? t(`alarm.${known}`) : <bdi>{alarm.message}</bdi>} <code dir="ltr">{alarm.code}</code>{' '}
        {t('alarm.times', {
          count: alarm.count,
          n: format.number(alarm.count),
          first: format.dateTime(Date.parse(alarm.first)),
          last: format.dateTime(Date.parse(alarm.last)),
        })}
      </Text>
      {mayClose ? <CloseAlarm unit={unit} alarm={alarm.id} /> : null}
    </>
  );
}

function CloseAlarm({ unit, alarm }: { unit: string; alarm: string }) {
  const { t } = useTranslation();
  const close = useCloseAlarm(unit, alarm);
  const [reason, setReason] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isReason(reason)) close.mutate(reason.trim());
  };
  return (
    <form onSubmit={submit} noValidate>
      <Group gap="xs" align="end" my={4}>
        <TextInput
          size="xs"
          name="alarm-reason"
          label={t('alarm.reason')}
          maxLength={REASON_CHARS_MAX}
          dir="auto"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Button size="compact-sm" type="submit" variant="default" disabled={!isReason(reason)} loading={close.isPending}>
          {t('alarm.close')}
        </Button>
      </Group>
      {close.error ? <Problem error={close.error} /> : null}
    </form>
  );
}
