import { Accordion, Badge, Button, Checkbox, Code, Drawer, Group, Loader, Stack, Tabs, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { clock, Json, Problem, Tlp } from '@waggle/ui';
import { useState } from 'react';
import { analyzersFor, observableJobs, runAnalyzers } from '../api';
import type { OutputJob, OutputObservable } from '../generated';
import { observableName } from './ObservableTable';

const COLOUR: Record<string, string> = { Waiting: 'gray', InProgress: 'blue', Success: 'green', Failure: 'red' };

export function AnalysisDrawer({
  caseId,
  observable,
  onClose,
}: {
  caseId: string;
  observable: OutputObservable | null;
  onClose: () => void;
}) {
  return (
    <Drawer opened={observable !== null} onClose={onClose} position="right" size="xl" title="Observable">
      {observable && <Analysis key={observable._id} caseId={caseId} observable={observable} />}
    </Drawer>
  );
}

function Analysis({ caseId, observable }: { caseId: string; observable: OutputObservable }) {
  const [chosen, setChosen] = useState<string[]>([]);
  const [open, setOpen] = useState<string | null>(null);
  const queries = useQueryClient();
  const analyzers = useQuery({ queryKey: ['analyzers', observable.dataType], queryFn: () => analyzersFor(observable.dataType) });
  const jobs = useQuery({ queryKey: ['jobs', caseId, observable._id], queryFn: () => observableJobs(observable._id) });
  const run = useMutation({
    mutationFn: () => {
      const wanted = (analyzers.data ?? []).filter((worker) => chosen.includes(worker.id));
      return runAnalyzers(observable._id, wanted);
    },
    onSuccess: () => {
      setChosen([]);
      void queries.invalidateQueries({ queryKey: ['jobs', caseId, observable._id] });
    },
  });
  return (
    <Stack>
      <Group>
        <Title order={4} ff="monospace" style={{ overflowWrap: 'anywhere' }}>
          {observableName(observable)}
        </Title>
        <Tlp label={observable.tlpLabel} />
      </Group>
      <Title order={5}>Run analyzers</Title>
      <Problem error={analyzers.error ?? run.error ?? jobs.error} />
      {analyzers.isPending && <Loader size="sm" />}
      {analyzers.data?.length === 0 && <Text c="dimmed">No analyzer takes the type {observable.dataType}.</Text>}
      <Checkbox.Group value={chosen} onChange={setChosen} aria-label="Analyzers">
        <Stack gap="xs">
          {analyzers.data?.map((worker) => (
            <Checkbox key={worker.id} value={worker.id} label={worker.name} description={worker.description} />
          ))}
        </Stack>
      </Checkbox.Group>
      <Group>
        <Button onClick={() => run.mutate()} disabled={chosen.length === 0} loading={run.isPending}>
          Run
        </Button>
        <Button variant="subtle" onClick={() => setChosen((analyzers.data ?? []).map((worker) => worker.id))}>
          Choose all
        </Button>
      </Group>
      <Title order={5}>Reports</Title>
      {jobs.data?.length === 0 && <Text c="dimmed">Nothing has been run yet.</Text>}
      <Accordion variant="separated" value={open} onChange={setOpen}>
        {jobs.data?.map((job) => (
          <Accordion.Item key={job._id} value={job._id}>
            <Accordion.Control>
              <Group justify="space-between" pr="md">
                <Text fw={500}>{job.analyzerName}</Text>
                <Group gap="xs">
                  <Text size="sm" c="dimmed">
                    {clock(job.startDate)}
                  </Text>
                  <Badge color={COLOUR[job.status] ?? 'gray'} variant="light" data-status={job.status}>
                    {job.status}
                  </Badge>
                </Group>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              {open === job._id && <Report job={job} />}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  );
}

function Report({ job }: { job: OutputJob }) {
  if (!job.report) {
    return (
      <Group>
        <Loader size="xs" />
        <Text c="dimmed">Waiting for the report.</Text>
      </Group>
    );
  }
  const { success, full, errorMessage } = job.report as { success?: boolean; full?: unknown; errorMessage?: string };
  if (!success) return <Problem error={{ message: errorMessage ?? 'The analyzer gave no reason.' }} title={`${job.analyzerName} failed`} />;
  return (
    <Tabs defaultValue="report" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="report">Report</Tabs.Tab>
        <Tabs.Tab value="raw">Raw JSON</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="report" pt="sm">
        <Json value={full} />
      </Tabs.Panel>
      <Tabs.Panel value="raw" pt="sm">
        <Code block>{JSON.stringify(job.report, null, 2)}</Code>
      </Tabs.Panel>
    </Tabs>
  );
}
