/** Plays one camera of a pull: picture, the wall clock of the frame shown, and a scrubber over wall time with the gaps in it. */
import { ActionIcon, Button, Loader, NativeSelect, Text, Tooltip } from '@mantine/core';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Range } from '../logic/coverage.js';
import { mediaAt, wallAt } from '../logic/wall-map.js';
import { Icon, type IconName } from '../parts/icons.js';
import { Problem } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { Scrubber, type ScrubberGap } from './scrubber.js';
import { type Playback, usePlayback } from './use-playback.js';
import { WallClock } from './wall-clock.js';

export interface PlayerProps {
  url: string;
  token: string | undefined;
  label: string;
  range: Range;
  gaps: ScrubberGap[];
  /** The permission to look has run out. */
  onExpired(): void;
}

const STEP_MS = 5_000;
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

/** Another try begins with a new picture from the start. */
export function Player(props: PlayerProps) {
  const [tries, setTries] = useState(0);
  return <Screen key={tries} {...props} onAgain={() => setTries(tries + 1)} />;
}

function Screen({ url, token, label, range, gaps, onExpired, onAgain }: PlayerProps & { onAgain(): void }) {
  const { t } = useTranslation();
  const ref = useRef<HTMLVideoElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const playback = usePlayback(ref, url, token);
  const wallMs = playback.mediaS === undefined ? undefined : wallAt(playback.segments, playback.mediaS);
  const seekWall = (utcMs: number): void => {
    const video = ref.current;
    const mediaS = mediaAt(playback.segments, utcMs);
    // A hair behind the boundary, so that the frame after it is shown and not the one before.
    if (video && mediaS !== undefined) video.currentTime = mediaS + 0.001;
  };
  const toggle = (): void => {
    const video = ref.current;
    if (!video) return;
    if (video.paused) void video.play();
    else video.pause();
  };
  const expired = playback.fault?.code === 'LR_VIEW_EXPIRED';
  return (
    <div className="player" ref={stage}>
      <div className="picture">
        {/* biome-ignore lint/a11y/useMediaCaption: wagon footage has no speech to caption; its times and gaps are given in text below. */}
        <video ref={ref} aria-label={label} playsInline onClick={toggle} data-testid="video" />
        {playback.mediaS === undefined && !playback.fault ? (
          <div className="over" role="status">
            <Loader size="sm" color="white" /> {t('player.loading')}
          </div>
        ) : null}
      </div>
      <WallClock utcMs={wallMs} />
      <Scrubber range={range} segments={playback.segments} gaps={gaps} wallMs={wallMs} onSeek={seekWall} />
      <Controls
        playback={playback}
        onToggle={toggle}
        onStep={(byMs) => seekWall((wallMs ?? range.fromMs) + byMs)}
        onSpeed={(speed) => {
          if (ref.current) ref.current.playbackRate = speed;
        }}
        onFullscreen={() => void (document.fullscreenElement ? document.exitFullscreen() : stage.current?.requestFullscreen())}
      />
      {expired ? (
        <Button onClick={onExpired}>{t('view.expired')}</Button>
      ) : playback.fault ? (
        <Problem error={playback.fault} again={onAgain} />
      ) : null}
    </div>
  );
}

interface ControlsProps {
  playback: Playback;
  onToggle(): void;
  onStep(byMs: number): void;
  onSpeed(speed: number): void;
  onFullscreen(): void;
}

function Controls({ playback, onToggle, onStep, onSpeed, onFullscreen }: ControlsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [speed, setSpeed] = useState(1);
  const tool = (name: IconName, label: string, act: () => void) => (
    <Tooltip label={label}>
      <ActionIcon variant={name === 'play' || name === 'pause' ? 'filled' : 'default'} size="lg" aria-label={label} onClick={act}>
        <Icon name={name} />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <div className="controls" dir="ltr">
      {tool('back', t('player.back'), () => onStep(-STEP_MS))}
      {playback.playing ? tool('pause', t('player.pause'), onToggle) : tool('play', t('player.play'), onToggle)}
      {tool('forward', t('player.forward'), () => onStep(STEP_MS))}
      <NativeSelect
        aria-label={t('player.speed')}
        size="sm"
        value={speed}
        data={SPEEDS.map((value) => ({ value: String(value), label: `${format.number(value, 2)}×` }))}
        onChange={(event) => {
          const next = Number(event.currentTarget.value);
          setSpeed(next);
          onSpeed(next);
        }}
      />
      {tool('fullscreen', t('player.fullscreen'), onFullscreen)}
      <Text size="sm" c="dimmed" dir="auto">
        {playback.ended ? t('player.ended') : playback.growing ? t('player.growing') : ''}
      </Text>
    </div>
  );
}
