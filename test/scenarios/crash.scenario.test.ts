import { describe, it } from 'vitest';
import { runCrashStorm } from '../support/crash-storm.ts';

/** The short form; `npm run test:long` kills more often. */
describe('after every kill each 2xx is accounted for', () => {
  it('of the service', () => runCrashStorm({ target: 'service', kills: 3 }), 180_000);
  it('of the embedded PostgreSQL', () => runCrashStorm({ target: 'database', kills: 3 }), 180_000);
});
