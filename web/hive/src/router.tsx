import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router';
import { AlertsPage } from './alerts/AlertsPage';
import { CasePage } from './cases/CasePage';
import { CasesPage } from './cases/CasesPage';
import { Shell } from './Shell';

const root = createRootRoute({ component: Shell });

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/alerts' });
  },
});
const alerts = createRoute({ getParentRoute: () => root, path: '/alerts', component: AlertsPage });
const cases = createRoute({ getParentRoute: () => root, path: '/cases', component: CasesPage });
const oneCase = createRoute({ getParentRoute: () => root, path: '/cases/$caseId', component: CasePage });

export const router = createRouter({ routeTree: root.addChildren([home, alerts, cases, oneCase]) });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
