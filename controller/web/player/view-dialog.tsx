/** Asks the reason of one who looks at footage that another person requested. */
import { Button, Modal, Stack, Text, Textarea } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import { useRequestView, type ViewGrant } from '../api/queries.js';
import { isReason, REASON_CHARS_MAX } from '../logic/reason.js';
import { Problem } from '../parts/states.js';

export function ViewDialog({ pull, onGrant, onClose }: { pull: PullShape; onGrant(grant: ViewGrant): void; onClose(): void }) {
  const { t } = useTranslation();
  const [reason, setReason] = useState('');
  const view = useRequestView(pull.id);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isReason(reason)) view.mutate(reason.trim(), { onSuccess: onGrant });
  };
  return (
    <Modal opened onClose={onClose} lockScroll={false} title={t('view.title')} closeButtonProps={{ 'aria-label': t('app.close') }}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t('view.text', { person: pull.person })}</Text>
          <Textarea
            label={t('view.reason')}
            name="viewReason"
            required
            data-autofocus
            minRows={2}
            maxLength={REASON_CHARS_MAX}
            dir="auto"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          {view.isError ? <Problem error={view.error} /> : null}
          <Button type="submit" loading={view.isPending} disabled={!isReason(reason)}>
            {t('view.submit')}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
