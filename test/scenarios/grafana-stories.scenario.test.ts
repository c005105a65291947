import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  dataSourceAlert,
  grafanaAlert,
  type GrafanaAlertOptions,
  grafanaWebhook,
  legacyGrafana,
} from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

/**
 * What the senders really do: repeat, reorder, send twice, resolve late, fire
 * again. One world for all: every story has an alert name of its own.
 */
let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

async function send(alerts: ReturnType<typeof grafanaAlert>[]): Promise<Record<string, unknown>> {
  const answer = await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook(alerts));
  expect(answer.status).toBe(200);
  await world.drain();
  const { deliveryId: _deliveryId, ...counts } = answer.body;
  return counts;
}

const counts = (of: Record<string, unknown>) => ({
  received: 1,
  created: 0,
  updated: 0,
  resolved: 0,
  ignored: 0,
  rejected: [],
  ...of,
});

/** Messages whose text has the name, oldest first. */
const messages = (name: string, channel = '#k8s-healthchecks') =>
  world.slack.messages(channel).filter((message) => message.text.includes(name));
/** Every call that showed the name. */
const calls = (name: string) =>
  world.slack
    .calls()
    .filter((call) => ['chat.postMessage', 'chat.update'].includes(call.method))
    .filter((call) => JSON.stringify(call.args).includes(name)).length;

function story(name: string) {
  return (options: GrafanaAlertOptions = {}) =>
    grafanaAlert({ name, fingerprint: `f-${name.replaceAll(' ', '-')}`, severity: 'warning', ...options });
}
const minute = (offset: number): string => new Date(Date.now() + offset * 60_000).toISOString();

describe('one Grafana alert over time', () => {
  it('tells nothing new when its group is sent again, and shows the newest text with the next change', async () => {
    const alert = story('Repeat');
    expect(await send([alert()])).toEqual(counts({ created: 1 }));
    for (let i = 0; i < 3; i += 1) expect(await send([alert()])).toEqual(counts({ updated: 1 }));
    expect(calls('Repeat')).toBe(1);
    expect(await send([alert({ annotations: { description: 'p99 is 9.9 s' } })])).toEqual(
      counts({ updated: 1 }),
    );
    expect(calls('Repeat')).toBe(1);
    const stored = await world.alert('q=Repeat');
    expect(stored).toMatchObject({
      occurrences: 5,
      episode: 1,
      description: 'p99 is 9.9 s',
      status: 'firing',
    });
    expect(stored.actions.map((one: { action: string }) => one.action)).toEqual(['create']);
    await world.call('PUT', `/api/v1/alerts/${stored.id}/acknowledge`);
    await world.drain();
    expect(JSON.stringify(messages('Repeat')[0]?.blocks)).toContain('9.9 s');
    expect(calls('Repeat')).toBe(2);
  });

  it('reads the status of each alert, never that of the group', async () => {
    const one = story('Mixed one');
    const two = story('Mixed two');
    expect(await send([one(), two()])).toEqual(counts({ received: 2, created: 2 }));
    // The group still says firing: `grafanaWebhook` derives it as Grafana does.
    expect(await send([one({ status: 'resolved', endsAt: minute(0) }), two()])).toEqual(
      counts({ received: 2, updated: 1, resolved: 1 }),
    );
    expect(await world.alert('q=Mixed%20one')).toMatchObject({ status: 'resolved' });
    expect(await world.alert('q=Mixed%20two')).toMatchObject({ status: 'firing' });
    expect(messages('Mixed one')[0]?.text).toMatch(/resolved/i);
    expect(messages('Mixed two')[0]?.text).not.toMatch(/resolved/i);
  });

  it('says how many alerts Grafana left out: they never come', async () => {
    const body = { ...grafanaWebhook([story('Truncated')()]), truncatedAlerts: 7 };
    const answer = await world.call('POST', '/api/v1/webhooks/grafana', body);
    expect(answer).toMatchObject({ status: 200, body: { received: 1, created: 1, truncatedAlerts: 7 } });
    const delivery = await world.call('GET', `/api/v1/deliveries/${answer.body.deliveryId}`);
    expect(delivery.body.outcome).toMatchObject({ created: 1, truncatedAlerts: 7 });
    const { text } = await world.call('GET', '/metrics');
    expect(text).toContain('gomon_alerts_truncated_total{source="grafana"} 7');
  });

  it('ignores a resolve of what was never seen firing', async () => {
    const alert = story('Unknown resolve');
    expect(await send([alert({ status: 'resolved', endsAt: minute(0) })])).toEqual(counts({ ignored: 1 }));
    expect((await world.call('GET', '/api/v1/alerts?q=unknown%20resolve')).body.items).toEqual([]);
    expect(calls('Unknown resolve')).toBe(0);
    const rows = await world.rows(
      "SELECT id FROM alert_actions WHERE details::text LIKE '%Unknown resolve%'",
    );
    expect(rows).toEqual([]);
  });

  it('takes HA twins as one: seconds apart, with starts that differ a little', async () => {
    const alert = story('Twins');
    const answers = await Promise.all([
      send([alert({ startsAt: '2026-11-20T08:15:30Z' })]),
      send([alert({ startsAt: '2026-11-20T08:15:32Z' })]),
      send([alert({ startsAt: '2026-11-20T08:15:31Z' })]),
    ]);
    expect(answers.filter((one) => one['created'] === 1)).toHaveLength(1);
    expect(answers.filter((one) => one['updated'] === 1)).toHaveLength(2);
    expect(messages('Twins')).toHaveLength(1);
    expect(calls('Twins')).toBe(1);
    expect(await world.alert('q=Twins')).toMatchObject({
      startsAt: '2026-11-20T08:15:30.000Z',
      occurrences: 3,
    });
    expect(
      await send([alert({ status: 'resolved', startsAt: '2026-11-20T08:15:30Z', endsAt: minute(0) })]),
    ).toEqual(counts({ resolved: 1 }));
    expect(
      await send([alert({ status: 'resolved', startsAt: '2026-11-20T08:15:32Z', endsAt: minute(0) })]),
    ).toEqual(counts({ ignored: 1 }));
    // The slower twin still says firing, of the same episode.
    expect(await send([alert({ startsAt: '2026-11-20T08:15:32Z' })])).toEqual(counts({ ignored: 1 }));
    expect(await world.alert('q=Twins')).toMatchObject({ status: 'resolved', episode: 1 });
    expect(calls('Twins')).toBe(2);
  });

  it('ignores a firing report that its own resolve overtook, and reopens for it later', async () => {
    const alert = story('Overtaken');
    await send([alert()]);
    await send([alert({ status: 'resolved', endsAt: minute(0) })]);
    expect(await send([alert()])).toEqual(counts({ ignored: 1 }));
    expect(await world.alert('q=Overtaken')).toMatchObject({ status: 'resolved', occurrences: 1 });
    expect(calls('Overtaken')).toBe(2);

    await world.advance(61_000);
    expect(await send([alert()])).toEqual(counts({ updated: 1 }));
    expect(await world.alert('q=Overtaken')).toMatchObject({ status: 'firing', episode: 2 });
    expect(messages('Overtaken')).toHaveLength(2);
  });

  it('ignores a late resolve of an earlier episode', async () => {
    const alert = story('Late resolve');
    await send([alert({ startsAt: minute(-60) })]);
    // It flapped inside one group interval: a newer start, no resolve between.
    await send([alert({ startsAt: minute(-5) })]);
    expect(await send([alert({ status: 'resolved', startsAt: minute(-60), endsAt: minute(-30) })])).toEqual(
      counts({ ignored: 1 }),
    );
    expect(await world.alert('q=Late%20resolve')).toMatchObject({ status: 'firing', episode: 1 });
    expect(calls('Late resolve')).toBe(1);
    expect(await send([alert({ status: 'resolved', startsAt: minute(-5), endsAt: minute(0) })])).toEqual(
      counts({ resolved: 1 }),
    );
  });

  it('is told once anew when it fires again, on a message of its own', async () => {
    const alert = story('Refire');
    await send([alert({ startsAt: minute(-20) })]);
    await send([alert({ status: 'resolved', startsAt: minute(-20), endsAt: minute(-10) })]);
    expect(calls('Refire')).toBe(2);
    expect(await send([alert({ startsAt: minute(-1) })])).toEqual(counts({ updated: 1 }));
    await send([alert({ startsAt: minute(-1) })]);

    const posts = world.slack
      .calls('chat.postMessage')
      .filter((call) => JSON.stringify(call.args).includes('Refire'));
    expect(posts).toHaveLength(2);
    const [first, second, ...more] = messages('Refire');
    expect(more).toEqual([]);
    expect(first?.text).toMatch(/resolved/i);
    expect(JSON.stringify(first?.blocks)).not.toContain('alert_acknowledge');
    expect(second?.text).not.toMatch(/resolved/i);
    expect(JSON.stringify(second?.blocks)).toContain('alert_acknowledge');
    const stored = await world.alert('q=Refire');
    expect(stored).toMatchObject({ status: 'firing', episode: 2, acknowledgedAt: null, resolvedAt: null });
    expect(stored.actions.map((one: { action: string }) => one.action)).toEqual([
      'create',
      'resolve',
      'refire',
    ]);

    await send([alert({ status: 'resolved', startsAt: minute(-1), endsAt: minute(0) })]);
    expect(messages('Refire').map((message) => /resolved/i.test(message.text))).toEqual([true, true]);
  });

  it('keeps what people did when its source repeats itself', async () => {
    const alert = story('Acknowledged once');
    await send([alert()]);
    const { id } = await world.alert('q=Acknowledged%20once');
    await world.call('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P2' });
    await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
    await world.drain();
    const before = calls('Acknowledged once');
    await send([alert()]);
    await send([alert({ severity: 'info' })]);
    expect(await world.alert('q=Acknowledged%20once')).toMatchObject({
      status: 'acknowledged',
      severity: 'P2',
    });
    expect(calls('Acknowledged once')).toBe(before);
  });

  it('tells a rise of severity on the same message', async () => {
    const alert = story('Rising');
    await send([alert({ severity: 'info' })]);
    await send([alert({ severity: 'error' })]);
    expect(messages('Rising')).toHaveLength(1);
    expect(messages('Rising')[0]?.text).toContain('P2');
    expect(calls('Rising')).toBe(2);
  });

  it('stores and shows why Grafana resolved it', async () => {
    const alert = story('Rule edited');
    await send([alert()]);
    await send([
      alert({ status: 'resolved', endsAt: minute(0), annotations: { grafana_state_reason: 'Updated' } }),
    ]);
    expect(await world.alert('q=Rule%20edited')).toMatchObject({
      status: 'resolved',
      stateReason: 'Updated',
    });
    expect(JSON.stringify(messages('Rule edited')[0]?.blocks)).toContain('the rule was changed');
  });

  it('takes 300 alerts in one body, and every one of them once', async () => {
    const before = world.slack.calls('chat.postMessage').length;
    const many = Array.from({ length: 300 }, (_, i) =>
      grafanaAlert({
        name: `Many ${i}`,
        fingerprint: `many-${i}`,
        severity: 'info',
        labels: { story: 'many' },
      }),
    );
    expect(await send(many)).toEqual(counts({ received: 300, created: 300 }));
    expect(await send(many)).toEqual(counts({ received: 300, updated: 300 }));
    expect(world.slack.calls('chat.postMessage')).toHaveLength(before + 300);
    const [row] = await world.rows<{ count: number }>(
      "SELECT count(*)::int AS count FROM alerts_active WHERE labels->>'story' = 'many'",
    );
    expect(row?.count).toBe(300);
  }, 60_000);

  it('takes an alert twice in one body as one', async () => {
    const alert = story('Twice in one');
    expect(await send([alert(), alert()])).toEqual(counts({ received: 2, created: 1, updated: 1 }));
    expect(messages('Twice in one')).toHaveLength(1);
  });

  it('keeps the good alerts of a body with a bad one, and says which is bad', async () => {
    const bad = { ...grafanaAlert({ fingerprint: 'bad' }), status: 'pending' } as unknown as ReturnType<
      typeof grafanaAlert
    >;
    const answer = await send([story('Good neighbour')(), bad]);
    expect(answer).toMatchObject({
      received: 2,
      created: 1,
      rejected: [{ index: 1, reason: expect.stringContaining('pending') }],
    });
    expect(messages('Good neighbour')).toHaveLength(1);
  });

  it('tolerates fields it has never heard of', async () => {
    const alert = {
      ...story('From the future')(),
      enrichments: { a: [1] },
      ruleUID: 'x',
      newKey: { b: null },
    };
    const webhook = { ...grafanaWebhook([alert]), appVersion: '14.0.0', another: [[]], orgId: null };
    const answer = await world.call('POST', '/api/v1/webhooks/grafana', webhook);
    expect(answer.body).toMatchObject({ created: 1, rejected: [] });
    await world.drain();
  });

  it("takes the contact point's test button", async () => {
    const alert = grafanaAlert({
      name: 'TestAlert',
      fingerprint: '57c6d9296de2ad39',
      labels: { instance: 'Grafana' },
      severity: '',
    });
    alert.generatorURL = '?orgId=1';
    expect(await send([alert])).toEqual(counts({ created: 1 }));
    expect(await world.alert('label.alertname=TestAlert')).toMatchObject({
      severity: 'P3',
      links: { source: null },
    });
    expect(messages('TestAlert')).toHaveLength(1);
  });
});

describe('legacy Grafana', () => {
  it('fires and ends by rule, and leaves a paused rule alone', async () => {
    const post = async (body: unknown) => {
      const answer = await world.call('POST', '/api/v1/webhooks/grafana', body);
      await world.drain();
      return answer.body;
    };
    expect(await post(legacyGrafana('alerting'))).toMatchObject({ created: 1 });
    expect(await post(legacyGrafana('alerting'))).toMatchObject({ updated: 1 });
    expect(await post(legacyGrafana('paused'))).toMatchObject({ rejected: [{ index: 0 }] });
    expect(await post(legacyGrafana('ok', 5))).toMatchObject({ ignored: 1 });
    expect(messages('Panel Title alert')).toHaveLength(1);
    expect(await post(legacyGrafana('ok'))).toMatchObject({ resolved: 1 });
    expect(messages('Panel Title alert')).toHaveLength(1);
    expect(messages('Panel Title alert')[0]?.text).toMatch(/resolved/i);
    expect(calls('Panel Title alert')).toBe(2);
  });
});

describe('a broken data source', () => {
  const rules = ['Rule one', 'Rule two', 'Rule three'];
  const shared = () => messages('prom-1');
  const resolve = { status: 'resolved' as const, endsAt: minute(0) };

  it('is one message that names its rules, however many there are, and no incident', async () => {
    const incidents = world.opsgenie.alerts().length;
    expect(await send([dataSourceAlert('DatasourceError', 'Rule one')])).toEqual(counts({ created: 1 }));
    expect(
      await send(
        rules.map((rule) =>
          dataSourceAlert(rule === 'Rule three' ? 'DatasourceNoData' : 'DatasourceError', rule),
        ),
      ),
    ).toEqual(counts({ received: 3, created: 2, updated: 1 }));
    const list = await world.call('GET', '/api/v1/alerts?label.datasource_uid=prom-1');
    expect(list.body.items).toHaveLength(3);
    for (const alert of list.body.items) expect(alert).toMatchObject({ severity: 'P2', incidentId: null });
    expect(shared()).toHaveLength(1);
    for (const rule of rules) expect(JSON.stringify(shared()[0]?.blocks)).toContain(rule);
    expect(world.opsgenie.alerts()).toHaveLength(incidents);
    expect(world.slack.messages('#alert-critical')).toEqual([]);
  });

  it('keeps another data source apart', async () => {
    await send([dataSourceAlert('DatasourceError', 'Loki rule', { uid: 'loki-9' })]);
    expect(messages('loki-9')).toHaveLength(1);
    expect(shared()).toHaveLength(1);
    expect(JSON.stringify(shared()[0]?.blocks)).not.toContain('Loki rule');
  });

  it('ends with its last rule, and the next outage is a new message', async () => {
    await send([dataSourceAlert('DatasourceError', 'Rule one', resolve)]);
    await send([dataSourceAlert('DatasourceError', 'Rule two', resolve)]);
    expect(shared()[0]?.text).not.toMatch(/resolved/i);
    await send([dataSourceAlert('DatasourceNoData', 'Rule three', resolve)]);
    expect(shared()).toHaveLength(1);
    expect(shared()[0]?.text).toMatch(/resolved/i);
    expect(JSON.stringify(shared()[0]?.blocks)).not.toContain('alert_acknowledge');

    await send([dataSourceAlert('DatasourceError', 'Rule two', { startsAt: minute(1) })]);
    expect(shared()).toHaveLength(2);
    expect(shared()[0]?.text).toMatch(/resolved/i);
    expect(shared()[1]?.text).not.toMatch(/resolved/i);
    expect(JSON.stringify(shared()[1]?.blocks)).toContain('Rule two');
    expect(JSON.stringify(shared()[1]?.blocks)).not.toContain('Rule one');
    await send([
      dataSourceAlert('DatasourceError', 'Rule two', {
        status: 'resolved',
        startsAt: minute(1),
        endsAt: minute(2),
      }),
    ]);
    expect(shared().map((message) => /resolved/i.test(message.text))).toEqual([true, true]);
  });
});

it('says why an incident ended when its rule was only paused', async () => {
  const alert = story('Paused rule');
  await send([alert({ severity: 'P0' })]);
  const annotations = { grafana_state_reason: 'Paused' };
  expect(await send([alert({ severity: 'P0', status: 'resolved', endsAt: minute(0), annotations })])).toEqual(
    counts({ resolved: 1 }),
  );
  const { incidentId } = await world.alert('q=Paused%20rule');
  const incident = (await world.call('GET', `/api/v1/incidents/${incidentId}`)).body;
  expect(incident.status).toBe('resolved');
  const ended = incident.actions.find((one: { action: string }) => one.action === 'incident_status');
  expect(ended.details.reason).toContain('Paused');
  const closed = world.opsgenie.alerts().find((one) => JSON.stringify(one).includes('Paused rule'));
  expect(JSON.stringify(closed?.notes)).toContain('its source says: Paused');
  expect(messages('Paused rule', '#alert-critical')[0]?.replies.map((one) => one.text)).toEqual([
    'Resolved by its source (grafana): Paused',
  ]);
});

it('leaves nothing that Slack refused or took with a frown', () => {
  expect(world.slack.errors()).toEqual([]);
});
