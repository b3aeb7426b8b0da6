import { AppShell, Button, Center, Group, Loader, Tabs, Text, Title } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { LoginForm } from '@waggle/ui';
import { Analyzers } from './Analyzers';
import { currentUser, login, logout } from './api';
import { Jobs } from './Jobs';

/** The engine's own pages: jobs and analyzers, for who is logged in. */
export function Engine() {
  const queries = useQueryClient();
  const user = useQuery({ queryKey: ['user'], queryFn: currentUser, retry: false, staleTime: 60_000 });
  if (user.isPending) {
    return (
      <Center h="100vh">
        <Loader />
      </Center>
    );
  }
  if (!user.data) {
    return (
      <LoginForm
        product="Waggle cortex"
        onLogin={async (name, password) => {
          await login(name, password);
          await queries.invalidateQueries();
        }}
      />
    );
  }
  const roles = user.data.roles ?? [];
  return (
    <AppShell header={{ height: 48 }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between">
          <Title order={4}>Waggle cortex</Title>
          <Group gap="sm">
            <Text size="sm" c="dimmed">
              {user.data.name} · {user.data.organization}
            </Text>
            <Button
              size="compact-sm"
              variant="subtle"
              onClick={async () => {
                await logout();
                window.location.assign('/');
              }}
            >
              Log out
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Main>
        {roles.includes('read') ? (
          <Tabs defaultValue="jobs" keepMounted={false}>
            <Tabs.List>
              <Tabs.Tab value="jobs">Jobs</Tabs.Tab>
              <Tabs.Tab value="analyzers">Analyzers</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="jobs" pt="md">
              <Jobs mayRun={roles.includes('analyze')} />
            </Tabs.Panel>
            <Tabs.Panel value="analyzers" pt="md">
              <Analyzers />
            </Tabs.Panel>
          </Tabs>
        ) : (
          <Text>This account administers the platform and has no access to jobs. Log in as a user of an organisation.</Text>
        )}
      </AppShell.Main>
    </AppShell>
  );
}
