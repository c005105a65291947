import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { opsgenieWebhookSecret, startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({
    opsgenieStatusAsks: 0,
    settings: {
      incidents: {
        assignment: [
          {
            namespace: 'payments',
            responders: [
              { type: 'team', name: 'Payments' },
              { type: 'escalation', name: 'Payments escalation' },
            ],
          },
          {
            labels: { team: 'data*' },
            severity: ['P0', 'P1'],
            responders: [{ type: 'user', name: 'ana@example.com' }],
          },
        ],
      },
    },
  });
});
afterAll(() => world.stop());

async function fire(title: string, severity: string, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title, ...more });
  await world.drain();
  return answer.body.results[0].id;
}
async function resolve(title: string): Promise<void> {
  await world.call('POST', '/api/v1/alerts', { title, dedupKey: title, status: 'resolved' });
  await world.drain();
}
async function act(method: string, path: string, body?: unknown) {
  const answer = await world.call(method, path, body);
  await world.drain();
  return answer;
}
const alertOf = async (id: string) => (await world.call('GET', `/api/v1/alerts/${id}`)).body;
const incidentOf = async (id: string) => (await world.call('GET', `/api/v1/incidents/${id}`)).body;
const atOpsgenie = (title: string) => world.opsgenie.alerts().filter((one) => one.message.includes(title));

describe('an incident', () => {
  it('is opened by itself for P0 and P1, and not for the rest or for staging', async () => {
    for (const [severity, opened] of [
      ['P0', true],
      ['P1', true],
      ['P2', false],
      ['P3', false],
      ['P4', false],
    ] as const) {
      const alert = await alertOf(await fire(`Auto ${severity}`, severity));
      expect(alert.incidentId !== null, severity).toBe(opened);
      expect(atOpsgenie(`Auto ${severity}`)).toHaveLength(opened ? 1 : 0);
      if (!opened) continue;
      const incident = await incidentOf(alert.incidentId);
      expect(incident).toMatchObject({
        title: `Auto ${severity}`,
        severity,
        status: 'open',
        provider: 'opsgenie',
        alertCount: 1,
        primaryAlertId: alert.id,
        resolvedAt: null,
      });
      const [there] = atOpsgenie(`Auto ${severity}`);
      expect(there).toMatchObject({
        alias: `gomon-${alert.incidentId}`,
        priority: severity === 'P0' ? 'P1' : 'P2',
        count: 1,
      });
      expect(incident.externalId).toBe(there?.id);
      expect(incident.externalUrl).toContain(there?.id ?? 'nothing');
      expect(incident.alerts.map((one: { id: string }) => one.id)).toEqual([alert.id]);
      expect(there?.details).toMatchObject({ gomonIncidentId: incident.id, gomonAlertId: alert.id });
    }
    for (const environment of ['staging', 'dev', 'development', 'test', ' Staging ']) {
      const alert = await alertOf(await fire(`Env ${environment}`, 'P0', { labels: { environment } }));
      expect(alert.incidentId).toBeNull();
      expect(
        world.slack
          .messages('#monitoring-dev')
          .filter((one) => one.text.includes(`Env ${environment.trim()}`)).length,
      ).toBeGreaterThan(0);
    }
    expect(world.slack.messages('#monitoring-dev')).toHaveLength(5);
    expect(world.slack.messages('#alert-critical').filter((one) => one.text.includes('Env'))).toEqual([]);
    const prod = await alertOf(await fire('Env production', 'P1', { labels: { environment: 'production' } }));
    expect(prod.incidentId).not.toBeNull();
  });

  it('calls the responders of the first line of the table that fits, and nobody by name otherwise', async () => {
    await fire('Paid', 'P1', { namespace: 'payments' });
    expect(atOpsgenie('Paid')[0]?.responders).toMatchObject([
      { type: 'team', name: 'Payments' },
      { type: 'escalation', name: 'Payments escalation' },
    ]);
    await fire('Lake', 'P1', { labels: { team: 'data-lake' } });
    expect(atOpsgenie('Lake')[0]?.responders).toMatchObject([{ type: 'user', name: 'ana@example.com' }]);
    await fire('Nobody', 'P1');
    expect(atOpsgenie('Nobody')[0]?.responders).toEqual([]);
    const { decisions } = await world.alert('q=paid');
    expect(
      decisions.some((one: { reason: string }) => one.reason.includes('line 1 of incidents.assignment')),
    ).toBe(true);
  });

  it('is shown on the message with its link, and only the create button goes', async () => {
    const id = await fire('Linked', 'P1');
    const { incidentId } = await alertOf(id);
    const { externalUrl } = await incidentOf(incidentId);
    const [message] = world.slack.messages('#alert-critical').filter((one) => one.text.includes('Linked'));
    const shown = JSON.stringify(message?.blocks);
    expect(shown).toContain(externalUrl);
    expect(shown).not.toContain('alert_create_incident');
    expect(shown).toContain('alert_acknowledge');
  });

  it('is resolved with its last alert, here and there', async () => {
    const one = await fire('Pair one', 'P1');
    const two = await fire('Pair two', 'P3');
    const { incidentId } = await alertOf(one);
    const attached = await act('POST', '/api/v1/incidents', { alertId: two, incidentId });
    expect(attached).toMatchObject({ status: 200, body: { id: incidentId, alertCount: 2 } });
    expect((await alertOf(two)).incidentId).toBe(incidentId);
    expect((await act('POST', '/api/v1/incidents', { alertId: two, incidentId })).status).toBe(200);
    expect(
      (await incidentOf(incidentId)).actions.filter(
        (each: { action: string }) => each.action === 'attach_incident',
      ),
    ).toHaveLength(1);

    await resolve('Pair one');
    expect(await incidentOf(incidentId)).toMatchObject({ status: 'open' });
    expect(atOpsgenie('Pair one')[0]?.status).toBe('open');
    await act('DELETE', `/api/v1/alerts/${two}`);
    const done = await incidentOf(incidentId);
    expect(done).toMatchObject({ status: 'resolved' });
    expect(done.resolvedAt).not.toBeNull();
    expect(done.alerts).toHaveLength(2);
    expect(atOpsgenie('Pair one')[0]?.status).toBe('closed');
    expect(atOpsgenie('Pair two')).toEqual([]);
  });

  it('of a refire is a new one, once', async () => {
    const id = await fire('Comes back', 'P1');
    const first = (await alertOf(id)).incidentId;
    await resolve('Comes back');
    await world.call('POST', '/api/v1/alerts', {
      title: 'Comes back',
      severity: 'P1',
      dedupKey: 'Comes back',
      startsAt: world.clock.now().toISOString(),
    });
    await world.drain();
    const second = (await alertOf(id)).incidentId;
    expect(second).not.toBeNull();
    expect(second).not.toBe(first);
    // An alert belongs to its latest incident.
    expect(await incidentOf(first)).toMatchObject({ status: 'resolved', alertCount: 0, alerts: [] });
    expect(await incidentOf(second)).toMatchObject({ status: 'open', alertCount: 1, alerts: [{ id }] });
    const { items } = (await world.call('GET', '/api/v1/incidents?q=comes')).body;
    expect(items).toMatchObject([
      { id: second, alertCount: 1 },
      { id: first, alertCount: 0 },
    ]);
    expect(atOpsgenie('Comes back').map((one) => one.status)).toEqual(['closed', 'open']);
  });

  it('is opened by hand for P2 to P4, once, with a title and severity of its own', async () => {
    const id = await fire('By hand', 'P3');
    const opened = await act('POST', '/api/v1/incidents', {
      alertId: id,
      title: 'Customers cannot pay',
      severity: 'P1',
    });
    expect(opened).toMatchObject({
      status: 201,
      body: { title: 'Customers cannot pay', severity: 'P1', status: 'open' },
    });
    const again = await act('POST', '/api/v1/incidents', { alertId: id });
    expect(again).toMatchObject({ status: 200, body: { id: opened.body.id } });
    expect(atOpsgenie('Customers cannot pay')).toMatchObject([{ priority: 'P2' }]);
    expect((await alertOf(id)).severity).toBe('P3');
  });

  it('is refused for what is over or not there', async () => {
    const id = await fire('Over', 'P3');
    await resolve('Over');
    const none = '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55';
    const open = await fire('Still open', 'P3');
    const closed = (await world.call('GET', '/api/v1/incidents?status=resolved')).body.items[0];
    const other = (await world.call('GET', '/api/v1/incidents?status=open&q=auto%20P0')).body.items[0];
    const own = (await world.call('POST', '/api/v1/incidents', { alertId: open })).body;
    const cases: [status: number, body: unknown, says: RegExp][] = [
      [409, { alertId: id }, /resolved/],
      [404, { alertId: none }, new RegExp(none)],
      [404, { alertId: await fire('Third', 'P3'), incidentId: none }, new RegExp(none)],
      [409, { alertId: await fire('Fourth', 'P3'), incidentId: closed.id }, /resolved/],
      [409, { alertId: open, incidentId: other.id }, new RegExp(own.id)],
      [400, { alertId: 'x' }, /id/],
      [400, {}, /alertId/],
      [400, { alertId: open, titel: 'x' }, /titel/],
    ];
    for (const [status, body, says] of cases) {
      const answer = await act('POST', '/api/v1/incidents', body);
      expect(answer.status, JSON.stringify(body)).toBe(status);
      expect(answer.body.detail).toMatch(says);
    }
  });
});

describe('the incident routes', () => {
  it('assign, note and set the status, here and at Opsgenie, and do nothing twice', async () => {
    const id = await fire('Routes', 'P1');
    const { incidentId } = await alertOf(id);
    const path = `/api/v1/incidents/${incidentId}`;
    expect(await act('PUT', `${path}/assign`, { assignedTo: 'jonas@example.com' })).toMatchObject({
      status: 200,
      body: { status: 'assigned', assignedTo: 'jonas@example.com' },
    });
    expect(atOpsgenie('Routes')[0]?.owner).toBe('jonas@example.com');
    const calls = world.opsgenie.calls().length;
    expect((await act('PUT', `${path}/assign`, { assignedTo: 'jonas@example.com' })).status).toBe(200);
    expect((await act('PUT', `${path}/status`, { status: 'assigned' })).status).toBe(200);
    expect(world.opsgenie.calls()).toHaveLength(calls);

    expect((await act('POST', `${path}/notes`, { text: 'restarted the pod' })).status).toBe(200);
    expect(atOpsgenie('Routes')[0]?.notes.map((one) => one.note)).toContain('restarted the pod');

    expect(await act('PUT', `${path}/status`, { status: 'open' })).toMatchObject({
      body: { status: 'open', assignedTo: null },
    });
    expect(await act('PUT', `${path}/status`, { status: 'assigned' })).toMatchObject({ status: 409 });
    expect(await act('PUT', `${path}/status`, { status: 'resolved' })).toMatchObject({
      status: 200,
      body: { status: 'resolved' },
    });
    expect((await alertOf(id)).status).toBe('resolved');
    expect(atOpsgenie('Routes')[0]?.status).toBe('closed');
    expect(world.slack.messages('#alert-critical').find((one) => one.text.includes('Routes'))?.text).toMatch(
      /resolved/i,
    );
    expect(await act('PUT', `${path}/status`, { status: 'closed' })).toMatchObject({
      status: 200,
      body: { status: 'closed' },
    });
    expect(await act('PUT', `${path}/status`, { status: 'open' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('closed') },
    });
    expect(await act('PUT', `${path}/assign`, { assignedTo: 'x' })).toMatchObject({ status: 409 });
    const detail = await incidentOf(incidentId);
    expect(detail.actions.map((one: { action: string }) => one.action)).toEqual(
      expect.arrayContaining(['create_incident', 'sync', 'assign', 'note', 'incident_status']),
    );
    expect(detail.actions.filter((one: { action: string }) => one.action === 'note')).toMatchObject([
      { userId: 'token:admin', details: { text: 'restarted the pod' } },
    ]);
  });

  it('follow the alert: an acknowledge and a rise are told to Opsgenie once', async () => {
    const id = await fire('Followed', 'P1');
    await act('PUT', `/api/v1/alerts/${id}/acknowledge`);
    expect(atOpsgenie('Followed')[0]?.acknowledged).toBe(true);
    await act('PUT', `/api/v1/alerts/${id}/escalate`);
    expect(atOpsgenie('Followed')).toMatchObject([{ priority: 'P1', count: 1 }]);
    expect(await incidentOf((await alertOf(id)).incidentId)).toMatchObject({ severity: 'P0' });
    const submitted = world.opsgenie
      .calls()
      .filter((one) => one.method !== 'GET' && one.path.includes('acknowledge'));
    expect(submitted).toHaveLength(1);
  });

  it('list with filters and pages, and refuse bad queries', async () => {
    const list = async (query: string) => (await world.call('GET', `/api/v1/incidents?${query}`)).body;
    const all = (await list('limit=200')).items;
    expect(all.length).toBeGreaterThan(5);
    expect((await list('status=closed')).items.map((one: { title: string }) => one.title)).toEqual([
      'Routes',
    ]);
    expect((await list('assignedTo=jonas@example.com')).items).toHaveLength(
      (await list('assignedTo=nobody,jonas@example.com')).items.length,
    );
    expect((await list('severity=P0&q=auto')).items.map((one: { title: string }) => one.title)).toEqual([
      'Auto P0',
    ]);
    expect((await list('q=ustomers%20canno')).items).toHaveLength(1);
    const first = await list('limit=2');
    const second = await list(`limit=2&cursor=${encodeURIComponent(first.nextCursor)}`);
    expect([...first.items, ...second.items].map((one: { id: string }) => one.id)).toEqual(
      all.slice(0, 4).map((one: { id: string }) => one.id),
    );
    for (const query of ['status=x', 'severity=1', 'limit=0', 'cursor=x', 'colour=red']) {
      expect((await world.call('GET', `/api/v1/incidents?${query}`)).status, query).toBe(400);
    }
    expect((await world.call('GET', '/api/v1/incidents/0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55')).status).toBe(
      404,
    );
    expect((await world.call('GET', '/api/v1/incidents/x')).status).toBe(400);
  });
});

describe('the webhook of Opsgenie', () => {
  it('stores what comes with the secret, once', async () => {
    await fire('Echo', 'P1');
    await world.opsgenie.drain();
    const created = world.opsgenie
      .deliveries()
      .find((one) => one.action === 'Create' && one.body.includes('Echo'));
    expect(created?.status).toBe(200);
    const post = (headers: Record<string, string>, body: unknown = created?.body) =>
      world.call('POST', '/api/v1/webhooks/opsgenie', body, { authorization: '', ...headers });
    const count = async () =>
      (
        await world.rows<{ count: number }>(
          "SELECT count(*)::int AS count FROM inbound_events WHERE kind LIKE 'opsgenie%'",
        )
      )[0]?.count;
    const before = await count();
    const right = { 'X-GoMon-Webhook-Secret': opsgenieWebhookSecret };
    const told = { received: 1, created: 0, updated: 0, resolved: 0, rejected: [] };
    const again = await post(right);
    expect(again).toMatchObject({ status: 200, body: { ...told, ignored: 1 } });
    expect(await count()).toBe(before);
    const news = created?.body.replace('"action":"Create"', '"action":"Acknowledge"');
    const first = await post(right, news);
    expect(first).toMatchObject({
      status: 200,
      body: { ...told, ignored: 0, deliveryId: expect.any(String) },
    });
    expect((await post(right, news)).body).toMatchObject({ ignored: 1, deliveryId: first.body.deliveryId });
    expect(await count()).toBe((before ?? 0) + 1);
    for (const headers of [{}, { 'X-GoMon-Webhook-Secret': 'wrong' }, { 'X-GoMon-Webhook-Secret': '' }]) {
      const refused = await post(headers);
      expect(refused.status).toBe(401);
      expect(refused.headers.get('content-type')).toContain('application/problem+json');
      expect(refused.text).not.toContain(opsgenieWebhookSecret);
    }
    expect((await post(right, 'not json')).status).toBe(400);
    expect((await post(right, '{}')).status).toBe(400);
    expect(await count()).toBe((before ?? 0) + 1);
  });
});

it('leaves nothing that Slack refused or took with a frown', () => {
  expect(world.slack.errors()).toEqual([]);
});
