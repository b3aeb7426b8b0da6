import { Badge, Group, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Problem } from '@waggle/ui';
import { analyzers } from './api';

export function Analyzers() {
  const found = useQuery({ queryKey: ['analyzers'], queryFn: analyzers });
  return (
    <>
      <Problem error={found.error} />
      <Table aria-label="Analyzers">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>About</Table.Th>
            <Table.Th>Takes</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {found.data?.map((worker) => (
            <Table.Tr key={worker.id}>
              <Table.Td>
                <Text fw={500}>{worker.name}</Text>
                <Text size="xs" c="dimmed">
                  version {worker.version}
                </Text>
              </Table.Td>
              <Table.Td>{worker.description}</Table.Td>
              <Table.Td>
                <Group gap={4}>
                  {worker.dataTypeList?.map((type) => (
                    <Badge key={type} variant="default" size="sm" tt="none">
                      {type}
                    </Badge>
                  ))}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}
