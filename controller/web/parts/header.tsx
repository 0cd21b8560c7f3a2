/** Name, navigation, language, light or dark, and who is signed in. */
import { Button, Popover, SegmentedControl, Stack, Text, useMantineColorScheme } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { SessionShape } from '../../api/shapes.js';
import { useSignOut } from '../api/queries.js';
import iconUrl from '../icon.svg';
import { Link, usePath } from '../router.js';
import { currentLanguage, LANGUAGES, type Language, setLanguage } from '../text/index.js';
import { Icon } from './icons.js';

const SECTIONS = [
  { to: '/', paths: ['', 'units'], word: 'app.units' },
  { to: '/pulls', paths: ['pulls', 'request', 'together'], word: 'app.pulls' },
  { to: '/holds', paths: ['holds'], word: 'app.holds' },
] as const satisfies readonly { to: string; paths: readonly string[]; word: string }[];

export function Header({ session }: { session: SessionShape | undefined }) {
  const { t } = useTranslation();
  const path = usePath();
  const section = path.split('/')[1] ?? '';
  const at = SECTIONS.find(({ paths }) => (paths as readonly string[]).includes(section))?.to ?? '';
  return (
    <header className="top">
      <Link to="/" className="brand" underline="never">
        <img src={iconUrl} alt="" width={26} height={26} />
        <span>Longroof</span>
      </Link>
      {session ? (
        <nav>
          {SECTIONS.map(({ to, word }) => (
            <Link key={to} to={to} underline="never" aria-current={to === at ? 'page' : undefined}>
              {t(word)}
            </Link>
          ))}
        </nav>
      ) : null}
      <Settings session={session} />
    </header>
  );
}

function Settings({ session }: { session: SessionShape | undefined }) {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const signOut = useSignOut();
  return (
    <Popover position="bottom-end" shadow="md" width={260} trapFocus>
      <Popover.Target>
        <Button className="settings" variant="subtle" color="gray" leftSection={<Icon name="settings" />} aria-label={t('app.menu')}>
          <span className="who">{session ? session.user : t('app.menu')}</span>
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="sm">
          {session ? (
            <Text size="sm">
              {t('app.signedInAs', { user: session.user, role: t(session.role === 'manager' ? 'app.roleManager' : 'app.roleStaff') })}
            </Text>
          ) : null}
          <Choice
            label={t('app.language')}
            value={currentLanguage()}
            options={(Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value].name }))}
            onChange={(value) => void setLanguage(value as Language)}
          />
          <Choice
            label={t('app.scheme')}
            value={colorScheme}
            options={[
              { value: 'light', label: t('app.schemeLight') },
              { value: 'dark', label: t('app.schemeDark') },
              { value: 'auto', label: t('app.schemeAuto') },
            ]}
            onChange={(value) => setColorScheme(value as 'light' | 'dark' | 'auto')}
          />
          {session ? (
            <Link to="/restores" size="sm">
              {t('restores.title')}
            </Link>
          ) : null}
          {session ? (
            <Button variant="default" loading={signOut.isPending} onClick={() => signOut.mutate()}>
              {t('app.signOut')}
            </Button>
          ) : null}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: { value: string; label: string }[];
  onChange(value: string): void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <div>
      <Text size="xs" c="dimmed" mb={4}>
        {label}
      </Text>
      <SegmentedControl fullWidth size="xs" aria-label={label} value={value} data={options} onChange={onChange} />
    </div>
  );
}
