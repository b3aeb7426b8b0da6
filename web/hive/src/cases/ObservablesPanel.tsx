import { Button, Checkbox, Group, Modal, Select, Stack, TagsInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Problem } from '@waggle/ui';
import { useState } from 'react';
import { createObservable } from '../api';
import type { OutputObservable } from '../generated';
import { AnalysisDrawer } from './AnalysisDrawer';
import { ObservableTable } from './ObservableTable';

const TYPES = ['ip', 'domain', 'fqdn', 'url', 'mail', 'hash', 'filename', 'hostname', 'user-agent', 'registry', 'other'];
const TLPS = ['CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED'].map((label, value) => ({ value: String(value), label }));

export function ObservablesPanel({ caseId, observables }: { caseId: string; observables: OutputObservable[] }) {
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const observable = observables.find((one) => one._id === chosen) ?? null;
  return (
    <Stack>
      <Group>
        <Button variant="light" onClick={() => setAdding(true)}>
          Add observables
        </Button>
      </Group>
      <ObservableTable observables={observables} chosen={chosen} onChoose={(one) => setChosen(one._id)} />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add observables">
        <AddForm caseId={caseId} onDone={() => setAdding(false)} />
      </Modal>
      <AnalysisDrawer caseId={caseId} observable={observable} onClose={() => setChosen(null)} />
    </Stack>
  );
}

function AddForm({ caseId, onDone }: { caseId: string; onDone: () => void }) {
  const [dataType, setDataType] = useState('ip');
  const [data, setData] = useState('');
  const [tlp, setTlp] = useState('2');
  const [ioc, setIoc] = useState(false);
  const [tags, setTags] = useState<string[]>([]);
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: () => createObservable(caseId, { dataType, data, tlp: Number(tlp), ioc, tags }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['case-observables', caseId] });
      onDone();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate();
      }}
    >
      <Stack>
        <Problem error={create.error} />
        <Select label="Type" data={TYPES} value={dataType} onChange={(value) => setDataType(value ?? 'ip')} />
        <TextInput label="Value" value={data} onChange={(event) => setData(event.currentTarget.value)} required />
        <Select label="TLP" data={TLPS} value={tlp} onChange={(value) => setTlp(value ?? '2')} />
        <TagsInput label="Tags" value={tags} onChange={setTags} />
        <Checkbox label="Indicator of compromise" checked={ioc} onChange={(event) => setIoc(event.currentTarget.checked)} />
        <Button type="submit" loading={create.isPending}>
          Add
        </Button>
      </Stack>
    </form>
  );
}
