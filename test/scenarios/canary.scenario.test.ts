import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** The service watches itself: a test alert all the way, and a sign of life to somebody outside. */
let world: World;
let listener: Server;
let pings: string[];
const channel = '#gomon-canary';

beforeAll(async () => {
  pings = [];
  listener = createServer((request, response) => {
    pings.push(`${request.method} ${request.url}`);
    response.end('OK');
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  world = await startWorld({
    opsgenieStatusAsks: 0,
    slackChannels: [{ name: 'gomon-canary' }],
    settings: {
      canary: { channel, intervalSeconds: 60 },
      heartbeat: {
        url: `http://127.0.0.1:${port}/secret-path-of-ours`,
        opsgenie: 'gomon',
        intervalSeconds: 60,
      },
    },
  });
});
afterAll(async () => {
  await world.stop();
  listener.closeAllConnections();
  await new Promise((resolve) => listener.close(resolve));
});

const posts = () =>
  world.slack.calls('chat.postMessage').filter((one) => JSON.stringify(one.args).includes('GoMon canary'));
type Run = { outcome: string | null; alert_id: string };
const runs = (): Promise<Run[]> =>
  world.rows<Run>('SELECT outcome, alert_id FROM canary_runs ORDER BY started_at');
const outcomes = async () => (await runs()).map((run) => run.outcome);
const ended = async (count: number): Promise<void> => {
  await expect
    .poll(async () => (await outcomes()).filter((outcome) => outcome !== null).length, { timeout: 15_000 })
    .toBe(count);
};
/** Nothing of it is left where people look. */
const tidy = async (): Promise<void> => {
  await expect
    .poll(
      async () => [
        world.slack.messages(channel).length,
        (await world.rows(`SELECT id FROM alerts_active WHERE tenant = 'gomon:canary'`)).length,
        (
          await world.rows(
            'SELECT id FROM notifications n WHERE alert_id IN (SELECT alert_id FROM canary_runs)',
          )
        ).length,
      ],
      { timeout: 15_000 },
    )
    .toEqual([0, 0, 0]);
};
const metric = async (name: string): Promise<number | null> => {
  const text = (await world.call('GET', '/metrics')).text;
  const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return line === undefined ? null : Number(line.split(' ').at(-1));
};

describe('the canary', () => {
  it('goes all the way by itself when the service starts, and leaves nothing behind', async () => {
    await ended(1);
    await tidy();
    expect(await outcomes()).toEqual(['ok']);
    expect(posts()).toHaveLength(1);
    expect(world.slack.calls('chat.delete')).toHaveLength(1);
    // Its end was shown before it was taken away.
    expect(world.slack.calls('chat.update')).toHaveLength(1);
    // Nothing went where people look, and nobody was paged.
    for (const other of ['#alert-critical', '#k8s-healthchecks', '#monitoring-dev'])
      expect(world.slack.messages(other)).toEqual([]);
    expect(world.opsgenie.alerts()).toEqual([]);
    const asked = world.opsgenie.calls().filter((call) => !call.path.includes('heartbeats'));
    expect(asked.map((call) => call.method)).toEqual(['GET']);
  });

  it('is hidden from lists, sums and business metrics, and can be asked for', async () => {
    const [run] = await runs();
    expect((await world.call('GET', '/api/v1/alerts?status=archived')).body.items).toEqual([]);
    const asked = await world.call('GET', '/api/v1/alerts?status=archived&label.gomon_canary=true');
    expect(asked.body.items.map((one: { id: string }) => one.id)).toEqual([run?.alert_id]);
    expect((await world.call('GET', `/api/v1/alerts/${run?.alert_id}`)).body).toMatchObject({
      incidentId: null,
      status: 'archived',
    });
    expect((await world.call('GET', '/api/v1/ledger')).body).toMatchObject({
      holds: true,
      accepted: 0,
      canary: 1,
      entries: { requests: 0, received: 0, createdByAudit: 0 },
    });
    const text = (await world.call('GET', '/metrics')).text;
    for (const name of [
      'gomon_alerts_received_total',
      'gomon_notifications_total',
      'gomon_actions_total',
      'gomon_notification_latency_seconds_count',
      'gomon_time_to_resolve_seconds_count',
      'gomon_incidents_opened_total',
    ])
      expect(text).not.toMatch(new RegExp(`^${name}\\{`, 'm'));
    expect(await metric('gomon_canary_total')).toBe(1);
    expect(await metric('gomon_canary_seconds_count')).toBe(1);
    expect(text).toContain('gomon_canary_total{outcome="ok"} 1');
  });

  it('does not hide what others send with its label', async () => {
    const fake = { title: 'Mine', severity: 'P3', labels: { gomon_canary: 'true' } };
    expect((await world.call('POST', '/api/v1/alerts', fake)).status).toBe(201);
    await world.drain();
    expect((await world.call('GET', '/api/v1/alerts')).body.items).toHaveLength(1);
    expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(1);
    expect(world.slack.messages(channel)).toEqual([]);
  });

  it('is sent once at each turn of the clock', async () => {
    await world.advance(60_000);
    await ended(2);
    await world.app.tick();
    await tidy();
    expect(posts()).toHaveLength(2);
    expect(await outcomes()).toEqual(['ok', 'ok']);
    await expect.poll(() => metric('gomon_canary_notified_in_time_ratio')).toBe(1);
  });

  it('says so when Slack does not take its message, and nothing piles up for later', async () => {
    world.slack.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 1, times: 1_000 });
    const before = posts().length;
    world.clock.advance(60_000);
    await world.slack.waitFor(() => posts().length > before);
    // Longer than a message may take.
    world.clock.advance(21_000);
    await ended(3);
    expect((await outcomes()).at(-1)).toBe('not-notified');
    await expect
      .poll(async () => (await world.call('GET', '/readyz')).body.dependencies.canary)
      .toMatchObject({ state: 'failing' });
    expect((await world.call('GET', '/readyz')).status).toBe(200);
    world.slack.clearFaults();
    await world.advance(60_000);
    await ended(4);
    await world.advance(60_000);
    await ended(5);
    await tidy();
    expect((await outcomes()).at(-1)).toBe('ok');
    await expect
      .poll(async () => (await world.call('GET', '/readyz')).body.dependencies.canary)
      .toEqual({ state: 'ok' });
  });

  it('never comes to another channel, also while its own cannot be posted to, and leaves no thread', async () => {
    world.slack.archive(channel);
    const before = (await runs()).length;
    const tried = posts().length;
    world.clock.advance(60_000);
    await world.slack.waitFor(() => posts().length > tried);
    world.clock.advance(21_000);
    await ended(before + 1);
    expect((await outcomes()).at(-1)).toBe('not-notified');
    for (const other of ['#alert-critical', '#monitoring-dev'])
      expect(world.slack.messages(other)).toEqual([]);
    const elsewhere = world.slack.messages('#k8s-healthchecks').map((one) => one.text);
    expect(elsewhere.join()).not.toContain('canary');
    world.slack.unarchive(channel);
    await expect
      .poll(async () => (await world.call('GET', '/readyz')).body.dependencies.slack, { timeout: 15_000 })
      .toEqual({ state: 'ok' });
    world.clock.advance(60_000);
    await ended(before + 2);
    expect((await outcomes()).at(-1)).toBe('ok');
    const replies = posts().filter((one) => one.args['thread_ts'] !== undefined);
    expect(replies).toEqual([]);
  });
});

describe('the outgoing heartbeat', () => {
  it('is there while the canary comes through, and warns of one that does not exist', async () => {
    await expect.poll(() => pings.length).toBeGreaterThan(0);
    expect(new Set(pings)).toEqual(new Set(['GET /secret-path-of-ours']));
    await expect.poll(() => world.log()).toContain('Opsgenie has no such heartbeat');
    // The address is a secret.
    expect(world.log()).not.toContain('secret-path-of-ours');
  });

  it('goes once a turn', async () => {
    const before = pings.length;
    await world.advance(60_000);
    await world.app.tick();
    await expect.poll(() => pings.length).toBe(before + 1);
    await world.app.tick();
    expect(pings).toHaveLength(before + 1);
    const inOpsgenie = world.opsgenie.calls().filter((call) => call.path.endsWith('/ping'));
    expect(inOpsgenie).toHaveLength(pings.length);
  });

  it('stops when the canary fails, and comes back with it', async () => {
    world.opsgenie.fault({ method: 'GET', path: /alerts/, effect: 'status', status: 503, times: 1_000 });
    const runsBefore = (await runs()).length;
    world.clock.advance(60_000);
    await ended(runsBefore + 1);
    expect((await outcomes()).at(-1)).toBe('provider');
    const before = pings.length;
    await expect.poll(() => world.log()).toContain('the outgoing heartbeat is withheld');
    world.opsgenie.clearFaults();
    expect(pings).toHaveLength(before);
    world.clock.advance(60_000);
    await ended(runsBefore + 2);
    await expect.poll(() => pings.length).toBe(before + 1);
  });
});
