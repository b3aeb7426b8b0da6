import { Badge, Group, Loader, Stack, Tabs, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { clock, Markdown, Problem, Severity, Tlp } from '@waggle/ui';
import { caseObservables, caseTasks, getCase } from '../api';
import { ObservablesPanel } from './ObservablesPanel';
import { TasksPanel } from './TasksPanel';

export function CasePage() {
  const { caseId } = useParams({ from: '/cases/$caseId' });
  const found = useQuery({ queryKey: ['case', caseId], queryFn: () => getCase(caseId) });
  const tasks = useQuery({ queryKey: ['case-tasks', caseId], queryFn: () => caseTasks(caseId) });
  const observables = useQuery({ queryKey: ['case-observables', caseId], queryFn: () => caseObservables(caseId) });
  if (!found.data) return found.error ? <Problem error={found.error} /> : <Loader />;
  const { data } = found;
  return (
    <Stack>
      <Group gap="xs">
        <Title order={3}>
          #{data.number} {data.title}
        </Title>
        <Badge variant="filled">{data.status}</Badge>
        <Severity value={data.severity} />
        <Tlp label={data.tlpLabel} />
        <Tlp label={data.papLabel} prefix="PAP" />
      </Group>
      <Group gap="xs">
        <Text size="sm" c="dimmed">
          Assigned to {data.assignee ?? 'nobody'}, started {clock(data.startDate)}
        </Text>
        {data.tags.map((tag) => (
          <Badge key={tag} variant="default" size="sm" tt="none">
            {tag}
          </Badge>
        ))}
      </Group>
      <Tabs defaultValue="observables" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="summary">Summary</Tabs.Tab>
          <Tabs.Tab value="tasks">Tasks ({tasks.data?.length ?? '…'})</Tabs.Tab>
          <Tabs.Tab value="observables">Observables ({observables.data?.length ?? '…'})</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="summary" pt="md">
          <Markdown text={data.description} />
        </Tabs.Panel>
        <Tabs.Panel value="tasks" pt="md">
          <Problem error={tasks.error} />
          <TasksPanel caseId={caseId} tasks={tasks.data ?? []} />
        </Tabs.Panel>
        <Tabs.Panel value="observables" pt="md">
          <Problem error={observables.error} />
          <ObservablesPanel caseId={caseId} observables={observables.data ?? []} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
