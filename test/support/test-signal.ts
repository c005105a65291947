import type { AlertSignal } from '../../src/alerts/source.ts';

/** A signal for tests: firing, with nothing said but what the test gives. */
export function testSignal(parts: Partial<AlertSignal> = {}): AlertSignal {
  return {
    status: 'firing',
    tenant: '',
    fingerprint: null,
    labels: {},
    annotations: {},
    links: [],
    values: null,
    startsAt: null,
    endsAt: null,
    expiresAt: null,
    stateReason: null,
    explicit: {},
    ...parts,
  };
}
