import { afterAll, beforeAll, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

/** An alert whose resolve never comes: people are reminded, and nothing is resolved behind their backs. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { sources: { grafana: { staleSeconds: 3_600 } } } });
});
afterAll(() => world.stop());

const send = async (parts: { status?: 'firing' | 'resolved'; endsAt?: string } = {}): Promise<void> => {
  const alert = grafanaAlert({ name: 'Forgotten', severity: 'warning', ...parts });
  expect((await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook([alert]))).status).toBe(200);
  await world.drain();
};
const card = () => world.slack.messages('#k8s-healthchecks').find((one) => one.text.includes('Forgotten'));
const later = async (minutes: number): Promise<void> => {
  for (let passed = 0; passed < minutes; passed += 10) {
    await world.advance(600_000);
    await world.drain();
  }
};

it('is said once of an alert that is not repeated, on its card and in its thread', async () => {
  await send();
  await later(50);
  expect(await world.alert('q=Forgotten')).toMatchObject({ staleAt: null });
  await later(20);
  const alert = await world.alert('q=Forgotten');
  expect(alert).toMatchObject({ status: 'firing', staleAt: expect.any(String) });
  expect(alert.decisions.find((one: { outcome: string }) => one.outcome === 'stale').reason).toContain(
    'not heard of since',
  );
  expect(card()?.text).toContain('Not heard of since');
  expect(JSON.stringify(card()?.blocks)).toContain('it may be over without its source having said so');
  await later(120);
  expect(card()?.replies).toMatchObject([
    { text: expect.stringContaining('Please look'), isBroadcast: false },
  ]);
});

it('is over with the next report', async () => {
  await send();
  expect(await world.alert('q=Forgotten')).toMatchObject({ status: 'firing', staleAt: null, episode: 1 });
  expect(card()?.text).not.toContain('Not heard of');
  await send({ status: 'resolved', endsAt: world.clock.now().toISOString() });
  expect(await world.alert('q=Forgotten')).toMatchObject({ status: 'resolved', staleAt: null });
  expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(1);
  expect(world.slack.errors()).toEqual([]);
});
