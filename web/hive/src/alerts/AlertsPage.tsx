import { Badge, Button, Group, Pagination, SegmentedControl, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ago, clock, Problem, Severity, Tlp } from '@waggle/ui';
import { useState } from 'react';
import { type AlertView, listAlerts } from '../api';
import type { OutputAlert } from '../generated';
import { AlertPreview } from './AlertPreview';

const PAGE = 25;
const VIEWS: { value: AlertView; label: string }[] = [
  { value: 'open', label: 'To triage' },
  { value: 'imported', label: 'Imported' },
  { value: 'closed', label: 'Ignored' },
  { value: 'all', label: 'All' },
];

export function AlertsPage() {
  const [view, setView] = useState<AlertView>('open');
  const [words, setWords] = useState('');
  const [search] = useDebouncedValue(words, 250);
  const [page, setPage] = useState(1);
  const [chosen, setChosen] = useState<string | null>(null);
  const alerts = useQuery({
    queryKey: ['alerts', view, search, page],
    queryFn: () => listAlerts({ view, search, from: (page - 1) * PAGE, to: page * PAGE }),
    placeholderData: keepPreviousData,
  });
  const pages = Math.max(1, Math.ceil((alerts.data?.total ?? 0) / PAGE));

  return (
    <Stack>
      <Group justify="space-between">
        <Group>
          <Title order={3}>Alerts</Title>
          <Badge variant="light">{alerts.data?.total ?? '…'}</Badge>
        </Group>
        <Group>
          <TextInput
            aria-label="Search title"
            placeholder="Search title"
            value={words}
            onChange={(event) => {
              setWords(event.currentTarget.value);
              setPage(1);
            }}
          />
          <SegmentedControl
            data={VIEWS}
            value={view}
            onChange={(value) => {
              setView(value as AlertView);
              setPage(1);
            }}
          />
        </Group>
      </Group>
      <Problem error={alerts.error} />
      <Table highlightOnHover stickyHeader stickyHeaderOffset={48} aria-label="Alerts">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Severity</Table.Th>
            <Table.Th>Title</Table.Th>
            <Table.Th>Source</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th>Observables</Table.Th>
            <Table.Th>Date</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {alerts.data?.items.map((alert) => (
            <AlertRow key={alert._id} alert={alert} onPreview={() => setChosen(alert._id)} />
          ))}
        </Table.Tbody>
      </Table>
      {alerts.data?.items.length === 0 && (
        <Text c="dimmed" ta="center" py="xl">
          No alerts here.
        </Text>
      )}
      {pages > 1 && <Pagination total={pages} value={page} onChange={setPage} />}
      <AlertPreview alertId={chosen} onClose={() => setChosen(null)} />
    </Stack>
  );
}

function AlertRow({ alert, onPreview }: { alert: OutputAlert; onPreview: () => void }) {
  return (
    <Table.Tr style={{ cursor: 'pointer' }} onClick={onPreview}>
      <Table.Td>
        <Severity value={alert.severity} />
      </Table.Td>
      <Table.Td>
        <Text fw={500}>{alert.title}</Text>
        <Group gap={4} mt={2}>
          <Tlp label={alert.tlpLabel} />
          {alert.tags.slice(0, 6).map((tag) => (
            <Badge key={tag} variant="default" size="sm" tt="none">
              {tag}
            </Badge>
          ))}
        </Group>
      </Table.Td>
      <Table.Td>
        {alert.source}
        <Text size="xs" c="dimmed">
          {alert.type} · {alert.sourceRef}
        </Text>
      </Table.Td>
      <Table.Td>{alert.status}</Table.Td>
      <Table.Td>{alert.observableCount}</Table.Td>
      <Table.Td title={clock(alert.date)}>{ago(alert.date)}</Table.Td>
      <Table.Td>
        <Button
          size="compact-sm"
          variant="light"
          onClick={(event) => {
            event.stopPropagation();
            onPreview();
          }}
        >
          Preview
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
