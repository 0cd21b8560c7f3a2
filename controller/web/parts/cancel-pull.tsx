/** Calling a footage request off, with a reason. */
import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useCancelPull } from '../api/queries.js';
import { Problem } from './states.js';

const REASON_MIN = 3;
const REASON_MAX = 500;

export function CancelPull({ id }: { id: string }) {
  const { t } = useTranslation();
  const cancel = useCancelPull(id);
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const short = reason.trim().length < REASON_MIN;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (!short) cancel.mutate(reason.trim(), { onSuccess: () => setOpen(false) });
  };
  return (
    <>
      <Button variant="default" size="compact-md" onClick={() => setOpen(true)}>
        {t('pull.cancel')}
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={t('pull.cancelTitle')} closeButtonProps={{ 'aria-label': t('app.close') }}>
        <form onSubmit={submit} noValidate>
          <Stack gap="sm">
            <Text size="sm">{t('pull.cancelHint')}</Text>
            <Textarea
              label={t('pull.cancelReason')}
              name="reason"
              required
              minRows={2}
              maxLength={REASON_MAX}
              dir="auto"
              value={reason}
              error={tried && short ? t('request.noReason') : undefined}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            {cancel.error ? <Problem error={cancel.error} /> : null}
            <Group justify="flex-end">
              <Button type="submit" color="red" loading={cancel.isPending}>
                {t('pull.cancel')}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
