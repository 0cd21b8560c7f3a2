/** Sets a hold: which wagon, which time, who answers for it, and when it is looked at again. */
import { Checkbox, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { nowMs } from '../api/clock.js';
import { usePlaceHold } from '../api/desk-queries.js';
import { useUnits } from '../api/queries.js';
import type { Range } from '../logic/coverage.js';
import { inputMs, inputText } from '../logic/format.js';
import { isReason } from '../logic/reason.js';
import { DialogEnd } from '../parts/dialog-end.js';
import { ReasonField } from '../parts/reason-field.js';
import { usePerson } from '../parts/session.js';
import { useFormat } from '../parts/use-format.js';
import { Cameras, Times } from '../timeline/pull-fields.js';

const DAY_MS = 86_400_000;
const REVIEW_DAYS = 30;
const OWNER_MAX = 200;

interface Form {
  cameras: string[];
  from: string;
  to: string;
  owner: string;
  review: string;
  made: boolean;
  reason: string;
}

interface HoldDialogProps {
  /** Where it is known already. */
  unit?: UnitShape;
  range?: Range;
  onClose(): void;
}

export function HoldDialog({ unit, range, onClose }: HoldDialogProps) {
  const { t } = useTranslation();
  const units = useUnits();
  const [chosen, setChosen] = useState<string>();
  const of = unit ?? units.data?.find(({ id }) => id === chosen) ?? units.data?.[0];
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      lockScroll={false}
      title={t('holds.setTitle')}
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      <Stack gap="sm">
        {unit ? (
          <Text fw={700}>
            <bdi>{unit.id}</bdi>
          </Text>
        ) : (
          <NativeSelect
            label={t('pulls.unit')}
            name="unit"
            value={of?.id ?? ''}
            data={(units.data ?? []).map(({ id }) => id)}
            onChange={(event) => setChosen(event.currentTarget.value)}
          />
        )}
        {of ? <HoldForm key={of.id} unit={of} range={range} onClose={onClose} /> : null}
      </Stack>
    </Modal>
  );
}

function HoldForm({ unit, range, onClose }: { unit: UnitShape; range: Range | undefined; onClose(): void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const place = usePlaceHold();
  const person = usePerson();
  const [tried, setTried] = useState(false);
  const [form, setForm] = useState<Form>(() => ({
    cameras: unit.cameras.map(({ id }) => id),
    from: inputText(Math.floor((range?.fromMs ?? nowMs() - 600_000) / 1000) * 1000),
    to: inputText(Math.ceil((range?.toMs ?? nowMs()) / 1000) * 1000),
    owner: person,
    review: inputText(nowMs() + REVIEW_DAYS * DAY_MS).slice(0, 10),
    made: false,
    reason: '',
  }));
  const change = (part: Partial<Form>): void => setForm((now) => ({ ...now, ...part }));
  const fromMs = inputMs(form.from);
  const toMs = inputMs(form.to);
  const reviewMs = inputMs(`${form.review}T12:00:00`);
  const timeError = fromMs === undefined || toMs === undefined || toMs <= fromMs ? t('request.badTimes') : undefined;
  const reviewError = reviewMs === undefined || reviewMs <= nowMs() || reviewMs > nowMs() + 365 * DAY_MS ? t('holds.badReview') : undefined;
  const reasonError = isReason(form.reason) ? undefined : t('request.noReason');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (timeError || reviewError || reasonError || form.cameras.length === 0 || form.owner.trim() === '') return;
    const { cameras, made } = form;
    const times = {
      from: new Date(fromMs ?? 0).toISOString(),
      to: new Date(toMs ?? 0).toISOString(),
      review: new Date(reviewMs ?? 0).toISOString(),
    };
    const wanted = { unitId: unit.id, cameras, ...times, owner: form.owner.trim(), reason: form.reason.trim(), ...(made ? { made } : {}) };
    place.mutate(wanted, { onSuccess: onClose });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <Cameras unit={unit} form={form} change={change} error={tried && form.cameras.length === 0 ? t('request.noCamera') : undefined} />
        <Times form={form} change={change} error={timeError} />
        <div className="two">
          <TextInput
            label={t('holds.owner')}
            description={t('holds.ownerHint')}
            name="owner"
            required
            dir="auto"
            maxLength={OWNER_MAX}
            value={form.owner}
            error={tried && form.owner.trim() === '' ? t('holds.noOwner') : undefined}
            onChange={(event) => change({ owner: event.currentTarget.value })}
          />
          <TextInput
            type="date"
            label={t('holds.review')}
            description={reviewMs === undefined ? ' ' : format.date(reviewMs)}
            name="review"
            required
            value={form.review}
            error={reviewError}
            onChange={(event) => change({ review: event.currentTarget.value })}
          />
        </div>
        <Checkbox
          label={t('holds.made')}
          name="made"
          checked={form.made}
          onChange={(event) => change({ made: event.currentTarget.checked })}
        />
        <ReasonField value={form.reason} error={tried ? reasonError : undefined} onChange={(reason) => change({ reason })} />
        {unit.online ? null : (
          <Text size="sm" className="refused">
            {t(unit.state === 'standby' ? 'holds.standby' : 'holds.offline')}
          </Text>
        )}
        <DialogEnd submit={t('holds.submit')} pending={place.isPending} error={place.error} onClose={onClose} />
      </Stack>
    </form>
  );
}
