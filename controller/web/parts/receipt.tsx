/** The signed receipt of an answer in words: what was asked, what came of it, who signed it and when; and the file that anyone can check. */
import { Anchor, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ReceiptShape } from '../../api/shapes.js';
import { useReceipt } from '../api/desk-queries.js';
import { Icon } from './icons.js';
import { Moment } from './moment.js';
import { Loaded } from './states.js';
import { useFormat } from './use-format.js';
import { useWords } from './words.js';

const ANSWERS = ['granted', 'partial', 'none', 'refused', 'cancelled'] as const;

/** A button that opens the receipt of a pull that has ended. */
export function PullReceipt({ pullId }: { pullId: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" size="xs" leftSection={<Icon name="done" sizePx={14} />} onClick={() => setOpen(true)}>
        {t('receipt.open')}
      </Button>
      {open ? (
        <Frame onClose={() => setOpen(false)}>
          <OfPull pullId={pullId} />
        </Frame>
      ) : null}
    </>
  );
}

/** The same for a receipt that is at hand, as with a refusal. */
export function ReceiptButton({ receipt }: { receipt: ReceiptShape }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={() => setOpen(true)}>
        {t('receipt.ofRefusal')}
      </Button>
      {open ? (
        <Frame onClose={() => setOpen(false)}>
          <Shown receipt={receipt} />
        </Frame>
      ) : null}
    </>
  );
}

function Frame({ children, onClose }: { children: React.ReactNode; onClose(): void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      lockScroll={false}
      title={t('receipt.title')}
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      {children}
    </Modal>
  );
}

function OfPull({ pullId }: { pullId: string }) {
  const receipt = useReceipt(pullId);
  return <Loaded query={receipt}>{(found) => <Shown receipt={found} />}</Loaded>;
}

/** Members of the statement as far as they are of the kind that is expected; anything else is left out, and stands in the file. */
function readStatement(statement: Record<string, unknown>) {
  const text = (key: string): string | undefined => (typeof statement[key] === 'string' ? (statement[key] as string) : undefined);
  const number = (key: string): number | undefined => (typeof statement[key] === 'number' ? (statement[key] as number) : undefined);
  const cameras = Array.isArray(statement['cameras']) ? statement['cameras'].map(String) : [];
  const missing = (Array.isArray(statement['missing']) ? statement['missing'] : []) as { cause?: unknown }[];
  const causes = [...new Set(missing.map(({ cause }) => String(cause)))];
  const answer = ANSWERS.find((one) => one === statement['answer']);
  return { text, number, cameras, causes, answer };
}

function Shown({ receipt }: { receipt: ReceiptShape }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useWords();
  const { text, number, cameras, causes, answer } = readStatement(receipt.statement);
  const code = text('code');
  const fact = (label: string, value: React.ReactNode) =>
    value === undefined || value === null ? null : (
      <>
        <dt>{label}</dt>
        <dd>{value}</dd>
      </>
    );
  const from = text('from');
  const to = text('to');
  return (
    <Stack gap="sm" data-testid="receipt">
      {answer ? (
        <Text fw={700}>
          {t(`receipt.${answer}`)}
          {code ? ` ${words.problem(code) ?? ''}` : ''}
        </Text>
      ) : null}
      <dl className="facts wide">
        {fact(t('pulls.unit'), <bdi>{text('unit')}</bdi>)}
        {fact(t('request.cameras'), cameras.length > 0 ? <bdi>{cameras.join(t('request.comma'))}</bdi> : undefined)}
        {from && to
          ? fact(
              t('pull.span'),
              <>
                <Moment at={from} /> — <Moment at={to} />
              </>,
            )
          : null}
        {fact(t('pull.reason'), <bdi>{words.reason(text('reason') ?? '')}</bdi>)}
        {fact(t('pull.person'), <bdi>{words.person(text('person') ?? '')}</bdi>)}
        {answer === 'refused'
          ? null
          : fact(
              t('receipt.stored'),
              t('receipt.pieces', {
                ...{ count: number('fragments') ?? 0, n: format.number(number('fragments') ?? 0) },
                bytes: format.bytes(number('bytes') ?? 0),
              }),
            )}
        {fact(t('pull.missing'), causes.length > 0 ? causes.map((cause) => words.causeShort(cause)).join(t('request.comma')) : undefined)}
        {fact(t('receipt.code'), code ? <code dir="ltr">{code}</code> : undefined)}
        {fact(t('receipt.signed'), <Moment at={number('utcMs') ?? Number.NaN} />)}
        {fact(t('receipt.key'), <code dir="ltr">{receipt.keyId}</code>)}
      </dl>
      <Text size="sm" c="dimmed">
        {t('receipt.hint')}
      </Text>
      <Group justify="flex-end">
        <Download receipt={receipt} />
      </Group>
    </Stack>
  );
}

function Download({ receipt }: { receipt: ReceiptShape }) {
  const { t } = useTranslation();
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([JSON.stringify(receipt, null, 2)], { type: 'application/json' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [receipt]);
  const id = String(receipt.statement['pullId'] ?? receipt.statement['unit'] ?? '').slice(0, 8);
  return (
    <Anchor href={url} download={`receipt_${id}.json`} className="as-button">
      {t('receipt.download')}
    </Anchor>
  );
}
