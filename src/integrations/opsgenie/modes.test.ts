import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpsgenieSandbox, startOpsgenieSandbox } from '../../../sandbox/opsgenie/server.ts';
import type { IncidentProvider, OpenIncident, ProviderCommand } from '../../incidents/provider.ts';
import { createOpsgenieProvider } from './provider.ts';

const incidentId = '0199c0de-0000-7000-8000-000000000001';
const mark = `gomon-${incidentId}`;
const { signal } = new AbortController();
const incident: OpenIncident = {
  title: 'Checkout answers 500',
  description: 'text',
  severity: 'P0',
  details: { namespace: 'shop', service: 'checkout' },
  tags: ['shop'],
  source: 'grafana',
  responders: [
    { type: 'team', name: 'Payments' },
    { type: 'escalation', name: 'Night' },
    { type: 'schedule', id: 's1' },
    { type: 'user' },
  ],
};

let sandbox: OpsgenieSandbox;
beforeEach(async () => {
  sandbox = await startOpsgenieSandbox({ pendingStatusAsks: 0 });
});
afterEach(() => sandbox.stop());

function provider(mode: 'alert' | 'incident', impactedServices: string[] = []): IncidentProvider {
  return createOpsgenieProvider({ apiKey: sandbox.apiKey, apiUrl: sandbox.url, mode, impactedServices });
}

function open(wanted: Partial<OpenIncident> = {}): ProviderCommand {
  return {
    ref: { incidentId, externalId: null },
    by: 'ada@example.com',
    kind: 'open',
    incident: { ...incident, ...wanted },
  };
}

function writes(): string[] {
  return sandbox
    .calls()
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path, query }) => `${method} ${path}${query ? `?${query}` : ''}`);
}

describe('alert mode', () => {
  it('sends what the vendor needs', async () => {
    await provider('alert').submit(open(), signal);
    expect(sandbox.calls()).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/v2/alerts',
        status: 202,
        body: {
          message: 'Checkout answers 500',
          alias: mark,
          description: 'text',
          responders: [
            { type: 'team', name: 'Payments' },
            { type: 'escalation', name: 'Night' },
            { type: 'schedule', id: 's1' },
          ],
          tags: ['shop'],
          details: { gomonIncidentId: incidentId, namespace: 'shop', service: 'checkout' },
          entity: 'checkout',
          source: 'grafana',
          user: 'ada@example.com',
          priority: 'P1',
        },
      }),
    ]);
  });

  it('goes by id where it is known, by alias while it is not', async () => {
    const by = { by: 'ada@example.com', kind: 'set-severity', severity: 'P2' } as const;
    await provider('alert').submit({ ref: { incidentId, externalId: 'id/1' }, ...by }, signal);
    await provider('alert').submit({ ref: { incidentId, externalId: null }, ...by }, signal);
    expect(writes()).toEqual([
      'PUT /v2/alerts/id%2F1/priority?identifierType=id',
      `PUT /v2/alerts/${mark}/priority?identifierType=alias`,
    ]);
  });

  it('assigns by id or by user name', async () => {
    const ref = { incidentId, externalId: 'a1' };
    await provider('alert').submit({ ref, by: 'x', kind: 'assign', assignee: 'bob@example.com' }, signal);
    await provider('alert').submit({ ref, by: 'x', kind: 'assign', assignee: incidentId }, signal);
    expect(sandbox.calls().map(({ body }) => body)).toEqual([
      { user: 'x', source: 'GoMon', owner: { username: 'bob@example.com' } },
      { user: 'x', source: 'GoMon', owner: { id: incidentId } },
    ]);
  });

  it('links to the alert', async () => {
    const alertMode = provider('alert');
    const accepted = await alertMode.submit(open(), signal);
    if (!accepted.ok || accepted.state !== 'accepted') throw new Error('not accepted');
    const [alert] = sandbox.alerts();
    expect(await alertMode.requestStatus({ requestId: accepted.requestId, command: open() }, signal)).toEqual(
      {
        ok: true,
        state: 'done',
        externalId: alert?.id,
        externalUrl: `${sandbox.url}/alert/detail/${alert?.id}/details`,
        processedAt: expect.any(Date),
      },
    );
  });

  it('opens a new alert once the old one is closed', async () => {
    await provider('alert').submit(open(), signal);
    sandbox.person.close(mark, 'ada@example.com');
    await provider('alert').submit(open(), signal);
    expect(sandbox.alerts().map(({ status }) => status)).toEqual(['closed', 'open']);
  });
});

describe('incident mode', () => {
  async function opened(wanted: Partial<OpenIncident> = {}): Promise<string> {
    await provider('incident', ['svc-1']).submit(open(wanted), signal);
    sandbox.indexNow();
    return sandbox.incidents()[0]?.id ?? 'none';
  }

  it('marks the incident, leaves out who cannot respond to it, and says so', async () => {
    await opened();
    expect(sandbox.incidents()).toEqual([
      expect.objectContaining({
        tags: [mark, 'shop'],
        details: expect.objectContaining({ gomonIncidentId: incidentId }),
        impactedServices: ['svc-1'],
        responders: [expect.objectContaining({ type: 'team', name: 'Payments' })],
        priority: 'P1',
      }),
    ]);
    expect(sandbox.incidents()[0]?.notes.map(({ note }) => note)).toEqual([
      expect.stringContaining('escalation Night, schedule s1'),
    ]);
  });

  it('looks before it opens, and does not open when it cannot look', async () => {
    sandbox.fault({ method: 'GET', path: '/v1/incidents', effect: 'status', status: 503 });
    expect(await provider('incident').submit(open(), signal)).toMatchObject({
      ok: false,
      reason: 'unavailable',
    });
    expect(writes()).toEqual([]);
  });

  it('opens once though the first answer was lost, as soon as the index knows', async () => {
    sandbox.fault({
      method: 'POST',
      path: '/v1/incidents/create',
      effect: 'status',
      status: 500,
      applied: true,
    });
    const mode = provider('incident');
    expect(await mode.submit(open(), signal)).toMatchObject({ ok: false, reason: 'unknown' });
    expect(await mode.read({ incidentId, externalId: null }, signal)).toMatchObject({
      ok: true,
      found: false,
    });
    const [existing] = sandbox.incidents();
    expect(await mode.read({ incidentId, externalId: null }, signal)).toMatchObject({
      ok: true,
      found: true,
      externalId: existing?.id,
    });
    expect(await mode.submit(open(), signal)).toMatchObject({
      ok: true,
      state: 'done',
      externalId: existing?.id,
    });
    expect(sandbox.incidents()).toHaveLength(1);
  });

  it('takes no other incident for ours, however alike the tag', async () => {
    const call = (tags: string[]) =>
      fetch(`${sandbox.url}/v1/incidents/create`, {
        method: 'POST',
        headers: { authorization: `GenieKey ${sandbox.apiKey}` },
        body: JSON.stringify({ message: 'x', tags }),
      });
    await call([`${mark}-old`]);
    sandbox.indexNow();
    expect(await provider('incident').read({ incidentId, externalId: null }, signal)).toMatchObject({
      found: false,
    });
    await call([mark]);
    await call([mark]);
    sandbox.indexNow();
    // Of two the older counts.
    expect(await provider('incident').read({ incidentId, externalId: null }, signal)).toMatchObject({
      externalId: sandbox.incidents()[1]?.id,
    });
  });

  it('acknowledges and assigns on the alert that pages the owner team', async () => {
    const externalId = await opened();
    const mode = provider('incident');
    const ref = { incidentId, externalId };
    await mode.submit({ ref, by: 'ada@example.com', kind: 'acknowledge' }, signal);
    const [owner] = sandbox.alerts();
    expect(owner).toMatchObject({
      acknowledged: true,
      owner: 'ada@example.com',
      details: { 'incident-alert-type': 'Owner' },
    });
    expect(await mode.read(ref, signal)).toMatchObject({
      status: 'acknowledged',
      assignee: 'ada@example.com',
      externalUrl: `${sandbox.url}/incident/detail/${externalId}`,
    });
  });

  it('says clearly when there is no such alert', async () => {
    const externalId = await opened({ responders: [] });
    const result = await provider('incident').submit(
      { ref: { incidentId, externalId }, by: 'x', kind: 'acknowledge' },
      signal,
    );
    expect(result).toMatchObject({
      ok: false,
      reason: 'rejected',
      detail: expect.stringContaining('no acknowledgement of its own'),
    });
  });

  it('does not read a passing failure as "not acknowledged"', async () => {
    const externalId = await opened();
    const ref = { incidentId, externalId };
    sandbox.fault({ path: /responder-alert-ids$/, effect: 'status', status: 500 });
    expect(await provider('incident').read(ref, signal)).toMatchObject({ ok: false, reason: 'unknown' });
    sandbox.fault({ path: /responder-alert-ids$/, effect: 'status', status: 403 });
    expect(await provider('incident').read(ref, signal)).toMatchObject({ ok: true, status: 'open' });
  });

  it('resolves, and names who did it in a note', async () => {
    const externalId = await opened({ responders: [] });
    await provider('incident').submit(
      { ref: { incidentId, externalId }, by: 'ada@example.com', kind: 'close', note: 'rolled back' },
      signal,
    );
    expect(sandbox.incidents()[0]).toMatchObject({
      status: 'resolved',
      notes: [{ note: 'ada@example.com: rolled back' }],
    });
    expect(writes().at(-1)).toBe(`POST /v1/incidents/${externalId}/resolve`);
  });
});

describe('finding out whose something is', () => {
  const other = '0199c0de-0000-7000-8000-000000000002';
  const alertOf = (externalIncidentId: string) =>
    sandbox.alerts().find((alert) => alert.details['incident-id'] === externalIncidentId)?.id ?? '';

  it('reads the mark of an alert', async () => {
    await provider('alert').submit(open(), signal);
    const id = sandbox.alerts()[0]?.id ?? '';
    const adapter = provider('alert');
    expect(await adapter.identify?.(id, signal)).toEqual({
      ok: true,
      found: true,
      incidentId,
      externalId: id,
    });
    expect(await adapter.identify?.('nowhere', signal)).toMatchObject({
      ok: true,
      found: false,
      incidentId: null,
    });
  });

  it('follows an alert to the incident it pages for, and takes the incident itself, too', async () => {
    await provider('incident').submit(open(), signal);
    const id = sandbox.incidents()[0]?.id ?? '';
    const adapter = provider('incident');
    const ours = { ok: true, found: true, incidentId, externalId: id };
    expect(await adapter.identify?.(alertOf(id), signal)).toEqual(ours);
    expect(await adapter.identify?.(id, signal)).toEqual(ours);
  });

  it('says of a stranger that it carries no mark, and passes a failure on', async () => {
    await fetch(`${sandbox.url}/v2/alerts`, {
      method: 'POST',
      headers: { authorization: `GenieKey ${sandbox.apiKey}` },
      body: JSON.stringify({ message: 'theirs', alias: 'disk' }),
    });
    const id = sandbox.alerts()[0]?.id ?? '';
    for (const mode of ['alert', 'incident'] as const) {
      expect(await provider(mode).identify?.(id, signal)).toMatchObject({ ok: true, incidentId: null });
      sandbox.fault({ effect: 'rate-limit', periodInSec: 3 });
      expect(await provider(mode).identify?.(id, signal)).toMatchObject({
        ok: false,
        reason: 'rate-limited',
        retryAfterMs: 3_000,
      });
    }
  });

  it('lists what is open under our marks, oldest first, twins side by side', async () => {
    const incidentMode = provider('incident');
    await incidentMode.submit(open(), signal);
    const [first] = sandbox.incidents();
    const tags = [...(first?.tags ?? []), 'gomon'];
    await fetch(`${sandbox.url}/v1/incidents/create`, {
      method: 'POST',
      headers: { authorization: `GenieKey ${sandbox.apiKey}` },
      body: JSON.stringify({ message: 'twin', tags }),
    });
    if (first !== undefined) {
      first.tags = tags;
      first.createdAtMs -= 1_000;
    }
    await incidentMode.submit({ ...open(), ref: { incidentId: other, externalId: null } }, signal);
    sandbox.person.resolve(sandbox.incidents()[2]?.id ?? '', 'ada@example.com');
    sandbox.indexNow();
    expect(await incidentMode.listOpen?.(signal)).toEqual({
      ok: true,
      items: sandbox
        .incidents()
        .slice(0, 2)
        .map((one) => ({
          incidentId,
          externalId: one.id,
          externalUrl: `${sandbox.url}/incident/detail/${one.id}`,
        })),
    });
  });

  it.each(['alert', 'incident'] as const)(
    'in mode %s finds a note of ours, and only the whole of it',
    async (mode) => {
      const adapter = provider(mode);
      await adapter.submit(open(), signal);
      sandbox.indexNow();
      const ref = { incidentId, externalId: null };
      const note = { text: 'restarted the pod', by: 'ada@example.com' };
      expect(await adapter.hasNote?.(ref, note, signal)).toEqual({ ok: true, found: false });
      await adapter.submit({ ref, by: note.by, kind: 'add-note', text: `${note.text} twice` }, signal);
      expect(await adapter.hasNote?.(ref, note, signal)).toEqual({ ok: true, found: false });
      await adapter.submit({ ref, by: note.by, kind: 'add-note', text: note.text }, signal);
      expect(await adapter.hasNote?.(ref, note, signal)).toEqual({ ok: true, found: true });
    },
  );

  it('does not take an acknowledgement that cannot be read for none', async () => {
    const adapter = provider('incident');
    await adapter.submit(open({ responders: [] }), signal);
    const id = sandbox.incidents()[0]?.id ?? '';
    expect(await adapter.read({ incidentId, externalId: id }, signal)).toMatchObject({ partial: true });
    sandbox.person.close(id, 'ada@example.com');
    expect(await adapter.read({ incidentId, externalId: id }, signal)).toMatchObject({
      status: 'closed',
      ended: 'closed',
    });
  });
});
