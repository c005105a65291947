import { afterEach, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** Slack slows us down, or stops answering: nothing is lost, the order is kept, the gravest go first. */
let world: World;
afterEach(() => world.stop());

const usual = { burstPerChannel: 20, postsPerSecondPerChannel: 1, editBurst: 40, editsPerMinute: 50 };
const noIncidents = { incidents: { autoCreate: [] } };

async function post(alerts: Record<string, unknown> | Record<string, unknown>[]): Promise<string[]> {
  const answer = await world.call('POST', '/api/v1/alerts', alerts);
  expect([200, 201]).toContain(answer.status);
  return answer.body.results.map((one: { id: string }) => one.id);
}
const titles = (channel: string, pattern: RegExp) =>
  world.slack.messages(channel).map((one) => pattern.exec(one.text)?.[0]);

it('a minute of 429 everywhere: the order is kept, P0 goes first, and only final states are sent', async () => {
  // All goes to one channel, so that they stand in one queue.
  world = await startWorld({
    settings: { ...noIncidents, slack: { routes: [{ channel: '#alert-critical' }], pace: usual } },
  });
  world.slack.fault({ method: '*', kind: 'rate-limit', retryAfterSeconds: 60, times: 10_000 });
  for (const n of [1, 2, 3]) await post({ title: `Minor ${n}`, severity: 'P3', dedupKey: `m${n}` });
  await world.slack.waitFor(() => world.slack.calls('chat.postMessage').length > 0);
  await post({ title: 'Grave', severity: 'P0' });
  await post({ title: 'Minor 2', severity: 'P3', dedupKey: 'm2', status: 'resolved' });
  await expect.poll(async () => (await world.rows('SELECT 1 FROM notifications')).length).toBe(4);
  await world.advance(30_000);
  await expect(world.app.drain(300)).rejects.toThrow('not drained');
  const refused = world.slack.calls('chat.postMessage').length;
  expect(refused).toBeLessThanOrEqual(10);
  world.slack.clearFaults();
  await world.advance(31_000);
  await world.drain();
  expect(world.slack.calls('chat.postMessage')).toHaveLength(refused + 4);
  expect(world.slack.calls('chat.update')).toEqual([]);
  expect(world.slack.messages('#alert-critical')).toHaveLength(4);
  expect(world.slack.messages('#alert-critical').find((one) => one.text.includes('Minor 2'))?.text).toMatch(
    /resolved/i,
  );
  const sent = world.slack
    .calls('chat.postMessage')
    .slice(refused)
    .map((one) => /Grave|Minor \d/.exec(JSON.stringify(one.args))?.[0]);
  // Sends of one moment are under way together; the first to be sent is the gravest.
  expect(sent[0]).toBe('Grave');
});

it('a long backlog does not hold up a P0, be it in the same channel', async () => {
  world = await startWorld({
    settings: { ...noIncidents, slack: { routes: [{ channel: '#alert-critical' }], pace: usual } },
  });
  await post(Array.from({ length: 300 }, (_, n) => ({ title: `Backlog ${n}`, severity: 'P4' })));
  await world.slack.waitFor(() => world.slack.messages('#alert-critical').length >= 20);
  const before = Date.now();
  await post({ title: 'Gravest', severity: 'P0' });
  await world.slack.waitFor(() => titles('#alert-critical', /Gravest/).includes('Gravest'), 10_000);
  // The channel's next free second; the rest is the load of the machine.
  expect(Date.now() - before).toBeLessThan(5_000);
  expect(world.slack.messages('#alert-critical').length).toBeLessThan(40);
});

it('sends that hang do not hold up a P0', async () => {
  world = await startWorld({ settings: noIncidents });
  world.slack.fault({ method: 'chat.postMessage', kind: 'timeout-before', containing: 'Hangs', times: 50 });
  await post(Array.from({ length: 30 }, (_, n) => ({ title: `Hangs ${n}`, severity: 'P4' })));
  await expect
    .poll(async () => (await world.rows(`SELECT 1 FROM notifications WHERE state = 'sending'`)).length)
    .toBe(7);
  await post({ title: 'Gravest', severity: 'P0' });
  await world.slack.waitFor(() => titles('#alert-critical', /Gravest/).includes('Gravest'));
  expect(
    await world.rows(`SELECT 1 FROM notifications WHERE state = 'sending' AND priority = 4`),
  ).toHaveLength(7);
  // Ends the sends that hang.
  await world.slack.close();
});

it('goes on within ten seconds of the return of Slack, however long it had waited', async () => {
  world = await startWorld({ settings: noIncidents });
  world.slack.fault({ method: '*', kind: 'ok-false', error: 'service_unavailable', times: 100_000 });
  await post(Array.from({ length: 8 }, (_, n) => ({ title: `Waits ${n}`, severity: 'P2' })));
  for (let minute = 0; minute < 5; minute += 1) {
    const calls = world.slack.calls().length;
    await world.advance(61_000);
    await world.slack.waitFor(() => world.slack.calls().length > calls);
  }
  await expect
    .poll(async () => (await world.call('GET', '/metrics')).text, { timeout: 10_000 })
    .toMatch(/gomon_circuit_open\{target="slack"\} 1/);
  // As after hours: nothing is to be tried within the next minute.
  const later = `
    WITH moved AS (UPDATE notifications SET due_at = now() + interval '30 minutes' WHERE claimed_at IS NULL)
    SELECT 1 FROM notifications WHERE claimed_at IS NOT NULL`;
  await expect.poll(async () => (await world.rows(later)).length, { interval: 1 }).toBe(0);
  world.slack.clearFaults();
  await world.app.drain(10_000);
  const told = titles('#k8s-healthchecks', /Waits \d/);
  expect(told).toHaveLength(8);
  expect(new Set(told)).toEqual(new Set(Array.from({ length: 8 }, (_, n) => `Waits ${n}`)));
});

it('a layout that Slack refuses is sent as text alone, once, and counted', async () => {
  world = await startWorld({ settings: noIncidents });
  world.slack.fault({ method: 'chat.postMessage', kind: 'ok-false', error: 'invalid_blocks' });
  await post({ title: 'Plain', severity: 'P2' });
  await world.drain();
  expect(world.slack.messages('#k8s-healthchecks')).toMatchObject([
    { text: expect.stringContaining('Plain'), blocks: [] },
  ]);
  expect((await world.call('GET', '/metrics')).text).toMatch(
    /gomon_cards_without_layout_total\{code="invalid_blocks"\} 1/,
  );
});
