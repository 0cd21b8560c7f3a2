/** Live view of one camera of a wagon: a reason first, then the picture as it comes. Says who else watches, and why there is none. */
import { Alert, Button, Loader, Paper, SegmentedControl, Text, Title } from '@mantine/core';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LiveShape, UnitShape } from '../../api/shapes.js';
import { useBeginLive, useLives } from '../api/desk-queries.js';
import { Icon } from '../parts/icons.js';
import { ReasonDialog } from '../parts/reason-dialog.js';
import { useMayView } from '../parts/session.js';
import { Problem } from '../parts/states.js';
import { useFormat } from '../parts/use-format.js';
import { useWords } from '../parts/words.js';
import { WallClock } from '../player/wall-clock.js';
import { useLive } from './use-live.js';

export function Live({ unit }: { unit: UnitShape }) {
  const { t } = useTranslation();
  const mayView = useMayView();
  const [chosen, setChosen] = useState<string>();
  const [asking, setAsking] = useState(false);
  const [look, setLook] = useState<LiveShape>();
  const begin = useBeginLive(unit.id);
  const camera = unit.cameras.find((one) => one.id === chosen) ?? unit.cameras[0];
  if (!camera || !mayView) return null;
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={t('live.title')} className="live">
      <div className="page-head">
        <Title order={2} size="h4">
          {t('live.title')}
        </Title>
        {unit.cameras.length > 1 ? (
          <SegmentedControl
            className="cameras"
            aria-label={t('request.cameras')}
            value={camera.id}
            data={unit.cameras.map(({ id }) => ({ value: id, label: id }))}
            onChange={(id) => {
              setChosen(id);
              setLook(undefined);
            }}
          />
        ) : null}
        {look ? (
          <Button color="red" variant="light" onClick={() => setLook(undefined)}>
            {t('live.stop')}
          </Button>
        ) : (
          <Button
            onClick={() => setAsking(true)}
            disabled={!unit.online || unit.state === 'standby' || unit.state === 'off'}
            leftSection={<Icon name="play" sizePx={16} />}
          >
            {t('live.watch', { camera: camera.id })}
          </Button>
        )}
      </div>
      {look ? (
        <Screen key={look.id} look={look} onAgain={() => setAsking(true)} />
      ) : (
        <Text size="sm" c="dimmed">
          {t(unit.state === 'standby' || unit.state === 'off' ? `live.${unit.state}` : unit.online ? 'live.hint' : 'live.offline')}
        </Text>
      )}
      <Watchers unit={unit} mine={look?.id} />
      {asking ? (
        <ReasonDialog
          title={t('live.why', { camera: camera.id })}
          text={t('live.text')}
          submit={t('live.begin')}
          first={look?.reason ?? ''}
          pending={begin.isPending}
          error={begin.error}
          onClose={() => setAsking(false)}
          onReason={(reason) =>
            begin.mutate(
              { camera: camera.id, reason },
              {
                onSuccess: (made) => {
                  setLook(made);
                  setAsking(false);
                },
              },
            )
          }
        />
      ) : null}
    </Paper>
  );
}

function Screen({ look, onAgain }: { look: LiveShape; onAgain(): void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const ref = useRef<HTMLVideoElement>(null);
  const { wallMs, rendition, fault, over, still } = useLive(ref, look);
  return (
    <div className="player">
      <div className="picture">
        <video ref={ref} muted playsInline aria-label={t('live.of', { camera: look.camera })} data-testid="live" />
        {wallMs === undefined && !fault ? (
          <div className="over" role="status">
            <Loader size="sm" color="white" /> {t('live.waiting')}
          </div>
        ) : null}
        {wallMs !== undefined && !over ? (
          <span className={fault || still ? 'on-air still' : 'on-air'} role="status">
            {fault || still ? t('live.still') : t('live.onAir')}
          </span>
        ) : null}
      </div>
      <WallClock utcMs={wallMs} />
      {fault && over ? <Problem error={fault} again={onAgain} /> : null}
      {fault && !over ? (
        <Alert color="yellow" role="status" icon={<Icon name="waiting" />} title={t('live.pausedTitle')}>
          <Text size="sm">{t('live.paused')}</Text>
          <Passing code={fault.code} />
        </Alert>
      ) : null}
      <Text size="sm" c="dimmed">
        {rendition ? `${t(rendition === 'original' ? 'quality.original' : 'quality.proxy')} · ` : ''}
        {t('live.endsBy', { time: format.time(Date.parse(look.endsBy)) })} {t('live.notKept')}
      </Text>
    </div>
  );
}

function Passing({ code }: { code: string }) {
  const words = useWords();
  const hint = words.hint(code);
  return (
    <Text size="sm">
      {words.problem(code)} {hint} <code dir="ltr">{code}</code>
    </Text>
  );
}

/** A look is no secret: whoever sees the wagon sees who watches it. */
function Watchers({ unit, mine }: { unit: UnitShape; mine: string | undefined }) {
  const { t } = useTranslation();
  const lives = useLives();
  const others = (lives.data ?? []).filter((one) => one.unitId === unit.id && one.id !== mine);
  if (others.length === 0) return null;
  return (
    <ul className="watchers">
      {others.map((one) => (
        <li key={one.id}>
          <Icon name="camera" sizePx={14} /> {t('live.watches', { person: one.person, camera: one.camera })}{' '}
          <bdi className="dim">{one.reason}</bdi>
        </li>
      ))}
    </ul>
  );
}
