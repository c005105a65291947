import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** Everything that was accepted can be accounted for, and what people did is measured. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

const send = (title: string, more: Record<string, unknown> = {}) =>
  world.call('POST', '/api/v1/alerts', { title, severity: 'P3', dedupKey: title, ...more });
const ledger = async (query = '') => (await world.call('GET', `/api/v1/ledger${query}`)).body;

describe('GET /api/v1/ledger', () => {
  it('accounts for what was told, suppressed, failed and still waits', async () => {
    await send('Told');
    await send('Told', { status: 'resolved' });
    await world.drain();
    await send('Told', { startsAt: new Date(Date.now() + 1).toISOString() });
    await send('Silent', { severity: 'none' });
    await world.drain();
    world.slack.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 600 });
    await send('Waits');
    await world.slack.waitFor(() =>
      world.slack.calls('chat.postMessage').some((one) => JSON.stringify(one.args).includes('Waits')),
    );
    const mixed = await world.call('POST', '/api/v1/alerts', [
      { title: 'Kept', severity: 'P1', dedupKey: 'Kept' },
      { title: '' },
    ]);
    expect(mixed.status).toBe(200);
    await expect.poll(async () => (await ledger()).delivered).toBe(3);
    expect(await ledger()).toMatchObject({
      holds: true,
      accepted: 5,
      delivered: 3,
      suppressed: 1,
      suppressedBy: { 'severity-none': 1 },
      pending: 1,
      pendingBy: { send: 1 },
      failed: 0,
      unaccounted: 0,
      unaccountedAlertIds: [],
      canary: 0,
      entries: {
        requests: 6,
        received: 7,
        created: 4,
        updated: 1,
        resolved: 1,
        rejected: 1,
        createdByAudit: 4,
      },
    });
    await world.advance(601_000);
    await world.drain();
    expect(await ledger()).toMatchObject({ holds: true, accepted: 5, delivered: 4, pending: 0 });
  });

  it('finds what was lost', async () => {
    const alert = await world.alert('q=Kept');
    await world.rows('DELETE FROM notifications WHERE alert_id = $1', [alert.id]);
    expect(await ledger()).toMatchObject({ holds: false, unaccounted: 1, unaccountedAlertIds: [alert.id] });
    // As the handbook says.
    await world.call('PUT', `/api/v1/alerts/${alert.id}/acknowledge`);
    await world.drain();
    expect(await ledger()).toMatchObject({ holds: true, unaccounted: 0 });
  });

  it('is for viewers, and says what it does not understand', async () => {
    const as = async (role: 'viewer' | 'source', query = '') =>
      world.call('GET', `/api/v1/ledger${query}`, undefined, await world.tokenFor(role));
    expect((await as('viewer')).status).toBe(200);
    expect((await as('source')).status).toBe(403);
    for (const [query, words] of [
      ['?from=yesterday', 'ISO 8601'],
      ['?from=2026-11-20', 'ISO 8601'],
      ['?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'before to'],
      ['?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z', 'at most 31'],
      ['?since=2026-01-01T00:00:00Z', 'since'],
    ] as const) {
      const answer = await as('viewer', query);
      expect(answer.status, query).toBe(400);
      expect(answer.text).toContain(words);
      expect(answer.headers.get('content-type')).toContain('problem+json');
    }
  });

  it('is described', async () => {
    const { paths } = (await world.call('GET', '/api/v1/openapi.json')).body;
    expect(Object.keys(paths['/api/v1/ledger'].get.responses)).toContain('200');
  });
});

describe('the business metrics', () => {
  const value = async (line: string): Promise<number> => {
    const { text } = await world.call('GET', '/metrics');
    const found = text.split('\n').find((one) => one.startsWith(`${line} `));
    return Number(found?.split(' ').at(-1) ?? 0);
  };

  it('count who opened incidents, and how long people took, by severity', async () => {
    // "Kept" is a P1 and was acknowledged above; here one is opened by hand.
    const id = (await send('By hand')).body.results[0].id;
    expect((await world.call('POST', '/api/v1/incidents', { alertId: id })).status).toBe(201);
    await send('By hand', { status: 'resolved' });
    await world.drain();
    expect(await value('gomon_incidents_opened_total{cause="auto"}')).toBe(1);
    expect(await value('gomon_incidents_opened_total{cause="api"}')).toBe(1);
    expect(await value('gomon_time_to_acknowledge_seconds_count{severity="P1"}')).toBe(1);
    expect(await value('gomon_time_to_resolve_seconds_count{severity="P3"}')).toBe(2);
  });

  it('count what is done to incidents, once each', async () => {
    const { items } = (await world.call('GET', '/api/v1/incidents?status=open')).body;
    const path = `/api/v1/incidents/${items[0].id}`;
    const assign = () => world.call('PUT', `${path}/assign`, { assignedTo: 'ana@example.com' });
    expect([(await assign()).status, (await assign()).status]).toEqual([200, 200]);
    await world.call('POST', `${path}/notes`, { text: 'Rolled back.' });
    expect(await value('gomon_actions_total{action="incident_assign",door="api"}')).toBe(1);
    expect(await value('gomon_actions_total{action="incident_note",door="api"}')).toBe(1);
    expect(world.log()).toContain('"event":"incident.acted"');
  });

  it('say what runs, and that the database is there', async () => {
    const { text } = await world.call('GET', '/metrics');
    expect(text).toMatch(/^gomon_build_info\{version="[^"]+",node="v\d+[^"]*"\} 1$/m);
    expect(text).toMatch(/^gomon_database_up 1$/m);
    for (const name of ['gomon_notifications_oldest_seconds', 'gomon_incident_commands_pending'])
      expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });
});
