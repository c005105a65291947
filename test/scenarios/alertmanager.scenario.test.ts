import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  alertmanagerAlert,
  alertmanagerV3,
  alertmanagerWebhook,
  prometheusAlert,
} from '../fixtures/alertmanager.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({
    settings: { sources: { alertmanager: { heartbeatSeconds: 600, resolveTimeoutSeconds: 120 } } },
    opsgenieStatusAsks: 0,
  });
});
afterAll(() => world.stop());

async function webhook(body: unknown) {
  const answer = await world.call('POST', '/api/v1/webhooks/alertmanager', body);
  await world.drain();
  return answer;
}

async function prometheus(alerts: unknown) {
  const answer = await world.call('POST', '/api/v2/alerts', alerts);
  await world.drain();
  return answer;
}

const minute = (offset: number): string =>
  new Date(world.clock.now().getTime() + offset * 60_000).toISOString();
const calls = (name: string) =>
  world.slack
    .calls()
    .filter((call) => ['chat.postMessage', 'chat.update'].includes(call.method))
    .filter((call) => JSON.stringify(call.args).includes(name)).length;
const messages = (name: string, channel = '#k8s-healthchecks') =>
  world.slack.messages(channel).filter((message) => message.text.includes(name));
const active = async (alertname: string) =>
  (await world.call('GET', `/api/v1/alerts?label.alertname=${alertname}`)).body.items;

describe('the webhook of Alertmanager', () => {
  it('reads version 4: fires, repeats, and resolves per alert', async () => {
    const one = {
      name: 'DiskFull',
      fingerprint: 'a000000000000010',
      annotations: { summary: 'DiskFull here' },
    };
    expect((await webhook(alertmanagerWebhook([alertmanagerAlert(one)]))).body).toMatchObject({ created: 1 });
    expect((await webhook(alertmanagerWebhook([alertmanagerAlert(one)]))).body).toMatchObject({ updated: 1 });
    expect(messages('DiskFull here')).toHaveLength(1);
    expect(calls('DiskFull here')).toBe(1);
    const ended = alertmanagerAlert({ ...one, status: 'resolved', endsAt: minute(0) });
    expect((await webhook(alertmanagerWebhook([ended]))).body).toMatchObject({ resolved: 1 });
    expect(messages('DiskFull here')[0]?.text).toMatch(/resolved/i);
    expect(calls('DiskFull here')).toBe(2);
  });

  it('reads version 3, whose group key no JavaScript number holds and which has no fingerprint', async () => {
    const old = { name: 'OldSender', fingerprint: null, annotations: { summary: 'OldSender here' } };
    expect((await webhook(alertmanagerV3([alertmanagerAlert(old)]))).body).toMatchObject({
      created: 1,
      rejected: [],
    });
    expect((await webhook(alertmanagerV3([alertmanagerAlert(old)]))).body).toMatchObject({ updated: 1 });
    const ended = alertmanagerAlert({ ...old, status: 'resolved', endsAt: minute(0) });
    expect((await webhook(alertmanagerV3([ended]))).body).toMatchObject({ resolved: 1 });
    expect(messages('OldSender here')).toHaveLength(1);
  });

  it('takes the replicas of one Prometheus as one sender', async () => {
    const of = (replica: string) =>
      alertmanagerAlert({ name: 'Replicas', fingerprint: null, labels: { prometheus_replica: replica } });
    expect((await webhook(alertmanagerWebhook([of('a'), of('b')]))).body).toMatchObject({
      created: 1,
      updated: 1,
    });
    expect(await active('Replicas')).toHaveLength(1);
  });

  it('stores Watchdog, InfoInhibitor and severity none without telling anybody', async () => {
    const quiet = [
      alertmanagerAlert({ name: 'Watchdog', fingerprint: 'b1', labels: { severity: 'none' } }),
      alertmanagerAlert({ name: 'InfoInhibitor', fingerprint: 'b2', labels: { severity: 'critical' } }),
      alertmanagerAlert({ name: 'JustForTheRecord', fingerprint: 'b3', labels: { severity: 'none' } }),
    ];
    const incidents = (await world.call('GET', '/api/v1/incidents')).body.items.length;
    expect((await webhook(alertmanagerWebhook(quiet))).body).toMatchObject({ created: 3 });
    const ended = quiet
      .slice(1)
      .map((alert) => ({ ...alert, status: 'resolved' as const, endsAt: minute(0) }));
    expect((await webhook(alertmanagerWebhook(ended))).body).toMatchObject({ resolved: 2 });
    for (const name of ['Watchdog', 'InfoInhibitor', 'JustForTheRecord']) {
      const alert = await world.alert(`label.alertname=${name}`);
      expect(alert.incidentId).toBeNull();
      expect(alert.decisions.find((one: { stage: string }) => one.stage === 'suppression').outcome).not.toBe(
        'told',
      );
      expect(calls(name)).toBe(0);
    }
    expect((await world.call('GET', '/api/v1/incidents')).body.items).toHaveLength(incidents);
  });

  it('says what it saw when the body is something else', async () => {
    const array = await webhook([prometheusAlert({})]);
    expect(array).toMatchObject({ status: 400, body: { detail: expect.stringContaining('/api/v2/alerts') } });
    expect((await webhook('not json')).status).toBe(400);
  });
});

describe('the heartbeat', () => {
  const watchdog = () =>
    webhook(
      alertmanagerWebhook([
        alertmanagerAlert({ name: 'Watchdog', fingerprint: 'b1', labels: { severity: 'none' } }),
      ]),
    );

  it('raises an alert once when it falls silent, and ends it with the next Watchdog', async () => {
    await watchdog();
    await world.advance(590_000);
    await world.drain();
    expect(await active('HeartbeatMissing')).toEqual([]);

    await world.advance(20_000);
    await world.advance(20_000);
    await world.drain();
    const [raised, ...more] = await active('HeartbeatMissing');
    expect(more).toEqual([]);
    expect(raised).toMatchObject({
      status: 'firing',
      severity: 'P1',
      source: 'alertmanager',
      occurrences: 1,
    });
    expect(messages('No heartbeat', '#alert-critical')).toHaveLength(1);

    await watchdog();
    await world.advance(1_000);
    await world.drain();
    expect(await active('HeartbeatMissing')).toMatchObject([{ status: 'resolved' }]);
    expect(messages('No heartbeat', '#alert-critical')).toHaveLength(1);
    expect(messages('No heartbeat', '#alert-critical')[0]?.text).toMatch(/resolved/i);

    await world.advance(700_000);
    await world.drain();
    expect(await active('HeartbeatMissing')).toMatchObject([{ status: 'firing', episode: 2 }]);
    expect(messages('No heartbeat', '#alert-critical')).toHaveLength(2);
    await watchdog();
    await world.advance(1_000);
    await world.drain();
    expect(await active('HeartbeatMissing')).toMatchObject([{ status: 'resolved' }]);
  });
});

describe('in the role of an Alertmanager', () => {
  it('fires without times, re-sent each minute cheaply and silently, until it is not any more', async () => {
    const alert = prometheusAlert({ alertname: 'NoTimes' }, { annotations: { summary: 'NoTimes fires' } });
    const first = await prometheus([alert]);
    expect(first.status).toBe(200);
    for (let i = 0; i < 4; i += 1) {
      await world.advance(60_000);
      expect((await prometheus([alert])).status).toBe(200);
    }
    expect(await active('NoTimes')).toMatchObject([{ status: 'firing', occurrences: 5 }]);
    expect(calls('NoTimes fires')).toBe(1);
    const [audit] = await world.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM alert_actions JOIN alerts_active a ON a.id = alert_id WHERE a.labels->>'alertname' = 'NoTimes'`,
    );
    expect(audit?.count).toBe(1);

    // resolve_timeout is 120 s here.
    await world.advance(115_000);
    await world.drain();
    expect(await active('NoTimes')).toMatchObject([{ status: 'firing' }]);
    await world.advance(10_000);
    await world.drain();
    const ended = await world.alert('label.alertname=NoTimes');
    expect(ended).toMatchObject({ status: 'resolved' });
    expect(ended.actions.at(-1)).toMatchObject({ action: 'resolve', userId: 'system' });
    expect(ended.actions.at(-1).details.reason).toContain('not heard of since');
    expect(messages('NoTimes fires')[0]?.text).toMatch(/resolved/i);
    expect(calls('NoTimes fires')).toBe(2);
  });

  it('believes a future end exactly so long, and a later report prolongs it', async () => {
    const until = (minutes: number) =>
      prometheusAlert(
        { alertname: 'FutureEnd' },
        { startsAt: minute(-3), endsAt: minute(minutes), annotations: { summary: 'FutureEnd fires' } },
      );
    await prometheus([until(4)]);
    await world.advance(3 * 60_000);
    await prometheus([until(4)]);
    await world.advance(3 * 60_000);
    await world.drain();
    expect(await active('FutureEnd')).toMatchObject([{ status: 'firing', resolvedAt: null }]);
    await world.advance(61_000);
    await world.drain();
    expect(await active('FutureEnd')).toMatchObject([{ status: 'resolved' }]);
    expect(calls('FutureEnd fires')).toBe(2);
  });

  it.each([
    [
      'SoonerEnd',
      'a sooner one',
      { endsAt: () => new Date(world.clock.now().getTime() + 5_000).toISOString() },
    ],
    ['NoEndAfter', 'none', {}],
  ])('%s: keeps an end an hour ahead when the next report names %s', async (alertname, _what, second) => {
    const annotations = { summary: `${alertname} fires` };
    await prometheus([prometheusAlert({ alertname }, { annotations, endsAt: minute(60) })]);
    const again = { annotations, ...('endsAt' in second ? { endsAt: second.endsAt() } : {}) };
    expect((await prometheus([prometheusAlert({ alertname }, again)])).body).toMatchObject({ updated: 1 });
    await world.advance(50 * 60_000);
    await world.drain();
    expect(await active(alertname)).toMatchObject([{ status: 'firing' }]);
    await prometheus([prometheusAlert({ alertname }, { annotations, endsAt: minute(-1) })]);
    expect(await active(alertname)).toMatchObject([{ status: 'resolved' }]);
  });

  it('resolves by an end that has passed, and hears it again without a word', async () => {
    const alert = { startsAt: minute(-10), annotations: { summary: 'PastEnd fires' } };
    await prometheus([prometheusAlert({ alertname: 'PastEnd' }, { ...alert, endsAt: minute(4) })]);
    const over = prometheusAlert({ alertname: 'PastEnd' }, { ...alert, endsAt: minute(-1) });
    for (let i = 0; i < 3; i += 1) expect((await prometheus([over])).status).toBe(200);
    expect(await active('PastEnd')).toMatchObject([{ status: 'resolved' }]);
    expect(calls('PastEnd fires')).toBe(2);
  });

  it('resolves what named no start by an end a second ago, as amtool sends it', async () => {
    const alert = prometheusAlert({ alertname: 'ByHand' });
    expect((await prometheus([alert])).body).toMatchObject({ created: 1 });
    const over = { ...alert, endsAt: new Date(world.clock.now().getTime() - 1_000).toISOString() };
    expect((await prometheus([over])).body).toMatchObject({ resolved: 1 });
  });

  it('stores the good ones of a request in which others are wrong, which is then a 400', async () => {
    const bad = [
      { annotations: { summary: 'no labels' } },
      { labels: {} },
      { labels: { alertname: '' } },
      { labels: { alertname: 'X' }, startsAt: minute(0), endsAt: minute(-5) },
      { labels: { alertname: 'X' }, startsAt: 'yesterday' },
      'text',
    ];
    const good = prometheusAlert({ alertname: 'GoodOne' }, { annotations: { summary: 'GoodOne fires' } });
    const answer = await prometheus([...bad, good]);
    expect(answer.status).toBe(400);
    // As Alertmanager says it, whose clients read nothing but JSON: a text.
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.body).toMatch(/^alert 0: \[0\].*the other 1 were stored as delivery/);
    expect(await active('GoodOne')).toMatchObject([{ status: 'firing' }]);
    expect(await active('X')).toEqual([]);
    expect(calls('GoodOne fires')).toBe(1);
  });

  it('drops empty labels as Prometheus does, and takes an empty array', async () => {
    await prometheus([prometheusAlert({ alertname: 'EmptyLabel', team: '' })]);
    await prometheus([prometheusAlert({ alertname: 'EmptyLabel' })]);
    expect(await active('EmptyLabel')).toMatchObject([{ occurrences: 2 }]);
    expect((await active('EmptyLabel'))[0].labels).not.toHaveProperty('team');
    expect((await prometheus([])).status).toBe(200);
    expect((await prometheus({ alerts: [] })).status).toBe(400);
    const wrong: [status: number, answer: ReturnType<World['call']>][] = [
      [401, world.call('POST', '/api/v2/alerts', [], { authorization: '' })],
      [405, world.call('GET', '/api/v2/alerts')],
      [404, world.call('GET', '/api/v2/status')],
      [400, world.call('POST', '/api/v2/alerts', '{')],
    ];
    for (const [status, answer] of wrong) {
      const { headers, body, ...said } = await answer;
      expect(said.status).toBe(status);
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(body).toEqual(expect.stringMatching(/.{10,}/));
    }
  });
});

it('leaves nothing that Slack refused or took with a frown', () => {
  expect(world.slack.errors()).toEqual([]);
});
