import { Badge, Button, Code, Drawer, Group, Paper, Select, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ago, clock, Json, Problem } from '@waggle/ui';
import { useState } from 'react';
import { analyzersFor, jobs, report, run } from './api';

const TYPES = ['ip', 'domain', 'fqdn', 'url', 'mail', 'hash', 'filename', 'other'];
const TLPS = ['CLEAR', 'GREEN', 'AMBER', 'RED'].map((label, value) => ({ value: String(value), label: `TLP:${label}` }));
const COLOUR: Record<string, string> = { Waiting: 'gray', InProgress: 'blue', Success: 'green', Failure: 'red' };
const RUNNING = new Set(['Waiting', 'InProgress']);

export function Jobs({ mayRun }: { mayRun: boolean }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const found = useQuery({
    queryKey: ['jobs'],
    queryFn: jobs,
    refetchInterval: (query) => (query.state.data?.some((job) => RUNNING.has(job.status)) ? 1_000 : 10_000),
  });
  return (
    <Stack>
      {mayRun && <NewJob onStarted={setChosen} />}
      <Problem error={found.error} />
      <Table highlightOnHover aria-label="Jobs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Status</Table.Th>
            <Table.Th>Analyzer</Table.Th>
            <Table.Th>Observable</Table.Th>
            <Table.Th>Asked</Table.Th>
            <Table.Th>By</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {found.data?.map((job) => (
            <Table.Tr key={job.id} style={{ cursor: 'pointer' }} onClick={() => setChosen(job.id)}>
              <Table.Td>
                <Badge color={COLOUR[job.status] ?? 'gray'} variant="light">
                  {job.status}
                </Badge>
              </Table.Td>
              <Table.Td>{job.workerName}</Table.Td>
              <Table.Td>
                <Text size="sm" ff="monospace" style={{ overflowWrap: 'anywhere' }}>
                  [{job.dataType}] {typeof job.data === 'string' ? job.data : job.attachment?.name}
                </Text>
              </Table.Td>
              <Table.Td title={clock(job.createdAt)}>{ago(job.createdAt)}</Table.Td>
              <Table.Td>{job.createdBy}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {found.data?.length === 0 && <Text c="dimmed">No job yet.</Text>}
      <Drawer opened={chosen !== null} onClose={() => setChosen(null)} position="right" size="xl" title="Job">
        {chosen && <Report id={chosen} />}
      </Drawer>
    </Stack>
  );
}

function NewJob({ onStarted }: { onStarted: (id: string) => void }) {
  const [type, setType] = useState('domain');
  const [value, setValue] = useState('');
  const [tlp, setTlp] = useState('2');
  const [worker, setWorker] = useState<string | null>(null);
  const queries = useQueryClient();
  const offered = useQuery({ queryKey: ['analyzers', type], queryFn: () => analyzersFor(type) });
  const start = useMutation({
    mutationFn: () => run(worker ?? '', type, value, Number(tlp)),
    onSuccess: (job) => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      onStarted(job.id);
    },
  });
  return (
    <Paper withBorder p="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate();
        }}
      >
        <Group align="end">
          <Select
            label="Type"
            data={TYPES}
            value={type}
            onChange={(next) => {
              setType(next ?? 'domain');
              setWorker(null);
            }}
            w={130}
          />
          <TextInput label="Value" value={value} onChange={(event) => setValue(event.currentTarget.value)} required w={320} />
          <Select label="Marking" data={TLPS} value={tlp} onChange={(next) => setTlp(next ?? '2')} w={140} />
          <Select
            label="Analyzer"
            placeholder={offered.data?.length === 0 ? 'none takes this type' : 'Choose one'}
            data={(offered.data ?? []).map((one) => ({ value: one.id, label: one.name }))}
            value={worker}
            onChange={setWorker}
            w={220}
          />
          <Button type="submit" disabled={!worker} loading={start.isPending}>
            Analyze
          </Button>
        </Group>
        <Problem error={start.error} />
      </form>
    </Paper>
  );
}

function Report({ id }: { id: string }) {
  const found = useQuery({
    queryKey: ['report', id],
    queryFn: () => report(id),
    refetchInterval: (query) => (query.state.data && RUNNING.has(query.state.data.status) ? 500 : false),
  });
  if (!found.data) return <Problem error={found.error} />;
  const job = found.data;
  const shown = job.report as { success?: boolean; full?: unknown; errorMessage?: string } | string | undefined;
  return (
    <Stack>
      <Group>
        <Title order={4}>{job.workerName}</Title>
        <Badge color={COLOUR[job.status] ?? 'gray'} variant="light">
          {job.status}
        </Badge>
      </Group>
      {typeof shown === 'object' && shown.success && <Json value={shown.full} />}
      {typeof shown === 'object' && !shown.success && <Problem error={{ message: shown.errorMessage ?? 'no reason given' }} />}
      {typeof shown === 'string' && <Text c="dimmed">{shown}</Text>}
      {typeof shown === 'object' && <Code block>{JSON.stringify(shown, null, 2)}</Code>}
    </Stack>
  );
}
