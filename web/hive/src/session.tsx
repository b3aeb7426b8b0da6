import { Center, Loader } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { LoginForm } from '@waggle/ui';
import { createContext, type ReactNode, useContext } from 'react';
import { currentUser, login } from './api';
import type { OutputUser } from './generated';

const User = createContext<OutputUser | null>(null);

/** The person who is logged in. */
export function useUser(): OutputUser {
  const user = useContext(User);
  if (!user) throw new Error('used outside of a session');
  return user;
}

/** Shows the pages to a person who is logged in, and the form to everybody else. */
export function Session({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const user = useQuery({ queryKey: ['user'], queryFn: currentUser, retry: false, staleTime: 60_000 });
  if (user.isPending) {
    return (
      <Center h="100vh">
        <Loader />
      </Center>
    );
  }
  if (!user.data) {
    return (
      <LoginForm
        product="Waggle hive"
        onLogin={async (name, password) => {
          await login(name, password);
          await queries.invalidateQueries();
        }}
      />
    );
  }
  return <User.Provider value={user.data}>{children}</User.Provider>;
}
