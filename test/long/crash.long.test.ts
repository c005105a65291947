import { describe, it } from 'vitest';
import { runCrashStorm } from '../support/crash-storm.ts';

const longMs = 900_000;

describe('after thirty kills each 2xx is accounted for', () => {
  it('of the service', () => runCrashStorm({ target: 'service', kills: 30 }), longMs);
  it('of the embedded PostgreSQL', () => runCrashStorm({ target: 'database', kills: 30 }), longMs);
  it(
    'of any of three processes on one database',
    () => runCrashStorm({ target: 'service', kills: 30, processes: 3 }),
    longMs,
  );
});
