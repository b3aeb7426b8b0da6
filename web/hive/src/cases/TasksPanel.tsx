import { Accordion, Badge, Button, FileInput, Group, Paper, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { clock, Markdown, Problem } from '@waggle/ui';
import { useState } from 'react';
import { addLog, attachmentUrl, createTask, taskLogs, updateTask } from '../api';
import type { OutputTask } from '../generated';

const STATUSES = ['Waiting', 'InProgress', 'Completed', 'Cancel'] as const;
type Status = (typeof STATUSES)[number];
const COLOUR: Record<string, string> = { Waiting: 'gray', InProgress: 'blue', Completed: 'green', Cancel: 'red' };

export function TasksPanel({ caseId, tasks }: { caseId: string; tasks: OutputTask[] }) {
  const [title, setTitle] = useState('');
  const [open, setOpen] = useState<string | null>(null);
  const queries = useQueryClient();
  const add = useMutation({
    mutationFn: () => createTask(caseId, title),
    onSuccess: () => {
      setTitle('');
      void queries.invalidateQueries({ queryKey: ['case-tasks', caseId] });
    },
  });
  return (
    <Stack>
      <Accordion variant="separated" chevronPosition="left" value={open} onChange={setOpen}>
        {tasks.map((task) => (
          <Accordion.Item key={task._id} value={task._id}>
            <Accordion.Control>
              <Group justify="space-between" pr="md">
                <Text fw={500}>{task.title}</Text>
                <Group gap="xs">
                  <Text size="sm" c="dimmed">
                    {task.assignee}
                  </Text>
                  <Badge color={COLOUR[task.status] ?? 'gray'} variant="light">
                    {task.status}
                  </Badge>
                </Group>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              {open === task._id && <TaskDetail caseId={caseId} task={task} />}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      <Problem error={add.error} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <Group>
          <TextInput
            aria-label="New task"
            placeholder="New task"
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            required
            maxLength={128}
            w={360}
          />
          <Button type="submit" variant="light" loading={add.isPending}>
            Add task
          </Button>
        </Group>
      </form>
    </Stack>
  );
}

function TaskDetail({ caseId, task }: { caseId: string; task: OutputTask }) {
  const [message, setMessage] = useState('');
  const [files, setFiles] = useState<File[]>([]);
  const queries = useQueryClient();
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: ['case-tasks', caseId] });
    void queries.invalidateQueries({ queryKey: ['task-logs', task._id] });
  };
  const logs = useQuery({ queryKey: ['task-logs', task._id], queryFn: () => taskLogs(task._id) });
  const status = useMutation({ mutationFn: (value: Status) => updateTask(task._id, { status: value }), onSuccess: refresh });
  const write = useMutation({
    mutationFn: () => addLog(task._id, message, files),
    onSuccess: () => {
      setMessage('');
      setFiles([]);
      refresh();
    },
  });
  return (
    <Stack>
      {task.description && <Markdown text={task.description} />}
      <Select
        label="Status"
        data={[...STATUSES]}
        value={task.status}
        onChange={(value) => value && status.mutate(value as Status)}
        w={200}
      />
      <Problem error={status.error ?? logs.error ?? write.error} />
      {logs.data?.map((log) => (
        <Paper key={log._id} withBorder p="sm">
          <Text size="xs" c="dimmed">
            {log.owner}, {clock(log.date)}
          </Text>
          <Markdown text={log.message} />
          {log.attachments.map((file) => (
            <Button key={file._id} component="a" href={attachmentUrl(file._id)} size="compact-sm" variant="light" download={file.name}>
              {file.name}
            </Button>
          ))}
        </Paper>
      ))}
      <Textarea
        label="New log entry (Markdown)"
        autosize
        minRows={3}
        value={message}
        onChange={(event) => setMessage(event.currentTarget.value)}
      />
      <Group align="end">
        <FileInput label="Attachments" placeholder="Choose files" multiple value={files} onChange={setFiles} w={280} />
        <Button onClick={() => write.mutate()} disabled={!message.trim()} loading={write.isPending}>
          Add log
        </Button>
      </Group>
    </Stack>
  );
}
