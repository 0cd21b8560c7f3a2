/** How a long form in a dialog ends. It stays in sight while the form scrolls, and so does what the centre said against it. */
import { Button, Group, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Problem } from './states.js';

interface DialogEndProps {
  submit: string;
  pending: boolean;
  error: unknown;
  onClose(): void;
}

export function DialogEnd({ submit, pending, error, onClose }: DialogEndProps) {
  const { t } = useTranslation();
  return (
    <Stack gap="sm" className="dialog-end">
      {error ? <Problem error={error} /> : null}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          {t('request.cancel')}
        </Button>
        <Button type="submit" loading={pending}>
          {submit}
        </Button>
      </Group>
    </Stack>
  );
}
