import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

async function fire(world: World, title: string): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity: 'P1', dedupKey: title });
  return answer.body.results[0].id;
}
async function resolve(world: World, title: string): Promise<void> {
  await world.call('POST', '/api/v1/alerts', { title, dedupKey: title, status: 'resolved' });
  await world.drain();
}
async function incidentOf(world: World, alertId: string) {
  const { incidentId } = (await world.call('GET', `/api/v1/alerts/${alertId}`)).body;
  return (await world.call('GET', `/api/v1/incidents/${incidentId}`)).body;
}
const opsgenieState = async (world: World) => (await world.call('GET', '/readyz')).body.dependencies.opsgenie;

describe('Opsgenie in trouble', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ opsgenieStatusAsks: 2 });
  });
  afterAll(() => world.stop());

  /** One alert there, seen once, known here by its id. */
  async function opensExactlyOne(title: string, id: string): Promise<void> {
    await world.drain();
    const there = world.opsgenie.alerts().filter((one) => one.message.includes(title));
    expect(there, title).toMatchObject([{ status: 'open', count: 1 }]);
    expect(await incidentOf(world, id)).toMatchObject({
      externalId: there[0]?.id,
      externalUrl: expect.stringContaining('http'),
    });
    expect(world.slack.messages('#alert-critical').filter((one) => one.text.includes(title))).toHaveLength(1);
  }

  it('asks until the request is worked off, and says nothing twice', async () => {
    const id = await fire(world, 'Slow queue');
    await opensExactlyOne('Slow queue', id);
    const creates = world.opsgenie
      .calls()
      .filter((one) => one.method === 'POST' && one.path === '/v2/alerts');
    expect(creates).toHaveLength(1);
    expect(world.opsgenie.calls().filter((one) => one.path.includes('/requests/')).length).toBe(3);
    expect(await opsgenieState(world)).toMatchObject({ state: 'ok' });
  });

  it('submits anew what Opsgenie accepted and then failed', async () => {
    world.opsgenie.fault({
      method: 'POST',
      path: '/v2/alerts',
      effect: 'fail-request',
      status: 'Alert limit reached',
    });
    await opensExactlyOne('Failed request', await fire(world, 'Failed request'));
  });

  it('waits as long as a 429 says', async () => {
    world.opsgenie.fault({ method: 'POST', path: '/v2/alerts', effect: 'rate-limit', periodInSec: 1 });
    await opensExactlyOne('Rate limited', await fire(world, 'Rate limited'));
  });

  it('opens one alert although the answer to the first try was lost', async () => {
    const losses = [
      { effect: 'status', status: 502, applied: true },
      { effect: 'reset', applied: true },
      { effect: 'html', status: 503, applied: false },
    ] as const;
    for (const [i, loss] of losses.entries()) {
      world.opsgenie.fault({ method: 'POST', path: '/v2/alerts', ...loss });
      await opensExactlyOne(`Lost answer ${i}`, await fire(world, `Lost answer ${i}`));
    }
  });

  it('names the trouble in /readyz, stays ready, and works off what waits when the key is right again', async () => {
    world.opsgenie.fault({
      effect: 'status',
      status: 401,
      body: { message: 'Key format is not valid!' },
      times: 1,
    });
    const id = await fire(world, 'Wrong key');
    await world.opsgenie.waitFor((sandbox) => sandbox.calls().some((one) => one.status === 401));
    await world.slack.waitFor(() =>
      world.slack.messages('#alert-critical').some((one) => one.text.includes('Wrong key')),
    );
    await expect.poll(async () => (await opsgenieState(world)).state).toBe('failing');
    const ready = await world.call('GET', '/readyz');
    expect(ready).toMatchObject({
      status: 200,
      body: { state: 'ready', dependencies: { opsgenie: { detail: expect.stringContaining('401') } } },
    });
    expect(ready.text).not.toContain('test-opsgenie-key');
    await world.advance(60_000);
    await opensExactlyOne('Wrong key', id);
    expect(await opsgenieState(world)).toMatchObject({ state: 'ok' });
  });

  it('says what was wished for after a command that Opsgenie refuses again and again', async () => {
    const id = await fire(world, 'Nobody there');
    await world.drain();
    const incident = await incidentOf(world, id);
    const status = 'No user exists with username [nobody]';
    world.opsgenie.fault({ path: /assign$/, effect: 'fail-request', status, times: 100 });
    await world.call('PUT', `/api/v1/incidents/${incident.id}/assign`, { assignedTo: 'nobody@example.com' });
    await world.call('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P0' });
    await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
    const there = () => world.opsgenie.alerts().find((one) => one.id === incident.externalId);
    await expect
      .poll(there, { timeout: 10_000 })
      .toMatchObject({ acknowledged: true, priority: 'P1', status: 'open' });
    await resolve(world, 'Nobody there');
    expect(there()).toMatchObject({ status: 'closed' });
    const assigns = world.opsgenie
      .calls()
      .filter((one) => one.path.endsWith(`${incident.externalId}/assign`));
    expect(assigns.length).toBeLessThan(5);
    world.opsgenie.clearFaults();
  });

  it('closes what it opened, though the close was answered with an error', async () => {
    world.opsgenie.fault({ method: 'POST', path: /close/, effect: 'status', status: 500, applied: true });
    await resolve(world, 'Slow queue');
    await world.advance(0);
    await world.drain();
    expect(world.opsgenie.alerts().find((one) => one.message.includes('Slow queue'))).toMatchObject({
      status: 'closed',
      count: 1,
    });
    expect((await world.call('GET', '/api/v1/incidents?q=slow')).body.items).toMatchObject([
      { status: 'resolved' },
    ]);
  });

  it('never writes its key into the log', () => {
    expect(world.log()).not.toContain('test-opsgenie-key');
  });
});

describe('the Incident API of Opsgenie', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      opsgenieStatusAsks: 0,
      settings: { opsgenie: { mode: 'incident', impactedServices: ['service-1'] } },
    });
  });
  afterAll(() => world.stop());
  const there = (title: string) => world.opsgenie.incidents().filter((one) => one.message.includes(title));

  it('opens an incident with our tag and keeps its web link', async () => {
    const id = await fire(world, 'Real incident');
    await world.drain();
    const incident = await incidentOf(world, id);
    const [opened] = there('Real incident');
    expect(there('Real incident')).toHaveLength(1);
    expect(opened).toMatchObject({ status: 'open', priority: 'P2', impactedServices: ['service-1'] });
    expect(opened?.tags).toContain(`gomon-${incident.id}`);
    expect(incident).toMatchObject({ externalId: opened?.id });
    expect(incident.externalUrl).toContain(`/incident/detail/${opened?.id}`);
    expect(JSON.stringify(world.slack.messages('#alert-critical')[0]?.blocks)).toContain(
      incident.externalUrl,
    );
  });

  it('is resolved with its last alert', async () => {
    await resolve(world, 'Real incident');
    expect(there('Real incident')).toHaveLength(1);
    expect(there('Real incident')[0]?.status).not.toBe('open');
  });

  it('opens one although the answer was lost and the search lags behind', async () => {
    world.opsgenie.fault({
      method: 'POST',
      path: '/v1/incidents/create',
      effect: 'status',
      status: 502,
      applied: true,
    });
    const id = await fire(world, 'Lost incident');
    await world.opsgenie.waitFor((sandbox) => sandbox.calls().some((one) => one.fault !== null));
    for (let i = 0; i < 6 && (await incidentOf(world, id)).externalId === null; i += 1) {
      await world.advance(15_000);
      await expect
        .poll(
          async () =>
            (
              await world.rows(
                'SELECT 1 FROM graphile_worker._private_jobs WHERE locked_by IS NOT NULL OR run_at <= now()',
              )
            ).length,
          { timeout: 10_000 },
        )
        .toBe(0);
    }
    await world.drain();
    expect(there('Lost incident')).toHaveLength(1);
    expect((await incidentOf(world, id)).externalId).toBe(there('Lost incident')[0]?.id);
  });
});

describe('without a provider', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { OPSGENIE_API_KEY: undefined, OPSGENIE_WEBHOOK_SECRET: undefined } });
  });
  afterAll(() => world.stop());

  it('keeps incidents of its own, and says once that the integration is off', async () => {
    const id = await fire(world, 'Own incident');
    await world.drain();
    const incident = await incidentOf(world, id);
    expect(incident).toMatchObject({ status: 'open', provider: null, externalId: null, externalUrl: null });
    await resolve(world, 'Own incident');
    expect((await incidentOf(world, id)).status).toBe('resolved');
    expect(world.opsgenie.calls()).toEqual([]);
    expect(await opsgenieState(world)).toEqual({ state: 'off' });
    expect(
      world
        .log()
        .split('\n')
        .filter((line) => line.includes('"integration":"opsgenie"')),
    ).toHaveLength(1);
    expect(await world.call('POST', '/api/v1/webhooks/opsgenie', {}, { authorization: '' })).toMatchObject({
      status: 401,
    });
  });
});
