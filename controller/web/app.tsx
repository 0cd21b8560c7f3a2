/** The frame of every page: theme and direction, sign-in, header, and which page an address shows. */
import { Button, DirectionProvider, MantineProvider, Stack, useDirection } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useSession } from './api/queries.js';
import { HoldsPage } from './pages/holds.js';
import { ManyPage } from './pages/many.js';
import { PullPage } from './pages/pull.js';
import { PullsPage } from './pages/pulls.js';
import { RestoresPage } from './pages/restores.js';
import { SignInPage } from './pages/sign-in.js';
import { TogetherPage } from './pages/together.js';
import { UnitPage } from './pages/unit.js';
import { UnitsPage } from './pages/units.js';
import { Header } from './parts/header.js';
import { SessionContext } from './parts/session.js';
import { Guard, Loaded, Problem } from './parts/states.js';
import { Link, pathParts, usePath } from './router.js';
import { LANGUAGES, type Language } from './text/index.js';
import { Patterns } from './timeline/patterns.js';

export function App() {
  const { i18n } = useTranslation();
  const direction = LANGUAGES[i18n.language as Language]?.dir ?? 'ltr';
  // Variables and classes come from the style sheets: the page needs no inline style element, so a strict policy can forbid them.
  return (
    <DirectionProvider initialDirection={direction} detectDirection={false}>
      <MantineProvider theme={{ respectReducedMotion: true }} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
        <FollowDirection direction={direction} />
        <Frame />
      </MantineProvider>
    </DirectionProvider>
  );
}

function FollowDirection({ direction }: { direction: 'ltr' | 'rtl' }) {
  const { setDirection, dir } = useDirection();
  useEffect(() => {
    if (dir !== direction) setDirection(direction);
  }, [dir, direction, setDirection]);
  return null;
}

function Frame() {
  const { t } = useTranslation();
  const session = useSession();
  const path = usePath();
  return (
    <>
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <Header session={session.data ?? undefined} />
      <Patterns />
      <main id="content" tabIndex={-1}>
        <Guard key={path} fallback={(error) => <Crashed error={error} />}>
          <Loaded query={session}>
            {(person) =>
              person === null ? (
                <SignInPage />
              ) : (
                <SessionContext value={person}>
                  <Page path={path} />
                </SessionContext>
              )
            }
          </Loaded>
        </Guard>
      </main>
    </>
  );
}

function Page({ path }: { path: string }): ReactNode {
  const { t } = useTranslation();
  const [section, id, ...rest] = pathParts(path) ?? ['?'];
  if (rest.length === 0) {
    if (section === undefined || (section === 'units' && id === undefined)) return <UnitsPage />;
    if (section === 'units' && id !== undefined) return <UnitPage key={id} id={id} />;
    if (section === 'pulls' && id === undefined) return <PullsPage />;
    if (section === 'pulls' && id !== undefined) return <PullPage key={id} id={id} />;
    if (section === 'together' && id !== undefined) return <TogetherPage key={id} ids={id.split(',')} />;
    if (section === 'request' && id === undefined) return <ManyPage />;
    if (section === 'holds' && id === undefined) return <HoldsPage />;
    if (section === 'restores' && id === undefined) return <RestoresPage />;
  }
  return (
    <Stack align="center" p="xl">
      <p>{t('app.notFound')}</p>
      <Link to="/">{t('app.units')}</Link>
    </Stack>
  );
}

function Crashed({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <Stack p="md">
      <p>{t('app.crash')}</p>
      <Problem error={error} />
      <Button onClick={() => window.location.reload()}>{t('app.reload')}</Button>
    </Stack>
  );
}
