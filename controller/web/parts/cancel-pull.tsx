/** Calling a footage request off, with a reason. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useCancelPull } from '../api/queries.js';
import { ReasonDialog } from './reason-dialog.js';

export function CancelPull({ id }: { id: string }) {
  const { t } = useTranslation();
  const cancel = useCancelPull(id);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={() => setOpen(true)}>
        {t('pull.cancel')}
      </Button>
      {open ? (
        <ReasonDialog
          title={t('pull.cancelTitle')}
          text={t('pull.cancelHint')}
          submit={t('pull.cancel')}
          grave
          pending={cancel.isPending}
          error={cancel.error}
          onClose={() => setOpen(false)}
          onReason={(reason) => cancel.mutate(reason, { onSuccess: () => setOpen(false) })}
        />
      ) : null}
    </>
  );
}
