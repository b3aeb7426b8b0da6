import { AppShell, Button, Group, NavLink, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { type LiveEvent, useLive } from '@waggle/ui';
import { logout, STREAM_URL } from './api';
import { useUser } from './session';

const PANES = [
  { to: '/alerts', label: 'Alerts' },
  { to: '/cases', label: 'Cases' },
] as const;

/** The frame of every page; changes of others arrive here and refresh what is shown. */
export function Shell() {
  const user = useUser();
  const queries = useQueryClient();
  const { pathname } = useLocation();
  useLive(STREAM_URL, (event: LiveEvent) => {
    void queries.invalidateQueries({ predicate: (query) => concerns(query.queryKey, event) });
  });
  return (
    <AppShell header={{ height: 48 }} navbar={{ width: 160, breakpoint: 'sm' }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between">
          <Title order={4}>Waggle</Title>
          <Group gap="sm">
            <Text size="sm" c="dimmed">
              {user.name} · {user.organisation}
            </Text>
            <Button
              size="compact-sm"
              variant="subtle"
              onClick={async () => {
                await logout();
                queries.clear();
                window.location.assign('/');
              }}
            >
              Log out
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        {PANES.map(({ to, label }) => (
          <NavLink key={to} component={Link} to={to} label={label} active={pathname.startsWith(to)} />
        ))}
      </AppShell.Navbar>
      <AppShell.Main>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

/** Whether a query shows something the event changed: keys begin with the kind of thing, then the id of its root. */
function concerns(key: readonly unknown[], event: LiveEvent): boolean {
  const [kind, id] = key;
  if (kind === 'alerts') return event.objectType === 'alert';
  if (kind === 'cases') return event.objectType === 'case';
  return kind !== 'user' && (id === event.rootId || id === event.objectId);
}
