import { Button, Drawer, Group, Loader, Select, Stack, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { clock, Markdown, Problem, Severity, Tlp } from '@waggle/ui';
import { useState } from 'react';
import { alertObservables, getAlert, listCaseTemplates, promoteAlert, setAlertRead } from '../api';
import { ObservableTable } from '../cases/ObservableTable';

/** An alert before it is decided upon: what it says, what it holds, and the three ways on. */
export function AlertPreview({ alertId, onClose }: { alertId: string | null; onClose: () => void }) {
  return (
    <Drawer opened={alertId !== null} onClose={onClose} position="right" size="xl" title="Alert">
      {alertId && <Preview alertId={alertId} onClose={onClose} />}
    </Drawer>
  );
}

function Preview({ alertId, onClose }: { alertId: string; onClose: () => void }) {
  const [template, setTemplate] = useState<string | null>(null);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const alert = useQuery({ queryKey: ['alert', alertId], queryFn: () => getAlert(alertId) });
  const observables = useQuery({ queryKey: ['alert-observables', alertId], queryFn: () => alertObservables(alertId) });
  const templates = useQuery({ queryKey: ['templates'], queryFn: listCaseTemplates, staleTime: 60_000 });
  const promote = useMutation({
    mutationFn: () => promoteAlert(alertId, template),
    onSuccess: (made) => {
      notifications.show({ message: `Case #${made.number} created`, color: 'green' });
      void queries.invalidateQueries({ queryKey: ['alerts'] });
      void navigate({ to: '/cases/$caseId', params: { caseId: made._id } });
    },
  });
  const read = useMutation({
    mutationFn: (value: boolean) => setAlertRead(alertId, value),
    onSuccess: async () => {
      await queries.invalidateQueries();
      onClose();
    },
  });

  if (!alert.data) return alert.error ? <Problem error={alert.error} /> : <Loader />;
  const { data } = alert;
  return (
    <Stack>
      <Title order={3}>{data.title}</Title>
      <Group gap="xs">
        <Severity value={data.severity} />
        <Tlp label={data.tlpLabel} />
        <Tlp label={data.papLabel} prefix="PAP" />
        <Text size="sm" c="dimmed">
          {data.type} from {data.source}, reference {data.sourceRef}, {clock(data.date)}
        </Text>
      </Group>
      <Problem error={promote.error ?? read.error} />
      <Group align="end">
        {data.caseId ? (
          <Button onClick={() => void navigate({ to: '/cases/$caseId', params: { caseId: String(data.caseId) } })}>Open its case</Button>
        ) : (
          <>
            <Select
              label="Case template"
              placeholder="None"
              clearable
              data={(templates.data ?? []).map((t) => ({ value: t.name, label: t.displayName ?? t.name }))}
              value={template}
              onChange={setTemplate}
              comboboxProps={{ withinPortal: true }}
            />
            <Button onClick={() => promote.mutate()} loading={promote.isPending}>
              Import as case
            </Button>
            <Button variant="default" onClick={() => read.mutate(data.stage !== 'Closed')} loading={read.isPending}>
              {data.stage === 'Closed' ? 'Mark unread' : 'Ignore'}
            </Button>
          </>
        )}
      </Group>
      <Markdown text={data.description} />
      <Title order={5}>Observables ({data.observableCount})</Title>
      <ObservableTable observables={observables.data ?? []} />
    </Stack>
  );
}
