import '@mantine/core/styles.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { theme } from '@waggle/ui';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Engine } from './Engine';

const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 2_000, retry: 1 } } });
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme}>
        <QueryClientProvider client={queries}>
          <Engine />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
