import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

async function fire(title: string, severity: string, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title, ...more });
  expect(answer.status).toBe(201);
  await world.drain();
  return answer.body.results[0].id;
}

const get = async (id: string) => (await world.call('GET', `/api/v1/alerts/${id}`)).body;

/** Does it and waits until everything that follows is done. */
async function act(method: string, path: string, body?: unknown) {
  const answer = await world.call(method, path, body);
  await world.drain();
  return answer;
}

async function audited(id: string): Promise<string[]> {
  return (await get(id)).actions.map((one: { action: string }) => one.action);
}

const slackCalls = () => world.slack.calls().length;
const messages = (title: string, channel: string) =>
  world.slack.messages(channel).filter((message) => message.text.includes(title));

/** The second time nothing is written and nothing is sent, and the answer is the same. */
async function changesNothing(id: string, method: string, path: string, body?: unknown): Promise<void> {
  const before = { alert: await get(id), calls: slackCalls(), opsgenie: world.opsgenie.calls().length };
  const answer = await act(method, path, body);
  expect(answer.status).toBe(200);
  expect({ alert: await get(id), calls: slackCalls(), opsgenie: world.opsgenie.calls().length }).toEqual(
    before,
  );
}

describe('what people do over REST', () => {
  it('acknowledges once', async () => {
    const id = await fire('To acknowledge', 'P3');
    const answer = await act('PUT', `/api/v1/alerts/${id}/acknowledge`, { note: 'on it' });
    expect(answer).toMatchObject({
      status: 200,
      body: { id, status: 'acknowledged', acknowledgedBy: 'token:admin' },
    });
    expect(answer.body.acknowledgedAt).not.toBeNull();
    expect(messages('To acknowledge', '#k8s-healthchecks')[0]?.text).toMatch(/acknowledged/i);
    const { actions } = await get(id);
    expect(actions.at(-1)).toMatchObject({
      action: 'acknowledge',
      userId: 'token:admin',
      source: 'api',
      details: { note: 'on it', from: 'firing', to: 'acknowledged' },
    });
    await changesNothing(id, 'PUT', `/api/v1/alerts/${id}/acknowledge`);
  });

  it('escalates one level by default, which is told in the graver channel too and opens an incident', async () => {
    const id = await fire('To escalate', 'P2');
    expect(messages('To escalate', '#alert-critical')).toEqual([]);
    const answer = await act('PUT', `/api/v1/alerts/${id}/escalate`, {});
    expect(answer).toMatchObject({ status: 200, body: { status: 'escalated', severity: 'P1' } });
    const alert = await get(id);
    expect(alert.incidentId).not.toBeNull();
    expect(messages('To escalate', '#alert-critical')).toHaveLength(1);
    expect(messages('To escalate', '#k8s-healthchecks')).toHaveLength(1);
    expect(messages('To escalate', '#k8s-healthchecks')[0]?.text).toContain('P1');
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('To escalate'))).toMatchObject([
      { priority: 'P2', status: 'open' },
    ]);
    // Both end with it.
    await act('DELETE', `/api/v1/alerts/${id}`);
    for (const channel of ['#alert-critical', '#k8s-healthchecks']) {
      expect(messages('To escalate', channel)).toHaveLength(1);
      expect(messages('To escalate', channel)[0]?.text).toMatch(/resolved/i);
    }
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('To escalate'))).toMatchObject([
      { status: 'closed' },
    ]);
  });

  it('escalates to a wished severity, never downwards', async () => {
    const id = await fire('Straight up', 'P4');
    expect(
      await act('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P2', note: 'customers see it' }),
    ).toMatchObject({ status: 200, body: { severity: 'P2', status: 'escalated' } });
    await changesNothing(id, 'PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P2' });
    const down = await act('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P4' });
    expect(down).toMatchObject({
      status: 409,
      body: { status: 409, detail: expect.stringContaining('cannot lower') },
    });
    expect((await get(id)).severity).toBe('P2');
    expect((await act('PUT', `/api/v1/alerts/${id}/acknowledge`)).body.status).toBe('acknowledged');
    expect(await audited(id)).toEqual(['create', 'escalate', 'acknowledge']);
  });

  it('assigns and notes, and shows both on the message', async () => {
    const id = await fire('To assign', 'P3');
    expect(
      (await act('PUT', `/api/v1/alerts/${id}/assign`, { assignedTo: 'ana@example.com' })).body.assignedTo,
    ).toBe('ana@example.com');
    await changesNothing(id, 'PUT', `/api/v1/alerts/${id}/assign`, { assignedTo: 'ana@example.com' });
    const noted = await act('POST', `/api/v1/alerts/${id}/notes`, { text: 'the disk of node-7 is slow' });
    expect(noted.status).toBe(200);
    const shown = JSON.stringify(messages('To assign', '#k8s-healthchecks')[0]?.blocks);
    expect(shown).toContain('ana@example.com');
    expect(shown).toContain('the disk of node-7 is slow');
    expect((await get(id)).actions.at(-1)).toMatchObject({
      action: 'note',
      details: { text: 'the disk of node-7 is slow' },
    });
    expect(messages('To assign', '#k8s-healthchecks')).toHaveLength(1);
  });

  it('resolves and archives with DELETE; it is still found, and nothing more can be done to it', async () => {
    const id = await fire('To delete', 'P3');
    const answer = await act('DELETE', `/api/v1/alerts/${id}`);
    expect(answer).toMatchObject({ status: 200, body: { id, status: 'archived' } });
    expect(answer.body.archivedAt).not.toBeNull();
    expect(answer.body.resolvedAt).not.toBeNull();
    expect(await get(id)).toMatchObject({ id, status: 'archived' });
    expect(await audited(id)).toEqual(['create', 'resolve', 'archive']);
    expect(messages('To delete', '#k8s-healthchecks')[0]?.text).toMatch(/resolved/i);
    await changesNothing(id, 'DELETE', `/api/v1/alerts/${id}`);

    const active = await world.call('GET', '/api/v1/alerts?q=to%20delete');
    expect(active.body.items).toEqual([]);
    expect((await world.call('GET', '/api/v1/alerts?q=to%20delete&status=archived')).body.items).toHaveLength(
      1,
    );
    for (const [method, path, body] of [
      ['PUT', 'acknowledge', undefined],
      ['PUT', 'escalate', {}],
      ['PUT', 'assign', { assignedTo: 'x' }],
      ['POST', 'notes', { text: 'x' }],
    ] as const) {
      const refused = await act(method, `/api/v1/alerts/${id}/${path}`, body);
      expect(refused.status, path).toBe(409);
      expect(refused.body.detail).toContain('archived');
    }
    expect(await audited(id)).toEqual(['create', 'resolve', 'archive']);
    // The same trouble later is an alert of its own.
    const later = await fire('To delete', 'P3');
    expect(later).not.toBe(id);
    expect(messages('To delete', '#k8s-healthchecks')).toHaveLength(2);
  });

  it('refuses with the reason what the lifecycle forbids', async () => {
    const id = await fire('Resolved one', 'P3');
    await world.call('POST', '/api/v1/alerts', {
      title: 'Resolved one',
      dedupKey: 'Resolved one',
      status: 'resolved',
    });
    await world.drain();
    const before = await get(id);
    for (const [path, body] of [
      ['acknowledge', undefined],
      ['escalate', undefined],
      ['assign', { assignedTo: 'x' }],
    ] as const) {
      const refused = await act('PUT', `/api/v1/alerts/${id}/${path}`, body);
      expect(refused).toMatchObject({
        status: 409,
        body: { title: 'Conflict', detail: expect.stringContaining('resolved') },
      });
      expect(refused.headers.get('content-type')).toContain('application/problem+json');
    }
    expect(await get(id)).toEqual(before);
    // A note is welcome after the fact.
    expect((await act('POST', `/api/v1/alerts/${id}/notes`, { text: 'it was the cable' })).status).toBe(200);
  });

  it('answers 404 for what is not there and 400 for what is no id or no body', async () => {
    const none = '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55';
    const id = await fire('Bad bodies', 'P4');
    const cases: [status: number, method: string, path: string, body?: unknown][] = [
      [404, 'GET', `/api/v1/alerts/${none}`],
      [404, 'PUT', `/api/v1/alerts/${none}/acknowledge`],
      [404, 'PUT', `/api/v1/alerts/${none}/escalate`],
      [404, 'PUT', `/api/v1/alerts/${none}/assign`, { assignedTo: 'x' }],
      [404, 'POST', `/api/v1/alerts/${none}/notes`, { text: 'x' }],
      [404, 'DELETE', `/api/v1/alerts/${none}`],
      [400, 'GET', '/api/v1/alerts/17'],
      [400, 'PUT', '/api/v1/alerts/x/acknowledge'],
      [400, 'DELETE', '/api/v1/alerts/x'],
      [400, 'PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P9' }],
      [400, 'PUT', `/api/v1/alerts/${id}/assign`, {}],
      [400, 'PUT', `/api/v1/alerts/${id}/assign`, { assignedTo: '' }],
      [400, 'POST', `/api/v1/alerts/${id}/notes`, { text: '   ' }],
      [400, 'POST', `/api/v1/alerts/${id}/notes`, '{"text":'],
      [400, 'PUT', `/api/v1/alerts/${id}/acknowledge`, { nota: 'x' }],
      [404, 'GET', '/api/v1/nothing'],
    ];
    for (const [status, method, path, body] of cases) {
      const answer = await world.call(method, path, body);
      expect(answer.status, `${method} ${path} ${JSON.stringify(body)}`).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    }
    expect(await audited(id)).toEqual(['create']);
  });

  it('does one thing once when many ask at the same time', async () => {
    const id = await fire('Crowd', 'P3');
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => world.call('PUT', `/api/v1/alerts/${id}/acknowledge`)),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 8 }, () => 200));
    await world.drain();
    expect(await audited(id)).toEqual(['create', 'acknowledge']);
  });
});

describe('why', () => {
  it('says for one alert why it has its severity, place, message and incident', async () => {
    const id = await fire('Explain me', 'critical', { namespace: 'shop' });
    const { decisions, actions } = await get(id);
    const stages = decisions.map((one: { stage: string }) => one.stage);
    for (const stage of [
      'parse',
      'dedup',
      'severity',
      'grouping',
      'suppression',
      'routing',
      'incident',
      'delivery',
    ])
      expect(stages, stage).toContain(stage);
    for (const one of decisions)
      expect(one).toMatchObject({
        outcome: expect.any(String),
        reason: expect.any(String),
        at: expect.any(String),
      });
    const of = (stage: string) => decisions.find((one: { stage: string }) => one.stage === stage);
    expect(of('severity')).toMatchObject({ outcome: 'P1', reason: expect.stringContaining('critical') });
    expect(of('routing')).toMatchObject({ outcome: '#alert-critical' });
    expect(of('delivery').outcome).toBe('sent #alert-critical');
    const { deliveryId } = of('dedup');
    expect(await world.rows('SELECT id FROM deliveries WHERE id = $1', [deliveryId])).toHaveLength(1);
    expect(actions.map((one: { action: string }) => one.action)).toEqual(['create', 'create_incident']);
  });

  it('says why nobody was told', async () => {
    const id = await fire('Muted', 'none');
    const { decisions } = await get(id);
    expect(decisions.find((one: { stage: string }) => one.stage === 'suppression')).toMatchObject({
      outcome: 'severity-none',
    });
    expect(decisions.some((one: { stage: string }) => one.stage === 'delivery')).toBe(false);
    expect(messages('Muted', '#k8s-healthchecks')).toEqual([]);
  });
});

describe('what the contract names', () => {
  it('is there, field by field', async () => {
    const id = await fire('Every field', 'P1');
    const alert = await get(id);
    const fields =
      'id fingerprint correlationId source severity status title description namespace labels annotations incidentId traceId traceUrl occurrences role primaryId assignedTo startsAt lastSeenAt createdAt updatedAt acknowledgedAt resolvedAt archivedAt links actions decisions related';
    for (const field of fields.split(' ')) expect(alert, field).toHaveProperty(field);
    const incident = (await world.call('GET', `/api/v1/incidents/${alert.incidentId}`)).body;
    const incidentFields =
      'id title severity status assignedTo provider externalId externalUrl alertCount primaryAlertId createdAt updatedAt resolvedAt links alerts actions';
    for (const field of incidentFields.split(' ')) expect(incident, field).toHaveProperty(field);
    for (const one of [alert.id, alert.correlationId, incident.id, alert.actions[0].id]) {
      expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    for (const at of [alert.startsAt, alert.createdAt, incident.createdAt, alert.actions[0].createdAt]) {
      expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
    const links = [alert.links.self, alert.links.incident, incident.links.self, incident.links.alerts];
    for (const link of links) expect((await world.call('GET', link)).status, link).toBe(200);
  });

  it('relates the alerts of one incident', async () => {
    const one = await fire('Related one', 'P1');
    const other = await fire('Related other', 'P3');
    const { incidentId } = await get(one);
    await act('POST', '/api/v1/incidents', { alertId: other, incidentId });
    expect((await get(one)).related.map((each: { id: string }) => each.id)).toEqual([other]);
    expect((await get(other)).related.map((each: { id: string }) => each.id)).toEqual([one]);
  });
});

describe('the list', () => {
  const list = async (query: string) => {
    const answer = await world.call('GET', `/api/v1/alerts?${query}`);
    expect(answer.status, query).toBe(200);
    return answer.body;
  };
  const titles = async (query: string): Promise<string[]> =>
    (await list(query)).items.map((one: { title: string }) => one.title);

  beforeAll(async () => {
    for (const [i, severity] of ['P3', 'P0', 'P4', 'P2', 'P3', 'P2', 'P4'].entries()) {
      await world.call('POST', '/api/v1/alerts', {
        title: `List ${i} Straße 50%_done`,
        severity,
        namespace: i % 2 === 0 ? 'even' : 'odd',
        labels: { set: 'list', 'k8s.io/team': i < 3 ? 'red' : 'blue', environment: 'staging' },
      });
    }
    await world.drain();
  });

  it('filters by each field, commas meaning any of', async () => {
    const within = 'label.set=list';
    const first = (await list(`${within}&q=list%200`)).items[0];
    await world.call('PUT', `/api/v1/alerts/${first.id}/assign`, { assignedTo: 'jonas@example.com' });
    await world.call('PUT', `/api/v1/alerts/${first.id}/acknowledge`);
    const opened = await world.call('POST', '/api/v1/incidents', { alertId: first.id });
    await world.drain();
    expect(await titles(within)).toHaveLength(7);
    const one = [
      'status=acknowledged',
      'assignedTo=jonas@example.com',
      `incidentId=${opened.body.id}`,
      `correlationId=${first.correlationId}`,
    ];
    for (const query of one) expect(await titles(`${within}&${query}`), query).toEqual([first.title]);
    expect(await titles(`${within}&severity=P0`)).toHaveLength(1);
    expect(await titles(`${within}&severity=P0,P2`)).toHaveLength(3);
    expect(await titles(`${within}&status=firing,acknowledged`)).toHaveLength(7);
    expect(await titles(`${within}&namespace=even`)).toHaveLength(4);
    expect(await titles(`${within}&namespace=even,odd`)).toHaveLength(7);
    expect(await titles(`${within}&source=api`)).toHaveLength(7);
    expect(await titles(`${within}&source=grafana,alertmanager`)).toHaveLength(0);
    expect(await titles(`${within}&role=standalone`)).toHaveLength(7);
    expect(await titles(`${within}&role=primary`)).toHaveLength(0);
    expect(await titles(`${within}&label.k8s.io/team=red`)).toHaveLength(3);
    expect(await titles(`${within}&label.k8s.io%2Fteam=red,blue`)).toHaveLength(7);
    expect(await titles(`${within}&label.k8s.io/team=red&namespace=odd`)).toHaveLength(1);
    expect(await titles(`${within}&q=stra%C3%9Fe`)).toHaveLength(7);
    expect(await titles(`${within}&q=tra`)).toHaveLength(7);
    expect(await titles(`${within}&q=50%25_d`)).toHaveLength(7);
    expect(await titles(`${within}&q=5_%25`)).toHaveLength(0);
    expect(await titles(`${within}&q=LIST%203`)).toHaveLength(1);
    const now = world.clock.now().getTime();
    const at = (ms: number) => new Date(now + ms).toISOString();
    expect(await titles(`${within}&from=${at(-60_000)}&to=${at(60_000)}`)).toHaveLength(7);
    expect(await titles(`${within}&to=${first.createdAt}`)).toHaveLength(0);
    expect(await titles(`${within}&from=${first.createdAt}`)).toHaveLength(7);
  });

  it('sorts, and pages without losing or repeating one, to a last full page without a cursor', async () => {
    for (const sort of ['createdAt', 'updatedAt', 'severity']) {
      for (const order of ['asc', 'desc']) {
        const base = `label.set=list&sort=${sort}&order=${order}`;
        const all = (await list(base)).items;
        const keys: string[] = all.map((one: Record<string, string>) => one[sort]);
        expect(keys).toEqual(order === 'asc' ? keys.toSorted() : keys.toSorted().toReversed());
        const seen: string[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const page: { items: { id: string }[]; nextCursor: string | null } = await list(
            `${base}&limit=3${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
          );
          seen.push(...page.items.map((one) => one.id));
          cursor = page.nextCursor;
        }
        expect(seen).toEqual(all.map((one: { id: string }) => one.id));
      }
    }
    expect((await list('label.set=list&limit=7')).nextCursor).toBeNull();
    expect((await titles('label.set=list&sort=severity'))[0]).toContain('List 1');
    expect(await list('q=nothing-like-this')).toEqual({ items: [], nextCursor: null });
  });

  it('refuses what it does not understand', async () => {
    const wrong = [
      'limit=0',
      'limit=201',
      'limit=x',
      'status=open',
      'severity=P9',
      'severity=',
      'source=pagers',
      'from=yesterday',
      'sort=title',
      'order=up',
      'incidentId=1',
      'cursor=abc',
      'label.=x',
      'colour=red',
      '__proto__=x',
      'constructor=x',
      'role=boss',
      'q=',
    ];
    for (const query of wrong) {
      const answer = await world.call('GET', `/api/v1/alerts?${query}`);
      expect(answer.status, query).toBe(400);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body.detail.length).toBeGreaterThan(5);
    }
    const page = await list('label.set=list&limit=2&sort=severity');
    const other = await world.call(
      'GET',
      `/api/v1/alerts?limit=2&cursor=${encodeURIComponent(page.nextCursor)}`,
    );
    expect(other.status).toBe(400);
    const byTime = await list('label.set=list&limit=2');
    for (const query of ['sort=updatedAt', 'order=asc', 'sort=updatedAt&order=asc'])
      expect(
        (await world.call('GET', `/api/v1/alerts?limit=2&${query}&cursor=${byTime.nextCursor}`)).status,
        query,
      ).toBe(400);
  });

  it('takes no cursor of anybody else for one of its own', async () => {
    const id = '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55';
    for (const [path, order] of [
      ['/api/v1/alerts', 'alerts createdAt desc'],
      ['/api/v1/incidents', 'incidents createdAt desc'],
    ] as const) {
      for (const time of [
        '2026-02-30 00:00:00+00',
        '2026-13-45 00:00:00+00',
        '999999-01-01 00:00:00+00',
        '0000-01-01 00:00:00+00',
        '2026-01-01 00:00:00+99:99',
      ]) {
        const forged = Buffer.from(JSON.stringify([order, time, id])).toString('base64url');
        const answer = await world.call('GET', `${path}?cursor=${forged}`);
        expect(answer.status, `${path} ${time}`).toBe(400);
        expect(answer.body.detail).toContain('cursor');
      }
      const right = Buffer.from(JSON.stringify([order, '2026-01-01 00:00:00+00', id])).toString('base64url');
      expect((await world.call('GET', `${path}?cursor=${right}`)).status).toBe(200);
    }
  });
});

it('leaves nothing that Slack refused or took with a frown', () => {
  expect(world.slack.errors()).toEqual([]);
});
