import { Alert } from '@mantine/core';

/** What a failed call says: the API's `message` where there is one. */
export function problemText(error: unknown): string {
  if (error && typeof error === 'object' && 'message' in error && typeof error.message === 'string') return error.message;
  return 'The server does not answer. Try again in a moment.';
}

export function Problem({ error, title = 'That did not work' }: { error: unknown; title?: string }) {
  if (!error) return null;
  return (
    <Alert color="red" title={title} role="alert">
      {problemText(error)}
    </Alert>
  );
}
