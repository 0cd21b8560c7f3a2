/** States as a word, an icon and a colour together: none of them alone. */
import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { CameraState, PullShape, UnitShape } from '../../api/shapes.js';
import { Icon, type IconName } from './icons.js';

const UNIT_COLOUR: Record<UnitShape['state'], string> = {
  recording: 'green',
  degraded: 'yellow',
  'not-recording': 'red',
  offline: 'gray',
  standby: 'blue',
  off: 'gray',
};
const PULL_COLOUR: Record<PullShape['state'], string> = {
  queued: 'gray',
  waiting: 'yellow',
  running: 'blue',
  done: 'green',
  failed: 'red',
  cancelled: 'gray',
};

export function UnitStateBadge({ state }: { state: UnitShape['state'] }) {
  const { t } = useTranslation();
  return <StateBadge colour={UNIT_COLOUR[state]} icon={state} word={t(`unitState.${state}`)} />;
}

/** What came of it, not only that it ended: a request that brought nothing is no success. */
export function PullStateBadge({ pull: { state, bytesTotal, missing } }: { pull: PullShape }) {
  const { t } = useTranslation();
  if (state === 'done' && bytesTotal === 0) return <StateBadge colour="gray" icon="gap" word={t('pull.stateNone')} />;
  if (state === 'done' && missing.length > 0) return <StateBadge colour="green" icon="done" word={t('pull.statePartly')} />;
  return <StateBadge colour={PULL_COLOUR[state]} icon={state} word={t(`pullState.${state}`)} />;
}

function StateBadge({ colour, icon, word }: { colour: string; icon: IconName; word: string }) {
  return (
    <Badge className={`state ${colour}`} variant="light" color={colour} size="lg" leftSection={<Icon name={icon} sizePx={14} />}>
      {word}
    </Badge>
  );
}

function cameraIcon(state: CameraState): IconName {
  if (state === 'recording') return 'recording';
  // Only a wagon that spares its battery stops a camera: no fault.
  if (state === 'stopped') return 'standby';
  if (state === 'unknown') return 'offline';
  return state === 'connecting' ? 'degraded' : 'not-recording';
}

/** A camera's name with its state; the code of a trouble is shown after it. */
export function CameraChip({ camera }: { camera: UnitShape['cameras'][number] }) {
  const { t } = useTranslation();
  const icon = cameraIcon(camera.state);
  return (
    <span className={`camera-chip ${icon}`}>
      <Icon name={icon} sizePx={13} />
      <bdi className="name">{camera.id}</bdi>
      <span className="what">{t(`cameraState.${camera.state}`)}</span>
      {camera.code ? <code>{camera.code}</code> : null}
    </span>
  );
}
