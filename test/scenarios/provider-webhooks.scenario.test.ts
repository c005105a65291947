import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { opsgenieWebhookSecret, startWorld, type World } from '../support/world.ts';

/** What people do in Opsgenie, and how it comes back: to the incident, its alerts, and Slack. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

type Incident = {
  id: string;
  status: string;
  severity: string;
  assignedTo: string | null;
  externalId: string;
  actions: { action: string; userId: string; source: string; details: Record<string, unknown> }[];
  alerts: { id: string; status: string; severity: string }[];
};

async function settle(): Promise<void> {
  // A webhook is sent while our own call is answered, and its job may lead to calls.
  for (let round = 0; round < 3; round += 1) {
    await world.opsgenie.drain();
    await world.drain();
  }
}

async function fire(title: string, severity = 'P1'): Promise<Incident> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title });
  await settle();
  const alert = (await world.call('GET', `/api/v1/alerts/${answer.body.results[0].id}`)).body;
  return incidentOf(alert.incidentId);
}
async function incidentOf(id: string): Promise<Incident> {
  return (await world.call('GET', `/api/v1/incidents/${id}`)).body;
}
const there = (incident: Incident) =>
  world.opsgenie.alerts().find((alert) => alert.id === incident.externalId);
const writes = () => world.opsgenie.calls().filter((call) => call.method !== 'GET');
const rowsOf = (incident: Incident, action: string) =>
  incident.actions.filter((entry) => entry.action === action);
const card = (title: string) => {
  const cards = world.slack.messages('#alert-critical').filter((message) => message.text.includes(title));
  expect(cards).toHaveLength(1);
  return JSON.stringify([cards[0]?.text, cards[0]?.blocks]);
};
const post = (body: string, headers: Record<string, string> = {}) =>
  world.call('POST', '/api/v1/webhooks/opsgenie', body, {
    authorization: '',
    'X-GoMon-Webhook-Secret': opsgenieWebhookSecret,
    ...headers,
  });
const outcomes = async (subject: string) =>
  (
    await world.rows<{ outcome: string | null }>(
      'SELECT outcome FROM inbound_events WHERE subject = $1 ORDER BY received_at',
      [subject],
    )
  ).map((row) => row.outcome);

describe('what a person does in Opsgenie', () => {
  it('acknowledging: alert, incident and message follow, by the person, once, and nothing is sent back', async () => {
    const incident = await fire('Acked there');
    const before = writes().length;
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({
      status: 'assigned',
      assignedTo: 'ada@example.com',
      alerts: [{ status: 'acknowledged' }],
    });
    expect(rowsOf(after, 'acknowledge')).toMatchObject([
      { userId: 'opsgenie:ada@example.com', source: 'webhook' },
    ]);
    expect(rowsOf(after, 'assign')).toMatchObject([
      { userId: 'opsgenie:ada@example.com', source: 'webhook' },
    ]);
    expect(card('Acked there')).toMatch(/cknowledged/);
    expect(card('Acked there')).toContain('ada@example.com');
    expect(card('Acked there')).not.toContain('alert_acknowledge"');
    expect(writes()).toHaveLength(before);
  });

  it('taking the acknowledgement back', async () => {
    const incident = await fire('Taken back');
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    await settle();
    const before = writes().length;
    world.opsgenie.person.unacknowledge(incident.externalId, 'ada@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after.alerts).toMatchObject([{ status: 'firing' }]);
    expect(rowsOf(after, 'unacknowledge')).toMatchObject([{ userId: 'opsgenie:ada@example.com' }]);
    expect(card('Taken back')).toContain('alert_acknowledge');
    expect(writes()).toHaveLength(before);
    // Whoever acknowledges here now is heard there again.
    await world.call('PUT', `/api/v1/alerts/${after.alerts[0]?.id}/acknowledge`);
    await settle();
    expect(there(incident)).toMatchObject({ acknowledged: true });
    expect(writes()).toHaveLength(before + 1);
  });

  it('assigning and taking over', async () => {
    const incident = await fire('Handed over');
    const before = writes().length;
    world.opsgenie.person.assign(incident.externalId, 'bob@example.com', 'ada@example.com');
    await settle();
    expect(await incidentOf(incident.id)).toMatchObject({
      status: 'assigned',
      assignedTo: 'bob@example.com',
    });
    expect(card('Handed over')).toContain('bob@example.com');
    world.opsgenie.person.takeOwnership(incident.externalId, 'eve@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ status: 'assigned', assignedTo: 'eve@example.com' });
    expect(rowsOf(after, 'assign').map((row) => [row.userId, row.details['assignedTo']])).toEqual([
      ['opsgenie:ada@example.com', { from: null, to: 'bob@example.com' }],
      ['opsgenie:eve@example.com', { from: 'bob@example.com', to: 'eve@example.com' }],
    ]);
    expect(writes()).toHaveLength(before);
  });

  it('a lower priority stays, whatever the alert says; a graver alert raises it again', async () => {
    const incident = await fire('Not so bad');
    const before = writes().length;
    world.opsgenie.person.updatePriority(incident.externalId, 'P4', 'ada@example.com');
    await settle();
    expect(await incidentOf(incident.id)).toMatchObject({ severity: 'P3', alerts: [{ severity: 'P1' }] });
    await world.call('POST', `/api/v1/alerts/${incident.alerts[0]?.id}/notes`, { text: 'looked' });
    await settle();
    expect((await incidentOf(incident.id)).severity).toBe('P3');
    // Nothing but the note.
    expect(writes()).toHaveLength(before + 1);
    await world.call('PUT', `/api/v1/alerts/${incident.alerts[0]?.id}/escalate`, {});
    await settle();
    expect((await incidentOf(incident.id)).severity).toBe('P0');
    expect(there(incident)).toMatchObject({ priority: 'P1' });
    expect(rowsOf(await incidentOf(incident.id), 'update')).toMatchObject([
      { userId: 'opsgenie:ada@example.com', details: { severity: { from: 'P1', to: 'P3' } } },
      { userId: 'system', details: { severity: { from: 'P3', to: 'P0' } } },
    ]);
  });

  it('a note is in the audit log once, and seen in Slack', async () => {
    const incident = await fire('Noted there');
    const before = writes().length;
    world.opsgenie.person.addNote(incident.externalId, 'Adding a volume.', 'priya@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(rowsOf(after, 'note')).toMatchObject([
      { userId: 'opsgenie:priya@example.com', source: 'webhook', details: { text: 'Adding a volume.' } },
    ]);
    expect(card('Noted there')).toContain('Adding a volume.');
    expect(writes()).toHaveLength(before);
    // The same note, told by another integration of the account.
    const body = world.opsgenie.deliveries().findLast((one) => one.action === 'AddNote')?.body ?? '';
    expect((await post(body.replace('"GoMon"', '"Another"'))).body).toMatchObject({ ignored: 0 });
    await settle();
    expect(rowsOf(await incidentOf(incident.id), 'note')).toHaveLength(1);
  });

  it('our own note comes back and is not doubled; the same words of a person there are', async () => {
    const incident = await fire('Noted here');
    await world.call('POST', `/api/v1/incidents/${incident.id}/notes`, { text: 'restarted the pod' });
    await settle();
    expect(there(incident)?.notes).toHaveLength(1);
    expect(world.opsgenie.deliveries().filter((one) => one.body.includes('restarted the pod'))).toHaveLength(
      1,
    );
    expect(rowsOf(await incidentOf(incident.id), 'note')).toHaveLength(1);
    world.opsgenie.person.addNote(incident.externalId, 'restarted the pod', 'ada@example.com');
    await settle();
    expect(rowsOf(await incidentOf(incident.id), 'note').map((row) => row.userId)).toEqual([
      'token:admin',
      'opsgenie:ada@example.com',
    ]);
  });

  it('a note on an alert reaches it there by the person who wrote it, once, and does not come back', async () => {
    const incident = await fire('Noted on the alert');
    const alertId = incident.alerts[0]?.id ?? '';
    const before = writes().length;
    await world.call('POST', `/api/v1/alerts/${alertId}/notes`, { text: 'disk is full' });
    await settle();
    world.opsgenie.person.addNote(incident.externalId, 'adding one', 'ada@example.com');
    await settle();
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await settle();
    expect(there(incident)?.notes).toMatchObject([
      { note: 'disk is full', owner: 'token:admin' },
      { note: 'adding one', owner: 'ada@example.com' },
    ]);
    expect(rowsOf(await incidentOf(incident.id), 'note').map((row) => row.userId)).toEqual([
      'token:admin',
      'opsgenie:ada@example.com',
    ]);
    // The note and the acknowledgement.
    expect(writes()).toHaveLength(before + 2);
  });

  it('closing: the alerts are resolved, the message ends, and a refire is a new incident', async () => {
    const incident = await fire('Closed there');
    const before = writes().length;
    world.opsgenie.person.close(incident.externalId, 'ada@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ status: 'resolved', alerts: [{ status: 'resolved' }] });
    expect(rowsOf(after, 'incident_status')).toMatchObject([{ userId: 'opsgenie:ada@example.com' }]);
    expect(rowsOf(after, 'resolve')).toMatchObject([{ userId: 'opsgenie:ada@example.com' }]);
    expect(card('Closed there')).toMatch(/esolved/);
    expect(writes()).toHaveLength(before);
  });

  it('escalating: the body names nothing but the id; the alert is escalated once', async () => {
    const incident = await fire('Escalated there');
    const before = writes().length;
    world.opsgenie.person.escalate(incident.externalId, 'Payments', 'System');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ severity: 'P1', alerts: [{ status: 'escalated', severity: 'P1' }] });
    expect(rowsOf(after, 'escalate')).toMatchObject([{ userId: 'opsgenie:System', source: 'webhook' }]);
    world.opsgenie.person.escalate(incident.externalId, 'Payments again', 'System');
    await settle();
    expect(rowsOf(await incidentOf(incident.id), 'escalate')).toHaveLength(1);
    expect(writes()).toHaveLength(before);
  });

  it('an action of a name of their own makes us look', async () => {
    const incident = await fire('Custom');
    const alert = there(incident);
    if (alert !== undefined) alert.priority = 'P1';
    world.opsgenie.person.customAction(incident.externalId, 'RestartEverything', 'ada@example.com');
    await settle();
    expect((await incidentOf(incident.id)).severity).toBe('P0');
  });

  it('deleting an open P1: said once, opened there once more, and not a third time', async () => {
    const incident = await fire('Deleted there');
    world.opsgenie.person.delete(incident.externalId, 'ada@example.com');
    await settle();
    const again = await incidentOf(incident.id);
    expect(again.externalId).not.toBe(incident.externalId);
    expect(there(again)).toMatchObject({ status: 'open', alias: `gomon-${incident.id}` });
    const gone = (one: Incident) => rowsOf(one, 'sync').filter((row) => 'gone' in row.details);
    expect(gone(again)).toHaveLength(1);
    world.opsgenie.person.delete(again.externalId, 'ada@example.com');
    await settle();
    await world.advance(600_000);
    await settle();
    expect(world.opsgenie.alerts().filter((alert) => alert.alias === `gomon-${incident.id}`)).toEqual([]);
    expect(gone(await incidentOf(incident.id))).toHaveLength(2);
    expect((await incidentOf(incident.id)).status).toBe('open');
  });
});

describe('echoes and repeats', () => {
  it('of everything we say ourselves change nothing and lead to nothing said', async () => {
    const incident = await fire('Echoes');
    const alertId = incident.alerts[0]?.id ?? '';
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await settle();
    await world.call('PUT', `/api/v1/incidents/${incident.id}/assign`, { assignedTo: 'jonas@example.com' });
    await settle();
    await world.call('PUT', `/api/v1/alerts/${alertId}/escalate`, {});
    await settle();
    await world.call('PUT', `/api/v1/incidents/${incident.id}/status`, { status: 'resolved' });
    await settle();
    const calls = world.opsgenie
      .calls()
      .filter((call) => call.method !== 'GET' && call.path.includes(incident.externalId))
      .map((call) => call.path.split('/').at(-1));
    expect(calls).toEqual(['acknowledge', 'assign', 'priority', 'close']);
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ status: 'resolved', assignedTo: 'jonas@example.com', severity: 'P0' });
    expect(after.actions.filter((entry) => entry.source === 'webhook')).toEqual([]);
    expect(world.opsgenie.deliveries().filter((one) => one.alertId === incident.externalId)).toHaveLength(5);
    // Whether the echo of the opening comes before or after its confirmation is chance.
    const [created, ...others] = await outcomes(incident.externalId);
    expect(created).toMatch(/^(nothing new|it is being opened)$/);
    expect(others).toEqual(Array.from({ length: 4 }, () => 'nothing new'));
  });

  it('the same webhook five times does one thing', async () => {
    const incident = await fire('Five times');
    world.opsgenie.deliverTo('http://127.0.0.1:9/', {});
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    world.opsgenie.person.addNote(incident.externalId, 'on it', 'ada@example.com');
    await world.opsgenie.drain();
    world.opsgenie.deliverTo(`${world.url}/api/v1/webhooks/opsgenie`, {
      'X-GoMon-Webhook-Secret': opsgenieWebhookSecret,
    });
    const [acknowledge, note] = world.opsgenie.deliveries().slice(-2);
    for (const body of [note?.body ?? '', acknowledge?.body ?? '']) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => post(body)));
      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
      expect(answers.filter((answer) => answer.body.ignored === 0)).toHaveLength(1);
    }
    await settle();
    const after = await incidentOf(incident.id);
    expect(rowsOf(after, 'acknowledge')).toHaveLength(1);
    expect(rowsOf(after, 'note')).toHaveLength(1);
    expect(rowsOf(after, 'assign')).toHaveLength(1);
  });

  it('what looks the same a minute later happened again, unless it says when', async () => {
    const incident = await fire('Escalated twice');
    const alertId = incident.alerts[0]?.id ?? '';
    const escalate = JSON.stringify({ action: 'Escalate', alert: { alertId: incident.externalId } });
    const timed = JSON.stringify({
      action: 'Escalate',
      alert: { alertId: incident.externalId, updatedAt: Date.now() },
    });
    for (const body of [escalate, timed]) expect((await post(body)).body.ignored).toBe(0);
    await settle();
    expect((await incidentOf(incident.id)).alerts).toMatchObject([{ status: 'escalated' }]);
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await settle();
    expect((await post(escalate)).body.ignored).toBe(1);
    await world.advance(61_000);
    expect((await post(timed)).body.ignored).toBe(1);
    expect((await post(escalate)).body.ignored).toBe(0);
    expect((await post(escalate)).body.ignored).toBe(1);
    await settle();
    const after = await incidentOf(incident.id);
    expect(after.alerts).toMatchObject([{ status: 'escalated' }]);
    expect(rowsOf(after, 'escalate')).toHaveLength(2);
  });

  it('JSON that says it is a form, old priorities and a second Create are read all the same', async () => {
    const incident = await fire('Odd bodies');
    const alert = there(incident);
    if (alert !== undefined) alert.priority = 'P4';
    const body = { action: 'updatepriority', alert: { alertId: incident.externalId, priority: 4 } };
    const sent = await post(JSON.stringify(body), { 'content-type': 'application/x-www-form-urlencoded' });
    expect(sent.status).toBe(200);
    await settle();
    expect((await incidentOf(incident.id)).severity).toBe('P3');
    const create = world.opsgenie
      .deliveries()
      .find((one) => one.action === 'Create' && one.alertId === incident.externalId);
    await post((create?.body ?? '').replace('"action":"Create"', '"action":"Create","again":true'));
    await settle();
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('Odd bodies'))).toHaveLength(1);
  });
});

describe('whose it is', () => {
  it.each([
    ['a NUL', '{"action":"Acknowledge","alert":{"alertId":"a\\u0000b"}}'],
    ['half a character', '{"action":"Acknowledge","alert":{"alertId":"a\\ud800"}}'],
    ['no end', JSON.stringify({ action: 'Acknowledge', alert: { alertId: 'a'.repeat(201) } })],
  ])('an id with %s is refused', async (_name, body) => {
    expect(await post(body)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('alertId') },
    });
  });

  it('NUL and half characters elsewhere are kept', async () => {
    const bad = 'a\\u0000\\ud800';
    const body = `{"action":"${bad}","alert":{"alertId":"odd-text","alias":"${bad}","note":"${bad}","username":"${bad}"}}`;
    expect((await post(body)).status).toBe(200);
    await settle();
    expect(await outcomes('odd-text')).toEqual(['not ours: it carries no mark of ours']);
    const details = `{"action":"Close","alert":{"alertId":"odd-details","details":{"incident-id":"a\\u0000"}}}`;
    expect((await post(details)).status).toBe(200);
    await settle();
    expect(await outcomes('odd-details')).toEqual([
      'not ours: it pages for an incident that was not opened here',
    ]);
  });

  it('strangers cost no call; what names nothing but an unknown id costs one and is left alone', async () => {
    const before = world.opsgenie.calls().length;
    await post(
      '{"action":"Acknowledge","alert":{"alertId":"stranger","alias":"disk-full","username":"x@y.z"}}',
    );
    await settle();
    expect(world.opsgenie.calls()).toHaveLength(before);
    expect(await outcomes('stranger')).toEqual(['not ours: it carries no mark of ours']);
    await post('{"action":"Escalate","alert":{"alertId":"stranger"}}');
    await settle();
    expect(world.opsgenie.calls()).toHaveLength(before);
  });

  it('a webhook that comes before the id is known waits for it', async () => {
    // The creation is worked on, but what became of it is told late.
    world.opsgenie.fault({
      method: 'GET',
      path: '/v2/alerts/requests/',
      effect: 'status',
      status: 404,
      times: 4,
    });
    const answer = await world.call('POST', '/api/v1/alerts', {
      title: 'Too early',
      severity: 'P1',
      dedupKey: 'Too early',
    });
    const alert = await world.opsgenie.waitFor((sandbox) =>
      sandbox.alerts().find((one) => one.message.includes('Too early')),
    );
    world.opsgenie.person.acknowledge(alert.id, 'ada@example.com');
    await settle();
    const { incidentId } = (await world.call('GET', `/api/v1/alerts/${answer.body.results[0].id}`)).body;
    const incident = await incidentOf(incidentId);
    expect(incident).toMatchObject({ assignedTo: 'ada@example.com', alerts: [{ status: 'acknowledged' }] });
    expect(rowsOf(incident, 'acknowledge')).toMatchObject([{ userId: 'opsgenie:ada@example.com' }]);
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('Too early'))).toHaveLength(1);
  });

  /** Fires an alert, and answers what was opened for it there, whatever became of the answer. */
  async function openThere(title: string) {
    const answer = await world.call('POST', '/api/v1/alerts', { title, severity: 'P1', dedupKey: title });
    const alert = await world.opsgenie.waitFor((sandbox) =>
      sandbox.alerts().find((one) => one.message.includes(title)),
    );
    const incident = async (): Promise<Incident> => {
      const { incidentId } = (await world.call('GET', `/api/v1/alerts/${answer.body.results[0].id}`)).body;
      return incidentOf(incidentId);
    };
    return { alert, incident };
  }
  const opened = (title: string) =>
    world.opsgenie.alerts().filter((one) => one.message.includes(title)).length;

  it('a close there before the lost answer to the opening was looked for: closed here, and nobody is paged again', async () => {
    world.opsgenie.fault({ method: 'POST', path: '/v2/alerts', effect: 'reset', applied: true });
    const { alert, incident } = await openThere('Closed at once');
    world.opsgenie.person.close(alert.id, 'ada@example.com');
    await settle();
    const after = await incident();
    expect(after).toMatchObject({
      status: 'resolved',
      externalId: alert.id,
      alerts: [{ status: 'resolved' }],
    });
    expect(rowsOf(after, 'incident_status')).toMatchObject([{ userId: 'opsgenie:ada@example.com' }]);
    expect(opened('Closed at once')).toBe(1);
  });

  it('where the request status stays silent the webhook of the opening is enough', async () => {
    const status = { method: 'GET', path: '/v2/alerts/requests/', effect: 'status', status: 404 } as const;
    world.opsgenie.fault({ ...status, times: 10_000 });
    const { alert, incident } = await openThere('Status unknown');
    await expect.poll(async () => (await incident()).externalId, { timeout: 10_000 }).toBe(alert.id);
    world.opsgenie.person.acknowledge(alert.id, 'ada@example.com');
    await settle();
    expect(await incident()).toMatchObject({
      assignedTo: 'ada@example.com',
      alerts: [{ status: 'acknowledged' }],
    });
    world.opsgenie.clearFaults();
    expect(opened('Status unknown')).toBe(1);
  });

  it('where the request status stays silent an acknowledgement there is shown at once', async () => {
    const status = { method: 'GET', path: '/v2/alerts/requests/', effect: 'status', status: 404 } as const;
    world.opsgenie.fault({ ...status, times: 10_000 });
    const { alert, incident } = await openThere('Acked at once');
    world.opsgenie.person.acknowledge(alert.id, 'ada@example.com');
    await expect
      .poll(async () => (await incident()).alerts[0]?.status, { timeout: 10_000 })
      .toBe('acknowledged');
    world.opsgenie.clearFaults();
    await settle();
    const after = await incident();
    expect(after).toMatchObject({ externalId: alert.id, assignedTo: 'ada@example.com' });
    expect(rowsOf(after, 'sync').filter((row) => 'opened' in row.details)).toHaveLength(1);
  });

  it('what cannot be read at once is read later', async () => {
    const incident = await fire('Read later');
    world.opsgenie.fault({ method: 'GET', path: `/v2/alerts/${incident.externalId}`, effect: 'html' });
    world.opsgenie.fault({
      method: 'GET',
      path: `/v2/alerts/${incident.externalId}`,
      effect: 'status',
      status: 500,
    });
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    await settle();
    expect((await incidentOf(incident.id)).alerts).toMatchObject([{ status: 'acknowledged' }]);
  });
});
