import { Badge } from '@mantine/core';

const SEVERITY: Record<number, [string, string]> = {
  1: ['Low', 'gray'],
  2: ['Medium', 'blue'],
  3: ['High', 'orange'],
  4: ['Critical', 'red'],
};

const TLP: Record<string, string> = {
  CLEAR: 'gray',
  GREEN: 'green',
  AMBER: 'yellow',
  'AMBER+STRICT': 'orange',
  RED: 'red',
};

const LEVEL: Record<string, string> = { info: 'blue', safe: 'green', suspicious: 'orange', malicious: 'red' };

export function Severity({ value }: { value: number }) {
  const [label, color] = SEVERITY[value] ?? ['Unknown', 'gray'];
  return (
    <Badge color={color} variant="light" size="sm" miw={72}>
      {label}
    </Badge>
  );
}

export function Tlp({ label, prefix = 'TLP' }: { label: string; prefix?: 'TLP' | 'PAP' }) {
  return (
    <Badge color={TLP[label] ?? 'red'} variant="outline" size="sm">
      {prefix}:{label}
    </Badge>
  );
}

export interface VerdictLine {
  level: string;
  namespace: string;
  predicate: string;
  value: string | number;
}

/** One line of an analyzer's summary, as `namespace:predicate="value"`, coloured by its level. */
export function Verdict({ line }: { line: VerdictLine }) {
  return (
    <Badge color={LEVEL[line.level] ?? 'blue'} variant="light" size="sm" tt="none" data-level={line.level}>
      {line.namespace}:{line.predicate}=&quot;{String(line.value)}&quot;
    </Badge>
  );
}
