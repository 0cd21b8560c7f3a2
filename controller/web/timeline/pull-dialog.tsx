/** Asks for footage: cameras, time, quality and the reason, and says beforehand what it will give and what it cannot. */
import { Alert, Modal, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { nowMs } from '../api/clock.js';
import { type PullRequest, useCreatePull } from '../api/queries.js';
import type { Range } from '../logic/coverage.js';
import { inputMs, inputText } from '../logic/format.js';
import { isReason } from '../logic/reason.js';
import { DialogEnd } from '../parts/dialog-end.js';
import { Icon } from '../parts/icons.js';
import { useFormat } from '../parts/use-format.js';
import { navigate } from '../router.js';
import { Cameras, type Form, type FormProps, Quality, Rate, Reason, Times } from './pull-fields.js';
import { PullPreview } from './pull-preview.js';

export function PullDialog({ unit, range, onClose }: { unit: UnitShape; range: Range; onClose(): void }) {
  const { t } = useTranslation();
  const [form, setForm] = useState<Form>(() => ({
    cameras: unit.cameras.map((camera) => camera.id),
    // Whole seconds, outwards, so that nothing that was selected is left out.
    from: inputText(Math.floor(range.fromMs / 1000) * 1000),
    to: inputText(Math.min(Math.ceil(range.toMs / 1000) * 1000, Math.floor(nowMs() / 1000) * 1000)),
    quality: 'proxy',
    rate: '',
    reason: '',
    caseNumber: '',
    urgent: false,
  }));
  const change = (part: Partial<Form>): void => setForm((now) => ({ ...now, ...part }));
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      lockScroll={false}
      title={t('request.title', { unit: unit.id })}
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      <RequestForm unit={unit} form={form} change={change} onClose={onClose} />
    </Modal>
  );
}

function requestOf(unit: UnitShape, form: Form, range: Range): PullRequest {
  const caseNumber = form.caseNumber.trim();
  return {
    unitId: unit.id,
    cameras: form.cameras,
    from: new Date(range.fromMs).toISOString(),
    to: new Date(range.toMs).toISOString(),
    quality: form.quality,
    ...(form.rate === '' ? {} : { rate: form.rate }),
    reason: form.reason.trim(),
    ...(caseNumber === '' ? {} : { caseNumber }),
    ...(form.urgent ? { urgent: true } : {}),
  };
}

function RequestForm({ unit, form, change, onClose }: FormProps & { onClose(): void }) {
  const { t } = useTranslation();
  const create = useCreatePull();
  const [tried, setTried] = useState(false);
  const fromMs = inputMs(form.from);
  const toMs = inputMs(form.to);
  const timeError = fromMs === undefined || toMs === undefined || toMs <= fromMs ? t('request.badTimes') : undefined;
  const futureError = toMs !== undefined && toMs > nowMs() + 1_000 ? t('request.badFuture') : undefined;
  const cameraError = form.cameras.length === 0 ? t('request.noCamera') : undefined;
  const reasonError = isReason(form.reason) ? undefined : t('request.noReason');
  const range = timeError || fromMs === undefined || toMs === undefined ? undefined : { fromMs, toMs };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (!range || futureError || cameraError || reasonError) {
      // On a phone the field may be out of sight.
      if (reasonError && event.currentTarget instanceof HTMLFormElement)
        event.currentTarget.querySelector<HTMLTextAreaElement>('textarea[name="reason"]')?.focus();
      return;
    }
    create.mutate(requestOf(unit, form, range), { onSuccess: (pull) => navigate(`/pulls/${encodeURIComponent(pull.id)}`) });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <Cameras unit={unit} form={form} change={change} error={tried ? cameraError : undefined} />
        <Times form={form} change={change} error={timeError ?? futureError} />
        <Quality form={form} change={change} />
        {form.quality === 'strip' ? null : <Rate form={form} change={change} />}
        <PullPreview unitId={unit.id} cameras={form.cameras} quality={form.quality} range={range} />
        <Reason form={form} change={change} error={tried ? reasonError : undefined} />
        <Away unit={unit} />
        <DialogEnd submit={t('request.submit')} pending={create.isPending} error={create.error} onClose={onClose} />
      </Stack>
    </form>
  );
}

/** Why the answer takes a while, and where it is known how long. */
function Away({ unit: { online, state, power } }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (online) return null;
  if (state === 'standby' && power?.nextContact)
    return (
      <Alert color="blue" icon={<Icon name="standby" />}>
        {t('request.standby', { time: format.dateTime(Date.parse(power.nextContact)) })}
      </Alert>
    );
  return (
    <Alert color="yellow" icon={<Icon name="waiting" />}>
      {t('request.offline')}
    </Alert>
  );
}
