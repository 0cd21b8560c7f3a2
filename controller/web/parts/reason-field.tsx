/** Where a reason is given, which is entered with the name of whoever gives it. */
import { Textarea } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { REASON_CHARS_MAX } from '../logic/reason.js';

interface ReasonFieldProps {
  value: string;
  error?: string | undefined;
  /** The field that a dialog begins with. */
  first?: boolean;
  onChange(reason: string): void;
}

export function ReasonField({ value, error, first, onChange }: ReasonFieldProps) {
  const { t } = useTranslation();
  return (
    <Textarea
      label={t('request.reason')}
      description={t('request.reasonHint')}
      name="reason"
      required
      {...(first ? { 'data-autofocus': true } : {})}
      minRows={2}
      maxLength={REASON_CHARS_MAX}
      dir="auto"
      value={value}
      error={error}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
