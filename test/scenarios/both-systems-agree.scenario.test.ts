import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { opsgenieWebhookSecret, startWorld, type World } from '../support/world.ts';

type Incident = {
  id: string;
  status: string;
  severity: string;
  assignedTo: string | null;
  externalId: string;
  externalUrl: string | null;
  actions: { action: string; userId: string; source: string; details: Record<string, unknown> }[];
  alerts: { id: string; status: string; severity: string }[];
};

/** How a world is spoken to in these stories. */
function voice(of: () => World) {
  const incidentOf = async (id: string): Promise<Incident> =>
    (await of().call('GET', `/api/v1/incidents/${id}`)).body;
  async function settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await of().opsgenie.drain();
      await of().drain();
    }
  }
  return {
    incidentOf,
    settle,
    fire: async (title: string, severity = 'P1'): Promise<Incident> => {
      const answer = await of().call('POST', '/api/v1/alerts', { title, severity, dedupKey: title });
      await settle();
      const alert = (await of().call('GET', `/api/v1/alerts/${answer.body.results[0].id}`)).body;
      return incidentOf(alert.incidentId);
    },
    /** Compares all that is due. */
    compare: async (): Promise<void> => {
      await of().advance(301_000);
      await settle();
    },
    deaf: (): void => {
      of().opsgenie.deliverTo('http://127.0.0.1:9/', {});
    },
    hearing: (): void => {
      of().opsgenie.deliverTo(`${of().url}/api/v1/webhooks/opsgenie`, {
        'X-GoMon-Webhook-Secret': opsgenieWebhookSecret,
      });
    },
    writes: () =>
      of()
        .opsgenie.calls()
        .filter((call) => call.method !== 'GET'),
    repairs: (incident: Incident) =>
      incident.actions
        .filter((entry) => entry.action === 'sync' && 'repaired' in entry.details)
        .map((entry) => entry.details['repaired']),
  };
}

describe('without any webhook, the comparison', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ opsgenieStatusAsks: 0 });
  });
  afterAll(() => world.stop());
  const { fire, incidentOf, compare, deaf, hearing, settle, writes, repairs } = voice(() => world);
  const there = (incident: Incident) =>
    world.opsgenie.alerts().find((alert) => alert.id === incident.externalId);
  beforeEach(() => deaf());

  it('brings in what people did there, with an audit row for the repair, and says nothing back', async () => {
    const incident = await fire('Unheard');
    const before = writes().length;
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    world.opsgenie.person.updatePriority(incident.externalId, 'P3', 'ada@example.com');
    await compare();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({
      severity: 'P2',
      assignedTo: 'ada@example.com',
      alerts: [{ status: 'acknowledged' }],
    });
    expect(repairs(after)).toEqual([{ here: ['acknowledged', 'assigned', 'severity P2'], there: [] }]);
    world.opsgenie.person.unacknowledge(incident.externalId, 'bob@example.com');
    await compare();
    const back = await incidentOf(incident.id);
    expect(back.alerts).toMatchObject([{ status: 'firing' }]);
    // Whoever acknowledges there is in charge; who took it back nobody said, and it was no rule of Opsgenie's.
    const who = (action: string) =>
      back.actions.filter((entry) => entry.action === action).map((entry) => entry.userId);
    expect(who('acknowledge')).toEqual(['opsgenie:ada@example.com']);
    expect(who('unacknowledge')).toEqual(['opsgenie:unknown']);
    expect(who('update')).toEqual(['opsgenie:unknown']);
    world.opsgenie.person.close(incident.externalId, 'ada@example.com');
    await compare();
    const closed = await incidentOf(incident.id);
    expect(closed).toMatchObject({ status: 'resolved', alerts: [{ status: 'resolved' }] });
    expect(repairs(closed)).toHaveLength(3);
    expect(writes()).toHaveLength(before);
    // Agreed: nothing more is read or repaired.
    const calls = world.opsgenie.calls().length;
    await compare();
    expect(
      world.opsgenie
        .calls()
        .slice(calls)
        .filter((call) => call.path.includes(incident.externalId)),
    ).toEqual([]);
  });

  it('brings in notes once, whether a webhook told of them before or tells of them after, and none of ours', async () => {
    const incident = await fire('Noted silently');
    const notes = async () =>
      (await incidentOf(incident.id)).actions
        .filter((entry) => entry.action === 'note')
        .map((entry) => [entry.userId, entry.source, entry.details['text']]);
    await world.call('POST', `/api/v1/incidents/${incident.id}/notes`, { text: 'from here' });
    await settle();
    hearing();
    world.opsgenie.person.addNote(incident.externalId, 'heard', 'ada@example.com');
    await settle();
    deaf();
    world.opsgenie.person.addNote(incident.externalId, 'unheard', 'ada@example.com');
    world.opsgenie.person.addNote(incident.externalId, 'from here', 'bob@example.com');
    // The list has the time of the note, a webhook that of the change.
    for (const note of there(incident)?.notes ?? [])
      note.createdAt = new Date(Date.parse(note.createdAt) - 700).toISOString();
    const before = writes().length;
    await compare();
    await compare();
    const all = [
      ['token:admin', 'api', 'from here'],
      ['opsgenie:ada@example.com', 'webhook', 'heard'],
      ['opsgenie:ada@example.com', 'system', 'unheard'],
      ['opsgenie:bob@example.com', 'system', 'from here'],
    ];
    expect(await notes()).toEqual(all);
    const card = world.slack.messages('#alert-critical').find((one) => one.text.includes('Noted silently'));
    expect(JSON.stringify(card?.blocks)).toContain('from here');
    // The webhook of the other comes at last.
    const late = world.opsgenie.deliveries().find((one) => one.body.includes('unheard'));
    await world.call('POST', '/api/v1/webhooks/opsgenie', late?.body, {
      'X-GoMon-Webhook-Secret': opsgenieWebhookSecret,
    });
    await settle();
    expect(await notes()).toEqual(all);
    expect(writes()).toHaveLength(before);
  });

  it('says again what the provider lost, and agrees then', async () => {
    const incident = await fire('Lost there');
    const alertId = incident.alerts[0]?.id ?? '';
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await world.call('PUT', `/api/v1/incidents/${incident.id}/assign`, { assignedTo: 'jonas@example.com' });
    await settle();
    // Refused for good: nobody there knows of the end.
    world.opsgenie.fault({ method: 'POST', path: /close$/, effect: 'status', status: 422 });
    await world.call('PUT', `/api/v1/incidents/${incident.id}/status`, { status: 'resolved' });
    await settle();
    expect(there(incident)?.status).toBe('open');
    await compare();
    // It was refused minutes ago: not yet.
    expect(there(incident)?.status).toBe('open');
    await world.advance(3_600_000);
    await settle();
    expect(there(incident)?.status).toBe('closed');
    expect(repairs(await incidentOf(incident.id))).toEqual([{ here: [], there: ['close'] }]);
  });

  it('brings back a link that is missing or leads elsewhere', async () => {
    const incident = await fire('Without a link');
    for (const url of [null, 'https://old.app.opsgenie.com/alert/detail/1/details']) {
      await world.rows('UPDATE incidents SET external_url = $2 WHERE id = $1', [incident.id, url]);
      await compare();
      expect((await incidentOf(incident.id)).externalUrl).toBe(incident.externalUrl);
    }
    expect(repairs(await incidentOf(incident.id))).toEqual([]);
  });

  it('does not read what was just opened, and reads each incident once in its time', async () => {
    const incident = await fire('Once in its time');
    const reads = () =>
      world.opsgenie
        .calls()
        .filter((call) => call.method === 'GET' && call.path === `/v2/alerts/${incident.externalId}`).length;
    await world.advance(0);
    expect(reads()).toBe(0);
    await compare();
    expect(reads()).toBe(1);
    await world.advance(10_000);
    await world.advance(10_000);
    expect(reads()).toBe(1);
  });

  it('stops at 429, for as long as the vendor says and for every call, and goes on after', async () => {
    const one = await fire('Paused one');
    const two = await fire('Paused two');
    world.opsgenie.person.acknowledge(one.externalId, 'ada@example.com');
    world.opsgenie.person.acknowledge(two.externalId, 'ada@example.com');
    world.opsgenie.fault({ effect: 'rate-limit', periodInSec: 120 });
    await world.advance(301_000);
    const calls = world.opsgenie.calls().length;
    expect(world.opsgenie.calls().at(-1)?.status).toBe(429);
    await world.call('PUT', `/api/v1/incidents/${one.id}/assign`, { assignedTo: 'jonas@example.com' });
    await world.advance(60_000);
    await expect
      .poll(
        async () =>
          (await world.rows(`SELECT 1 FROM graphile_worker._private_jobs WHERE run_at <= now()`)).length,
      )
      .toBe(0);
    expect(world.opsgenie.calls()).toHaveLength(calls);
    await world.advance(61_000);
    await settle();
    await compare();
    expect(await incidentOf(one.id)).toMatchObject({ alerts: [{ status: 'acknowledged' }] });
    expect(await incidentOf(two.id)).toMatchObject({
      assignedTo: 'ada@example.com',
      alerts: [{ status: 'acknowledged' }],
    });
    expect(there(one)?.owner).toBe((await incidentOf(one.id)).assignedTo);
  });
});

describe('in the Incident API', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      opsgenieStatusAsks: 0,
      settings: {
        opsgenie: { mode: 'incident' },
        incidents: { assignment: [{ responders: [{ type: 'team', name: 'Platform' }] }] },
      },
    });
  });
  afterAll(() => world.stop());
  const { fire, incidentOf, compare, settle, writes, repairs, hearing } = voice(() => world);
  const ownerAlert = (incident: Incident) =>
    world.opsgenie.alerts().find((alert) => alert.details['incident-id'] === incident.externalId);
  const thereIs = (title: string) =>
    world.opsgenie.incidents().filter((incident) => incident.message.includes(title));

  it('the alert that pages is heard: acknowledge, assign, note, and an escalation that names only its id', async () => {
    const incident = await fire('Paged');
    const owner = ownerAlert(incident);
    const before = writes().length;
    world.opsgenie.person.acknowledge(owner?.id ?? '', 'ada@example.com');
    world.opsgenie.person.addNote(owner?.id ?? '', 'on it', 'ada@example.com');
    await settle();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ assignedTo: 'ada@example.com', alerts: [{ status: 'acknowledged' }] });
    expect(after.actions.filter((entry) => entry.action === 'note')).toMatchObject([
      { userId: 'opsgenie:ada@example.com', details: { text: 'on it' } },
    ]);
    world.opsgenie.person.escalate(owner?.id ?? '', 'Platform', 'System');
    await settle();
    expect((await incidentOf(incident.id)).alerts).toMatchObject([{ status: 'escalated' }]);
    expect(writes()).toHaveLength(before);
  });

  it('closing the alert that pages does not close the incident; resolving the incident does', async () => {
    const incident = await fire('Only paged');
    const before = writes().length;
    world.opsgenie.person.close(ownerAlert(incident)?.id ?? '', 'ada@example.com');
    await settle();
    expect(await incidentOf(incident.id)).toMatchObject({ status: 'open', alerts: [{ status: 'firing' }] });
    // No webhook tells of an incident itself.
    world.opsgenie.person.resolve(incident.externalId, 'ada@example.com');
    await compare();
    expect(await incidentOf(incident.id)).toMatchObject({
      status: 'resolved',
      alerts: [{ status: 'resolved' }],
    });
    expect(writes()).toHaveLength(before);
  });

  it('a note on the incident itself, of which no webhook tells, is brought in; ours are not', async () => {
    const incident = await fire('Noted on it');
    await world.call('POST', `/api/v1/incidents/${incident.id}/notes`, { text: 'from here' });
    world.opsgenie.person.addNote(incident.externalId, 'on the incident', 'ada@example.com');
    world.opsgenie.person.addNote(ownerAlert(incident)?.id ?? '', 'on the alert', 'ada@example.com');
    await settle();
    await compare();
    await world.call('PUT', `/api/v1/incidents/${incident.id}/status`, { status: 'resolved' });
    await settle();
    expect(thereIs('Noted on it')[0]?.notes.map((note) => note.note)).toEqual(
      expect.arrayContaining(['token:admin: from here', 'on the incident', 'by token:admin']),
    );
    // Compared once more.
    await world.rows('UPDATE incidents SET confirmed_state = NULL WHERE id = $1', [incident.id]);
    await compare();
    const notes = (await incidentOf(incident.id)).actions.filter((entry) => entry.action === 'note');
    expect(notes.map((entry) => entry.details['text'])).toEqual([
      'from here',
      'on the alert',
      'on the incident',
    ]);
  });

  it('one that a person opens again there is resolved there again, though nothing else is open', async () => {
    const incident = await fire('Opened again');
    const { items } = (await world.call('GET', '/api/v1/incidents?status=open,assigned')).body;
    for (const { id } of items)
      await world.call('PUT', `/api/v1/incidents/${id}/status`, { status: 'resolved' });
    await settle();
    expect(thereIs('Opened again')).toMatchObject([{ status: 'resolved' }]);
    await compare();
    world.opsgenie.person.reopen(incident.externalId, 'ada@example.com');
    world.opsgenie.indexNow();
    const before = writes().length;
    await compare();
    expect(thereIs('Opened again')).toMatchObject([{ status: 'resolved' }]);
    expect(await incidentOf(incident.id)).toMatchObject({ status: 'resolved' });
    expect(writes()).toHaveLength(before + 1);
    await compare();
    expect(writes()).toHaveLength(before + 1);
  });

  it('is heard although the webhook leaves the details out', async () => {
    world.opsgenie.deliverTo(
      `${world.url}/api/v1/webhooks/opsgenie`,
      { 'X-GoMon-Webhook-Secret': opsgenieWebhookSecret },
      { withDetails: false, asForm: true },
    );
    const incident = await fire('Without details');
    world.opsgenie.person.acknowledge(ownerAlert(incident)?.id ?? '', 'ada@example.com');
    await settle();
    expect((await incidentOf(incident.id)).alerts).toMatchObject([{ status: 'acknowledged' }]);
    hearing();
  });

  it('of two with one mark the older is kept, and the other is closed with a note', async () => {
    const incident = await fire('Twice');
    const [first] = thereIs('Twice');
    const body = {
      message: 'Twice',
      tags: first?.tags,
      details: first?.details,
      priority: 'P2',
    };
    const create = () =>
      fetch(`${world.opsgenie.url}/v1/incidents/create`, {
        method: 'POST',
        headers: { authorization: `GenieKey ${world.opsgenie.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await create()).status).toBe(202);
    world.opsgenie.indexNow();
    await compare();
    const [kept, closed] = thereIs('Twice');
    expect(kept).toMatchObject({ id: incident.externalId, status: 'open' });
    expect(closed?.status).toBe('resolved');
    expect(closed?.notes.map((note) => note.note).join('\n')).toContain(incident.externalId);
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({ status: 'open', externalId: incident.externalId });
    expect(repairs(after)).toEqual([{ kept: kept?.id, closed: [closed?.id] }]);
    const said = writes().length;
    await compare();
    expect(writes()).toHaveLength(said);
  });

  it('of two with one mark the one that people work on here is the younger: the older takes over all of it', async () => {
    const incident = await fire('Younger one');
    const [younger] = thereIs('Younger one');
    const alertId = incident.alerts[0]?.id ?? '';
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await world.call('PUT', `/api/v1/incidents/${incident.id}/assign`, { assignedTo: 'bob@example.com' });
    await world.call('PUT', `/api/v1/alerts/${alertId}/escalate`, { severity: 'P0' });
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await settle();
    expect(await incidentOf(incident.id)).toMatchObject({ assignedTo: 'bob@example.com', severity: 'P0' });
    const { tags, details, responders } = younger ?? {};
    const created = await fetch(`${world.opsgenie.url}/v1/incidents/create`, {
      method: 'POST',
      headers: { authorization: `GenieKey ${world.opsgenie.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'Younger one', tags, details, responders, priority: 'P2' }),
    });
    expect(created.status).toBe(202);
    const older = thereIs('Younger one').find((one) => one.id !== younger?.id);
    if (older !== undefined) older.createdAtMs = (younger?.createdAtMs ?? 0) - 1_000;
    world.opsgenie.indexNow();
    const rows = (await incidentOf(incident.id)).actions.length;
    await compare();
    const after = await incidentOf(incident.id);
    expect(after).toMatchObject({
      externalId: older?.id,
      externalUrl: `${world.opsgenie.url}/incident/detail/${older?.id}`,
      status: 'assigned',
      assignedTo: 'bob@example.com',
      severity: 'P0',
      alerts: [{ status: 'acknowledged' }],
    });
    expect(thereIs('Younger one').map((one) => [one.id, one.status, one.priority])).toEqual([
      [younger?.id, 'resolved', 'P1'],
      [older?.id, 'open', 'P1'],
    ]);
    expect(ownerAlert(after)).toMatchObject({ acknowledged: true, owner: 'bob@example.com' });
    // Nobody there did anything.
    expect(after.actions.slice(rows).map((entry) => [entry.action, entry.userId])).toEqual(
      Array.from({ length: 3 }, () => ['sync', 'system']),
    );
  });

  it('is not opened again while a search may not find it yet', async () => {
    world.opsgenie.fault({ method: 'POST', path: '/v1/incidents/create', effect: 'reset', applied: true });
    // The index needs longer than any of the first looks.
    const answer = await world.call('POST', '/api/v1/alerts', {
      title: 'Slow index',
      severity: 'P1',
      dedupKey: 'Slow index',
    });
    const hidden = await world.opsgenie.waitFor(() => thereIs('Slow index')[0]);
    hidden.unseenSearches = 4;
    const idOf = async () => {
      const { incidentId } = (await world.call('GET', `/api/v1/alerts/${answer.body.results[0].id}`)).body;
      return incidentId === null ? null : (await incidentOf(incidentId)).externalId;
    };
    for (let step = 0; step < 20 && (await idOf()) === null; step += 1) {
      await world.advance(10_000);
      await expect
        .poll(
          async () =>
            (
              await world.rows(
                `SELECT 1 FROM graphile_worker._private_jobs WHERE run_at <= now() OR locked_by IS NOT NULL`,
              )
            ).length,
          { timeout: 15_000 },
        )
        .toBe(0);
    }
    expect(thereIs('Slow index')).toHaveLength(1);
    expect(await idOf()).toBe(hidden.id);
  });
});

describe('two processes', () => {
  it('hear and compare like one', async () => {
    const world = await startWorld({ opsgenieStatusAsks: 0 });
    const second = await world.another();
    const { fire, incidentOf, compare, settle, writes } = voice(() => world);
    try {
      const incident = await fire('Shared');
      const before = writes().length;
      world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
      world.opsgenie.person.addNote(incident.externalId, 'on it', 'ada@example.com');
      await settle();
      const reads = () =>
        world.opsgenie
          .calls()
          .filter((call) => call.method === 'GET' && call.path === `/v2/alerts/${incident.externalId}`)
          .length;
      const heard = reads();
      await Promise.all([compare(), second.tick()]);
      await settle();
      expect(reads() - heard).toBe(1);
      const after = await incidentOf(incident.id);
      const done = after.actions.filter((entry) => entry.source === 'webhook').map((entry) => entry.action);
      expect(done.toSorted()).toEqual(['acknowledge', 'assign', 'note']);
      expect(writes()).toHaveLength(before);
    } finally {
      await second.stop();
      await world.stop();
    }
  });
});

it('an incident that was opened in another mode is never spoken to in this one', async () => {
  const world = await startWorld({ opsgenieStatusAsks: 0 });
  const { fire, incidentOf, settle } = voice(() => world);
  try {
    const incident = await fire('Other mode');
    await world.rows(`UPDATE incidents SET external_kind = 'incident' WHERE id = $1`, [incident.id]);
    const calls = world.opsgenie.calls().length;
    await world.call('POST', `/api/v1/incidents/${incident.id}/notes`, { text: 'hello' });
    world.opsgenie.person.acknowledge(incident.externalId, 'ada@example.com');
    await settle();
    await world.advance(301_000);
    await settle();
    expect(world.opsgenie.calls()).toHaveLength(calls);
    const failed = (await incidentOf(incident.id)).actions.filter((entry) => 'failed' in entry.details);
    expect(failed).toMatchObject([
      { details: { failed: 'add-note', reason: expect.stringContaining('mode') } },
    ]);
  } finally {
    await world.stop();
  }
});

it('what was wished for while there was no job for it is said at the next start', async () => {
  const world = await startWorld({ opsgenieStatusAsks: 0 });
  const { fire, settle } = voice(() => world);
  try {
    const incident = await fire('Left over');
    await world.rows(
      `INSERT INTO incident_commands (id, incident_id, kind, payload, requested_by, state, next_at, created_at, updated_at)
       VALUES (gen_random_uuid(), $1, 'add-note', '{"kind": "add-note", "text": "left over"}', 'ann', 'pending', now(), now(), now())`,
      [incident.id],
    );
    await world.restart();
    await settle();
    expect(world.opsgenie.alerts()[0]?.notes.map((note) => note.note)).toEqual(['left over']);
  } finally {
    await world.stop();
  }
});
