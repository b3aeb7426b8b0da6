export { Json } from './Json';
export { LoginForm } from './LoginForm';
export { Markdown } from './Markdown';
export { Problem, problemText } from './Problem';
export { Severity, Tlp, Verdict } from './Badges';
export { theme } from './theme';
export { ago, clock } from './time';
export { useLive } from './useLive';
export type { LiveEvent } from './useLive';
