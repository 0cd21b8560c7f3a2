/** Asks a reason, which is entered with the name of whoever gives it, before something is done. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { isReason } from '../logic/reason.js';
import { ReasonField } from './reason-field.js';
import { Problem } from './states.js';

interface ReasonDialogProps {
  title: string;
  text: string;
  submit: string;
  first?: string;
  /** What is done cannot be taken back. */
  grave?: boolean;
  pending: boolean;
  error: unknown;
  onReason(reason: string): void;
  onClose(): void;
}

export function ReasonDialog({ title, text, submit, first = '', grave, pending, error, onReason, onClose }: ReasonDialogProps) {
  const { t } = useTranslation();
  const [reason, setReason] = useState(first);
  const [tried, setTried] = useState(false);
  const short = !isReason(reason);
  const act = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (!short) onReason(reason.trim());
  };
  return (
    <Modal opened onClose={onClose} lockScroll={false} title={title} closeButtonProps={{ 'aria-label': t('app.close') }}>
      <form onSubmit={act} noValidate>
        <Stack gap="sm">
          <Text size="sm">{text}</Text>
          <ReasonField value={reason} error={tried && short ? t('request.noReason') : undefined} first onChange={setReason} />
          {error ? <Problem error={error} /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('app.close')}
            </Button>
            <Button type="submit" loading={pending} {...(grave ? { color: 'red' } : {})}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
