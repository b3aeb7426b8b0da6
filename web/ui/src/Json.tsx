import { Code, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';

const DEEP = 6;

function scalar(value: unknown): ReactNode {
  if (value === null || value === undefined || value === '') return <Text c="dimmed">none</Text>;
  return <Text style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{String(value)}</Text>;
}

/** A plain, readable rendering of any JSON value, for reports without a template. */
export function Json({ value, depth = 0 }: { value: unknown; depth?: number }): ReactNode {
  if (value === null || typeof value !== 'object') return scalar(value);
  const entries = Array.isArray(value) ? value.map((v, i) => [String(i + 1), v] as const) : Object.entries(value);
  if (entries.length === 0) return <Text c="dimmed">none</Text>;
  if (depth >= DEEP) return <Code block>{JSON.stringify(value, null, 2)}</Code>;
  return (
    <Table withRowBorders={depth === 0} verticalSpacing={4} fz="sm">
      <Table.Tbody>
        {entries.map(([key, inner]) => (
          <Table.Tr key={key}>
            <Table.Td w={140} valign="top" c="dimmed">
              {key}
            </Table.Td>
            <Table.Td>
              <Json value={inner} depth={depth + 1} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
