/** Asks for footage: cameras, time, quality and the reason, and says beforehand what it will give and what it cannot. */
import { Alert, Button, Checkbox, Group, Modal, NativeSelect, Radio, Stack, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PullShape, UnitShape } from '../../api/shapes.js';
import { nowMs } from '../api/clock.js';
import { type PullRequest, useCreatePull } from '../api/queries.js';
import type { Range } from '../logic/coverage.js';
import { inputMs, inputText, utcText } from '../logic/format.js';
import { Icon } from '../parts/icons.js';
import { Problem } from '../parts/states.js';
import { navigate } from '../router.js';
import { PullPreview } from './pull-preview.js';

/** As the centre has them. */
const REASON_MIN = 3;
const REASON_MAX = 500;
const CASE_MAX = 100;
const RATES = ['150k', '300k', '1M', '2M'];

interface Form {
  cameras: string[];
  from: string;
  to: string;
  quality: PullShape['quality'];
  /** Of a copy that the wagon makes; empty for footage as it was recorded. */
  rate: string;
  reason: string;
  caseNumber: string;
}

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

interface FormProps {
  unit: UnitShape;
  form: Form;
  change(part: Partial<Form>): void;
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
  const reasonError = form.reason.trim().length < REASON_MIN ? t('request.noReason') : undefined;
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
        {unit.online ? null : (
          <Alert color="yellow" icon={<Icon name="waiting" />}>
            {t('request.offline')}
          </Alert>
        )}
        {create.isError ? <Problem error={create.error} /> : null}
        <Group justify="flex-end" className="dialog-end">
          <Button variant="default" onClick={onClose}>
            {t('request.cancel')}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t('request.submit')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

type PartProps = Omit<FormProps, 'unit'> & { error: string | undefined };

function Cameras({ unit, form, change, error }: FormProps & { error: string | undefined }) {
  const { t } = useTranslation();
  return (
    <Checkbox.Group label={t('request.cameras')} value={form.cameras} onChange={(cameras) => change({ cameras })} error={error}>
      <Group gap="md" mt={4}>
        {unit.cameras.map((camera) => (
          <Checkbox key={camera.id} value={camera.id} label={<bdi>{camera.id}</bdi>} />
        ))}
      </Group>
    </Checkbox.Group>
  );
}

function Times({ form, change, error }: PartProps) {
  const { t } = useTranslation();
  const utc = (text: string): string | undefined => {
    const ms = inputMs(text);
    return ms === undefined ? undefined : utcText(ms);
  };
  return (
    <div className="two">
      <TextInput
        type="datetime-local"
        step={1}
        label={t('request.from')}
        name="from"
        value={form.from}
        description={<bdi dir="ltr">{utc(form.from)}</bdi>}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        onChange={(event) => change({ from: event.currentTarget.value })}
      />
      <TextInput
        type="datetime-local"
        step={1}
        label={t('request.to')}
        name="to"
        value={form.to}
        description={<bdi dir="ltr">{utc(form.to)}</bdi>}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        error={error}
        onChange={(event) => change({ to: event.currentTarget.value })}
      />
    </div>
  );
}

function Quality({ form, change }: Omit<PartProps, 'error'>) {
  const { t } = useTranslation();
  return (
    <Radio.Group
      label={t('request.quality')}
      name="quality"
      value={form.quality}
      onChange={(quality) => change({ quality: quality as Form['quality'], ...(quality === 'strip' ? { rate: '' } : {}) })}
    >
      <div className="two">
        <Radio value="proxy" label={t('quality.proxy')} description={t('request.proxyHint')} />
        <Radio value="original" label={t('quality.original')} description={t('request.originalHint')} />
        <Radio value="strip" label={t('quality.strip')} description={t('request.stripHint')} />
      </div>
    </Radio.Group>
  );
}

function Rate({ form, change }: Omit<PartProps, 'error'>) {
  const { t } = useTranslation();
  const copies = RATES.map((rate) => ({ value: rate, label: t('request.rateCopy', { rate }) }));
  return (
    <NativeSelect
      label={t('request.rate')}
      description={form.rate === '' ? undefined : t('request.rateHint')}
      name="rate"
      value={form.rate}
      data={[{ value: '', label: t('request.rateNone') }, ...copies]}
      onChange={(event) => change({ rate: event.currentTarget.value })}
    />
  );
}

function Reason({ form, change, error }: PartProps) {
  const { t } = useTranslation();
  return (
    <>
      <Textarea
        label={t('request.reason')}
        description={t('request.reasonHint')}
        name="reason"
        required
        minRows={2}
        maxLength={REASON_MAX}
        dir="auto"
        value={form.reason}
        error={error}
        onChange={(event) => change({ reason: event.currentTarget.value })}
      />
      <TextInput
        label={t('request.caseNumber')}
        placeholder={t('request.optional')}
        name="caseNumber"
        maxLength={CASE_MAX}
        dir="auto"
        value={form.caseNumber}
        onChange={(event) => change({ caseNumber: event.currentTarget.value })}
      />
    </>
  );
}
