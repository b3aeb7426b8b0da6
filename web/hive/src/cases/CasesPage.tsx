import { Badge, Group, Pagination, Stack, Table, Text, Title } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ago, clock, Problem, Severity, Tlp } from '@waggle/ui';
import { useState } from 'react';
import { listCases } from '../api';

const PAGE = 25;

export function CasesPage() {
  const [page, setPage] = useState(1);
  const cases = useQuery({
    queryKey: ['cases', page],
    queryFn: () => listCases({ from: (page - 1) * PAGE, to: page * PAGE }),
    placeholderData: keepPreviousData,
  });
  const pages = Math.max(1, Math.ceil((cases.data?.total ?? 0) / PAGE));
  return (
    <Stack>
      <Group>
        <Title order={3}>Cases</Title>
        <Badge variant="light">{cases.data?.total ?? '…'}</Badge>
      </Group>
      <Problem error={cases.error} />
      <Table highlightOnHover aria-label="Cases">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Number</Table.Th>
            <Table.Th>Severity</Table.Th>
            <Table.Th>Title</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th>Assignee</Table.Th>
            <Table.Th>Started</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {cases.data?.items.map((one) => (
            <Table.Tr key={one._id}>
              <Table.Td>#{one.number}</Table.Td>
              <Table.Td>
                <Severity value={one.severity} />
              </Table.Td>
              <Table.Td>
                <Text fw={500} component={Link} to={`/cases/${one._id}`}>
                  {one.title}
                </Text>
                <Group gap={4} mt={2}>
                  <Tlp label={one.tlpLabel} />
                </Group>
              </Table.Td>
              <Table.Td>{one.status}</Table.Td>
              <Table.Td>{one.assignee}</Table.Td>
              <Table.Td title={clock(one.startDate)}>{ago(one.startDate)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {cases.data?.items.length === 0 && (
        <Text c="dimmed" ta="center" py="xl">
          No cases yet: import an alert.
        </Text>
      )}
      {pages > 1 && <Pagination total={pages} value={page} onChange={setPage} />}
    </Stack>
  );
}
