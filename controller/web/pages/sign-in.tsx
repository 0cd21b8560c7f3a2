/** Sign-in: name and password, and the one thing a newcomer must know. */
import { Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSignIn } from '../api/queries.js';
import { Problem } from '../parts/states.js';
import { useTitle } from '../parts/use-title.js';

export function SignInPage() {
  const { t } = useTranslation();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useSignIn();
  useTitle(t('signIn.title'));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    signIn.mutate({ user: user.trim(), password });
  };
  return (
    <Paper className="sign-in" withBorder p="lg" radius="md">
      <form onSubmit={submit}>
        <Stack>
          <Title order={1} size="h3">
            {t('signIn.title')}
          </Title>
          <TextInput
            label={t('signIn.user')}
            name="user"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            dir="ltr"
            required
            maxLength={64}
            value={user}
            onChange={(event) => setUser(event.currentTarget.value)}
          />
          <PasswordInput
            label={t('signIn.password')}
            name="password"
            autoComplete="current-password"
            dir="ltr"
            required
            maxLength={256}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {signIn.isError ? <Problem error={signIn.error} /> : null}
          <Button type="submit" loading={signIn.isPending}>
            {t('signIn.submit')}
          </Button>
          <Text size="xs" c="dimmed">
            {t('signIn.note')}
          </Text>
        </Stack>
      </form>
    </Paper>
  );
}
