import { ok } from './method.ts';
import type { Method } from './method.ts';

/** https://docs.slack.dev/reference/methods/apps.connections.open */
const openConnection: Method = {
  scopes: [],
  token: 'app',
  run: ({ socketUrl }) => ok({ url: socketUrl() }),
};

export const appMethods: Record<string, Method> = { 'apps.connections.open': openConnection };
