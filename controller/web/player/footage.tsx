/** A pull's footage, camera by camera: watch it, download it, or say why not. Nothing is fetched before someone asks to watch. */
import { Button, Group, Paper, SegmentedControl, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PullShape } from '../../api/shapes.js';
import type { ViewGrant } from '../api/queries.js';
import { gapLook } from '../logic/coverage.js';
import { Icon } from '../parts/icons.js';
import { useMayView, usePerson } from '../parts/session.js';
import { useFormat } from '../parts/use-format.js';
import { useWords } from '../parts/words.js';
import { Instead } from './instead.js';
import { Player } from './player.js';
import { canPlay, withToken } from './source.js';
import { Strips } from './strips.js';
import { ViewDialog } from './view-dialog.js';

interface CameraFootage {
  camera: string;
  codec: string | null;
  bytesDone: number;
  bytesTotal: number;
  mp4Parts: number;
}

/** One entry for each camera, also where the plan has several stretches of it. */
function byCamera(pull: PullShape): CameraFootage[] {
  const found = new Map<string, CameraFootage>();
  for (const part of pull.parts) {
    const one = found.get(part.camera) ?? { camera: part.camera, codec: null, bytesDone: 0, bytesTotal: 0, mp4Parts: 0 };
    one.codec ??= part.codec;
    one.bytesDone += part.bytesDone;
    one.bytesTotal += part.bytesTotal;
    one.mp4Parts = Math.max(one.mp4Parts, part.mp4Parts);
    found.set(part.camera, one);
  }
  return [...found.values()];
}

export function Footage({ pull }: { pull: PullShape }) {
  const { t } = useTranslation();
  const cameras = byCamera(pull);
  const [chosen, setChosen] = useState<string>();
  const shown = cameras.find((one) => one.camera === chosen) ?? cameras[0];
  const [grant, setGrant] = useState<ViewGrant>();
  const [asking, setAsking] = useState<() => void>();
  const [watching, setWatching] = useState(false);
  const mine = usePerson() === pull.person;
  const mayView = useMayView();
  const withPermission = (act: () => void): void => {
    if (mine || grant) act();
    else setAsking(() => act);
  };
  if (!mayView) return <Text c="dimmed">{t('pull.notForRole')}</Text>;
  if (!shown) return null;
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('pull.parts')}>
      <div className="page-head">
        <Title order={2} size="h5">
          {t('pull.parts')}
        </Title>
        {cameras.length > 1 ? (
          <SegmentedControl
            aria-label={t('request.cameras')}
            value={shown.camera}
            data={cameras.map((one) => ({ value: one.camera, label: one.camera }))}
            onChange={setChosen}
          />
        ) : (
          <bdi>{shown.camera}</bdi>
        )}
      </div>
      <CameraView
        key={shown.camera}
        pull={pull}
        footage={shown}
        token={grant?.token}
        watching={watching}
        onWatch={() => withPermission(() => setWatching(true))}
        onPermission={withPermission}
        allowed={mine || grant !== undefined}
        onExpired={() => {
          setGrant(undefined);
          setAsking(() => () => setWatching(true));
        }}
      />
      {pull.state === 'done' ? (
        <Export pull={pull} token={grant?.token} allowed={mine || grant !== undefined} onPermission={withPermission} />
      ) : null}
      {asking ? (
        <ViewDialog
          pull={pull}
          onClose={() => setAsking(undefined)}
          onGrant={(given) => {
            setGrant(given);
            setAsking(undefined);
            asking();
          }}
        />
      ) : null}
    </Paper>
  );
}

interface CameraViewProps {
  pull: PullShape;
  footage: CameraFootage;
  token: string | undefined;
  allowed: boolean;
  watching: boolean;
  onWatch(): void;
  onPermission(act: () => void): void;
  onExpired(): void;
}

function CameraView({ pull, footage, token, allowed, watching, onWatch, onPermission, onExpired }: CameraViewProps) {
  const { t } = useTranslation();
  const words = useWords();
  const isStrip = pull.quality === 'strip';
  const playable = isStrip || canPlay(footage.codec);
  const base = `/api/pulls/${encodeURIComponent(pull.id)}/${encodeURIComponent(footage.camera)}`;
  const gaps = pull.missing
    .filter((gap) => gap.camera === footage.camera)
    .map((gap) => ({ fromMs: Date.parse(gap.from), toMs: Date.parse(gap.to), cause: words.cause(gap.cause), look: gapLook(gap.cause) }));
  return (
    <>
      {!playable ? (
        <Instead pull={pull} camera={footage.camera} codec={footage.codec} />
      ) : footage.bytesDone === 0 ? (
        <Text c="dimmed" size="sm" mb="sm">
          {t('pull.notYet')}
        </Text>
      ) : watching && allowed && isStrip ? (
        <Strips pullId={pull.id} camera={footage.camera} token={token} bytesDone={footage.bytesDone} />
      ) : watching && allowed ? (
        <Player
          url={`${base}/playlist.m3u8`}
          token={token}
          label={t('pull.camera', { camera: footage.camera })}
          range={{ fromMs: Date.parse(pull.from), toMs: Date.parse(pull.to) }}
          gaps={gaps}
          onExpired={onExpired}
        />
      ) : (
        <button type="button" className="watch" onClick={onWatch}>
          <Icon name="play" sizePx={36} />
          <span>{t('player.watch')}</span>
        </button>
      )}
      {isStrip ? null : <Downloads base={base} footage={footage} token={token} allowed={allowed} onPermission={onPermission} />}
    </>
  );
}

type DownloadsProps = Pick<CameraViewProps, 'footage' | 'token' | 'allowed' | 'onPermission'> & { base: string };

function Downloads({ base, footage, token, allowed, onPermission }: DownloadsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  if (footage.bytesDone === 0) return null;
  const parts = Array.from({ length: Math.max(1, footage.mp4Parts) }, (_, index) => index);
  const label = (part: number): string =>
    parts.length === 1 ? t('pull.download') : t('pull.downloadPart', { part: format.number(part + 1) });
  return (
    <Group gap="xs" mt="sm">
      {parts.map((part) => {
        const href = withToken(part === 0 ? `${base}.mp4` : `${base}.mp4?part=${part}`, token);
        return allowed ? (
          <Button key={part} component="a" href={href} download variant="default" leftSection={<Icon name="running" />}>
            {label(part)}
          </Button>
        ) : (
          <Button key={part} variant="default" leftSection={<Icon name="running" />} onClick={() => onPermission(() => undefined)}>
            {label(part)}
          </Button>
        );
      })}
      <Text size="sm" c="dimmed">
        {format.bytes(footage.bytesDone)}
      </Text>
    </Group>
  );
}

/** Footage that was asked for so soon may have been of an open reel: no signed record names its time yet. */
const OPEN_MS = 150_000;

type ExportProps = Pick<CameraViewProps, 'pull' | 'token' | 'allowed' | 'onPermission'>;

/** All cameras with what proves them. */
function Export({ pull, token, allowed, onPermission }: ExportProps) {
  const { t } = useTranslation();
  const icon = <Icon name="running" />;
  const href = withToken(`/api/pulls/${encodeURIComponent(pull.id)}/export.zip`, token);
  return (
    <Group gap="xs" mt="sm">
      {allowed ? (
        <Button component="a" href={href} download variant="default" leftSection={icon}>
          {t('pull.export')}
        </Button>
      ) : (
        <Button variant="default" leftSection={icon} onClick={() => onPermission(() => undefined)}>
          {t('pull.export')}
        </Button>
      )}
      <Text size="sm" c="dimmed">
        {t('pull.exportHint')} {Date.parse(pull.created) - Date.parse(pull.to) < OPEN_MS ? t('pull.exportEarly') : null}
      </Text>
    </Group>
  );
}
