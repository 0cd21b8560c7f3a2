/** Asking many wagons at once for the same time. */
import { Alert, Button, Checkbox, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UnitShape } from '../../api/shapes.js';
import { nowMs } from '../api/clock.js';
import { useCreatePulls } from '../api/desk-queries.js';
import { useUnits } from '../api/queries.js';
import { inputMs, inputText } from '../logic/format.js';
import { isReason } from '../logic/reason.js';
import { UnitStateBadge } from '../parts/badges.js';
import { Icon } from '../parts/icons.js';
import { Empty, Loaded, Problem } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useTitle } from '../parts/use-title.js';
import { navigate } from '../router.js';
import { type Form, Quality, Rate, Reason, Times } from '../timeline/pull-fields.js';

/** As the centre has them. */
const UNITS_MAX = 64;

export function ManyPage() {
  const { t } = useTranslation();
  const units = useUnits();
  useTitle(t('many.title'));
  return (
    <>
      <div className="page-head">
        <Title order={1} size="h3">
          {t('many.title')}
        </Title>
      </div>
      <Loaded query={units}>{(list) => (list.length === 0 ? <Empty title={t('units.none')} /> : <ManyForm units={list} />)}</Loaded>
    </>
  );
}

function firstForm(): Form {
  const toMs = Math.floor(nowMs() / 1000) * 1000;
  const nothing = { cameras: [], rate: '', reason: '', caseNumber: '', urgent: false };
  return { ...nothing, from: inputText(toMs - 600_000), to: inputText(toMs), quality: 'proxy' };
}

function ManyForm({ units }: { units: UnitShape[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const create = useCreatePulls();
  const [form, setForm] = useState<Form>(firstForm);
  const [chosen, setChosen] = useState<string[]>([]);
  const [tried, setTried] = useState(false);
  const change = (part: Partial<Form>): void => setForm((now) => ({ ...now, ...part }));
  const fromMs = inputMs(form.from);
  const toMs = inputMs(form.to);
  const timeError =
    fromMs === undefined || toMs === undefined || toMs <= fromMs
      ? t('request.badTimes')
      : toMs > nowMs() + 1_000
        ? t('request.badFuture')
        : undefined;
  const reasonError = isReason(form.reason) ? undefined : t('request.noReason');
  const unitError = chosen.length === 0 ? t('many.noUnit') : chosen.length > UNITS_MAX ? t('many.tooMany', { n: UNITS_MAX }) : undefined;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (timeError || reasonError || unitError) return;
    const { quality, rate, reason, caseNumber, urgent } = form;
    const times = { from: new Date(fromMs ?? 0).toISOString(), to: new Date(toMs ?? 0).toISOString() };
    const more = { ...(rate === '' ? {} : { rate }), ...(caseNumber.trim() === '' ? {} : { caseNumber: caseNumber.trim() }) };
    create.mutate(
      { unitIds: chosen, ...times, quality, reason: reason.trim(), ...more, ...(urgent ? { urgent } : {}) },
      { onSuccess: ({ pulls, refused }) => navigate(`/together/${pulls.map(({ id }) => id).join(',')}`, { refused }) },
    );
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Choice units={units} chosen={chosen} onChosen={setChosen} error={tried ? unitError : undefined} />
        <Paper withBorder radius="md" p="md">
          <Stack gap="sm">
            <Times form={form} change={change} error={timeError} />
            <Quality form={form} change={change} />
            {form.quality === 'strip' ? null : <Rate form={form} change={change} />}
            <Reason form={form} change={change} error={tried ? reasonError : undefined} />
            <Away units={units} chosen={chosen} />
            {create.isError ? <Problem error={create.error} /> : null}
            <Group justify="flex-end">
              <Button type="submit" loading={create.isPending}>
                {chosen.length === 0 ? t('request.submit') : t('many.submit', { count: chosen.length, n: format.number(chosen.length) })}
              </Button>
            </Group>
          </Stack>
        </Paper>
      </Stack>
    </form>
  );
}

function Away({ units, chosen }: { units: UnitShape[]; chosen: string[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const away = units.filter(({ id, online }) => !online && chosen.includes(id)).length;
  if (away === 0) return null;
  return (
    <Alert color="yellow" icon={<Icon name="waiting" />}>
      {t('many.away', { n: format.number(away) })}
    </Alert>
  );
}

interface ChoiceProps {
  units: UnitShape[];
  chosen: string[];
  onChosen(ids: string[]): void;
  error: string | undefined;
}

function Choice({ units, chosen, onChosen, error }: ChoiceProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [wanted, setWanted] = useState('');
  const shown = units.filter(({ id }) => id.includes(wanted.trim().toLowerCase()));
  const shownIds = shown.map(({ id }) => id);
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('many.units')}>
      <div className="page-head">
        <Title order={2} size="h5">
          {t('many.units')}
        </Title>
        <div className="tools">
          <TextInput
            type="search"
            aria-label={t('units.search')}
            placeholder={t('units.search')}
            value={wanted}
            onChange={(event) => setWanted(event.currentTarget.value)}
          />
          <Button variant="default" onClick={() => onChosen([...new Set([...chosen, ...shownIds])])}>
            {t('many.all')}
          </Button>
          <Button variant="default" onClick={() => onChosen([])}>
            {t('many.noneOf')}
          </Button>
        </div>
      </div>
      <Checkbox.Group value={chosen} onChange={onChosen} error={error} aria-label={t('many.units')}>
        <div className="choices">
          {shown.map((unit) => (
            <Checkbox
              key={unit.id}
              value={unit.id}
              label={
                <span className="choice">
                  <bdi>{unit.id}</bdi> <UnitStateBadge state={unit.state} />
                </span>
              }
            />
          ))}
        </div>
      </Checkbox.Group>
      <Text size="sm" c="dimmed" mt="xs">
        {t('many.chosen', { n: format.number(chosen.length) })}
      </Text>
    </Paper>
  );
}
