import { Badge, Group, Table, Text } from '@mantine/core';
import { Tlp, Verdict } from '@waggle/ui';
import type { OutputObservable } from '../generated';

export function observableName(observable: OutputObservable): string {
  return observable.data ?? observable.attachment?.name ?? observable._id;
}

export function ObservableTable({
  observables,
  chosen,
  onChoose,
}: {
  observables: OutputObservable[];
  chosen?: string | null;
  onChoose?: (observable: OutputObservable) => void;
}) {
  return (
    <Table highlightOnHover={Boolean(onChoose)} aria-label="Observables">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Type</Table.Th>
          <Table.Th>Value</Table.Th>
          <Table.Th>Marks</Table.Th>
          <Table.Th>Verdicts</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {observables.map((one) => (
          <Table.Tr
            key={one._id}
            bg={chosen === one._id ? 'indigo.0' : undefined}
            style={onChoose ? { cursor: 'pointer' } : undefined}
            onClick={() => onChoose?.(one)}
          >
            <Table.Td>{one.dataType}</Table.Td>
            <Table.Td>
              <Text ff="monospace" size="sm" style={{ overflowWrap: 'anywhere' }}>
                {observableName(one)}
              </Text>
              {one.message && (
                <Text size="xs" c="dimmed">
                  {one.message}
                </Text>
              )}
            </Table.Td>
            <Table.Td>
              <Group gap={4}>
                <Tlp label={one.tlpLabel} />
                {one.ioc && (
                  <Badge color="red" variant="filled" size="sm">
                    IOC
                  </Badge>
                )}
                {one.sighted && (
                  <Badge color="grape" variant="light" size="sm">
                    sighted
                  </Badge>
                )}
              </Group>
            </Table.Td>
            <Table.Td>
              <Group gap={4}>
                {Object.entries(one.reports ?? {}).flatMap(([analyzer, report]) =>
                  report.taxonomies.map((line) => <Verdict key={`${analyzer}:${line.predicate}:${line.value}`} line={line} />),
                )}
              </Group>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
