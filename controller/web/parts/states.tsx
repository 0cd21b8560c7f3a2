/** Loading, empty, failed and stale: what stands where the content would be. */

import { toFault } from '@longroof/base/errors';
import { Alert, Button, Group, Loader, Stack, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { Component, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiFault } from '../api/client.js';
import { Icon } from './icons.js';
import { ReceiptButton } from './receipt.js';
import { useFormat } from './use-format.js';
import { useWords } from './words.js';

/** A fault in plain words, with its code and what to do. `again` offers another try. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const { t } = useTranslation();
  const words = useWords();
  const fault = toFault(error);
  const hint = words.hint(fault.code) ?? fault.hint;
  const members = fault instanceof ApiFault ? fault.errors : [];
  return (
    <Alert color="red" role="alert" icon={<Icon name="degraded" />} title={words.problem(fault.code) ?? t('problem.heading')}>
      {words.problem(fault.code) === undefined ? <Text size="sm">{fault.message}</Text> : null}
      {hint ? <Text size="sm">{hint}</Text> : null}
      {members.map((member) => (
        <Text size="sm" key={member.path + member.message}>
          <bdi dir="ltr">{member.path}</bdi>: {member.message}
        </Text>
      ))}
      <Group gap="sm" mt={6}>
        <Text size="xs" c="dimmed">
          {t('problem.code')}: <code dir="ltr">{fault.code}</code>
        </Text>
        {fault instanceof ApiFault && fault.receipt ? <ReceiptButton receipt={fault.receipt} /> : null}
        {again ? (
          <Button size="compact-sm" variant="light" color="red" onClick={again}>
            {t('app.retry')}
          </Button>
        ) : null}
      </Group>
    </Alert>
  );
}

export function Waiting({ text }: { text?: string }) {
  const { t } = useTranslation();
  return (
    <Group justify="center" p="xl" role="status">
      <Loader size="sm" />
      <Text c="dimmed">{text ?? t('app.loading')}</Text>
    </Group>
  );
}

export function Empty({ title, hint }: { title: string; hint?: string }) {
  return (
    <Stack align="center" gap={4} p="xl" className="empty">
      <Text fw={600}>{title}</Text>
      {hint ? (
        <Text c="dimmed" size="sm">
          {hint}
        </Text>
      ) : null}
    </Stack>
  );
}

/** Shows the data of a query, also an old one with a word that it is old; before there is any, that it loads or why not. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (query.data === undefined) {
    return query.isError ? <Problem error={query.error} again={() => void query.refetch()} /> : <Waiting />;
  }
  return (
    <>
      {query.isError ? (
        <Alert color="yellow" role="status" icon={<Icon name="offline" />} mb="sm">
          {t('app.stale', { time: format.time(query.dataUpdatedAt) })}
        </Alert>
      ) : null}
      {children(query.data)}
    </>
  );
}

/** A page that fails while it is drawn says so; the rest of the program stands. */
export class Guard extends Component<{ children: ReactNode; fallback: (error: unknown) => ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error === undefined ? this.props.children : this.props.fallback(this.state.error);
  }
}
