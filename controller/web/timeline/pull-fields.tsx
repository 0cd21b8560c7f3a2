/** The fields of a request for footage. */
import { Checkbox, Group, NativeSelect, Radio, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PullShape, UnitShape } from '../../api/shapes.js';
import { inputMs, rateBps, utcText } from '../logic/format.js';
import { ReasonField } from '../parts/reason-field.js';
import { useFormat } from '../parts/use-format.js';

/** As the centre has it. */
const CASE_MAX = 100;
const RATES = ['150k', '300k', '1M', '2M'];

export interface Form {
  cameras: string[];
  from: string;
  to: string;
  quality: PullShape['quality'];
  /** Of a copy that the wagon makes; empty for footage as it was recorded. */
  rate: string;
  reason: string;
  caseNumber: string;
  urgent: boolean;
}

export interface FormProps {
  unit: UnitShape;
  form: Form;
  change(part: Partial<Form>): void;
}

type PartProps = Omit<FormProps, 'unit'> & { error: string | undefined };
/** Of any form that has such members. */
interface Of<K extends keyof Form> {
  form: Pick<Form, K>;
  change(part: Partial<Pick<Form, K>>): void;
  error: string | undefined;
}

export function Cameras({ unit, form, change, error }: Of<'cameras'> & { unit: UnitShape }) {
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

export function Times({ form, change, error }: Of<'from' | 'to'>) {
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

export function Quality({ form, change }: Omit<PartProps, 'error'>) {
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

export function Rate({ form, change }: Omit<PartProps, 'error'>) {
  const { t } = useTranslation();
  const format = useFormat();
  const copies = RATES.map((rate) => ({ value: rate, label: t('request.rateCopy', { rate: format.rate(rateBps(rate)) }) }));
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

export function Reason({ form, change, error }: PartProps) {
  const { t } = useTranslation();
  return (
    <>
      <ReasonField value={form.reason} error={error} onChange={(reason) => change({ reason })} />
      <TextInput
        label={t('request.caseNumber')}
        placeholder={t('request.optional')}
        name="caseNumber"
        maxLength={CASE_MAX}
        dir="auto"
        value={form.caseNumber}
        onChange={(event) => change({ caseNumber: event.currentTarget.value })}
      />
      <Checkbox
        label={t('request.urgent')}
        name="urgent"
        checked={form.urgent}
        onChange={(event) => change({ urgent: event.currentTarget.checked })}
      />
    </>
  );
}
