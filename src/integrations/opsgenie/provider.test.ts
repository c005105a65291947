import { describe, expect, it } from 'vitest';
import { startOpsgenieSandbox } from '../../../sandbox/opsgenie/server.ts';
import {
  type ProviderHarness,
  type VendorTrouble,
  describeIncidentProvider,
} from '../../../test/contract/incident-provider.ts';
import type { FaultRule } from '../../../sandbox/opsgenie/faults.ts';
import { type OpsgenieOptions, createOpsgenieProvider } from './provider.ts';

const apiKey = 'c0ffee00-aaaa-bbbb-cccc-secretsecret';

const troubles: Record<VendorTrouble, FaultRule> = {
  'rate-limited': { effect: 'rate-limit' },
  'rate-limited-for-7s': { effect: 'rate-limit', periodInSec: 7 },
  // A vendor that quotes the key, to see that we do not.
  'bad-key': { effect: 'status', status: 401, body: { message: `API key ${apiKey} is invalid` } },
  'refuses-content': {
    effect: 'status',
    status: 422,
    body: { message: 'Not processable', errors: { message: 'is bad' } },
  },
  'error-after-applying': { effect: 'status', status: 502, applied: true },
  'silent-after-applying': { effect: 'hang', applied: true },
  'breaks-after-applying': { effect: 'reset', applied: true },
  'html-page': { effect: 'html' },
  'request-fails': { effect: 'fail-request', status: `Integration with key ${apiKey} is rate limited` },
};

async function harness(mode: OpsgenieOptions['mode']): Promise<ProviderHarness> {
  const sandbox = await startOpsgenieSandbox({ apiKey });
  const provider = (apiUrl: string) => createOpsgenieProvider({ apiKey, apiUrl, mode, timeoutMs: 300 });
  const gone = await startOpsgenieSandbox();
  await gone.stop();
  const things = (incidentId: string) =>
    mode === 'alert'
      ? sandbox.alerts().filter(({ alias }) => alias === `gomon-${incidentId}`)
      : sandbox.incidents().filter(({ tags }) => tags.includes(`gomon-${incidentId}`));
  const idOf = (incidentId: string) => things(incidentId)[0]?.id ?? 'none';
  return {
    provider: provider(`${sandbox.url}/`),
    unreachable: provider(gone.url),
    secrets: [apiKey, 'GenieKey'],
    opened: (incidentId) => things(incidentId).length,
    notes: (incidentId) => things(incidentId).flatMap(({ notes }) => notes.map(({ note }) => note)),
    settle: () => sandbox.indexNow(),
    personCloses: (incidentId, user) => sandbox.person.close(idOf(incidentId), user),
    personAcknowledges: (incidentId, user) => sandbox.person.acknowledge(idOf(incidentId), user),
    trouble: (trouble) => sandbox.fault({ ...troubles[trouble], method: 'POST' }),
    stop: () => sandbox.stop(),
  };
}

describeIncidentProvider('opsgenie, alert mode', () => harness('alert'));
describeIncidentProvider('opsgenie, incident mode', () => harness('incident'));

describe('createOpsgenieProvider', () => {
  it('names account region and kind, without the key', () => {
    const provider = createOpsgenieProvider({ apiKey, apiUrl: 'https://api.eu.opsgenie.com', mode: 'alert' });
    expect(provider).toMatchObject({
      name: 'opsgenie',
      connectionId: 'opsgenie:api.eu.opsgenie.com',
      externalKind: 'alert',
    });
  });
});

describe.each(['alert', 'incident'] as const)('a key of one letter in mode %s', (mode) => {
  it('changes nothing of what is read, and is masked in what is kept', async () => {
    const sandbox = await startOpsgenieSandbox({ apiKey: 'e', pendingStatusAsks: 0, searchLag: 0 });
    const provider = createOpsgenieProvider({ apiKey: 'e', apiUrl: sandbox.url, mode });
    const { signal } = new AbortController();
    try {
      const ref = { incidentId: '0199c0de-0000-7000-8000-000000000001', externalId: null };
      const incident = {
        title: 'Checkout',
        description: '',
        severity: 'P1',
        details: {},
        tags: [],
        source: '',
        responders: [{ type: 'team', name: 'Payments' }],
      } as const;
      await provider.submit(
        {
          ref,
          by: 'GoMon',
          kind: 'open',
          incident: { ...incident, tags: [], responders: [...incident.responders] },
        },
        signal,
      );
      const [alert] = sandbox.alerts();
      sandbox.person.acknowledge(alert?.id ?? '', 'eve@example.com');
      const thing = mode === 'alert' ? alert : sandbox.incidents()[0];
      expect(await provider.read(ref, signal)).toMatchObject({
        found: true,
        externalId: thing?.id,
        status: 'acknowledged',
        assignee: 'eve@example.com',
      });
      sandbox.fault({ method: 'POST', effect: 'status', status: 422, body: { message: 'refused' } });
      expect(await provider.submit({ ref, by: 'GoMon', kind: 'close' }, signal)).toMatchObject({
        detail: expect.stringContaining('r[secret]fus[secret]d'),
      });
    } finally {
      await sandbox.stop();
    }
  });
});
