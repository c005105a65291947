import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** Slack fails in every way it knows; every alert ends as exactly one message in its final state. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

const channel = '#k8s-healthchecks';
const shown = (title: string) => world.slack.messages(channel).filter((one) => one.text.includes(title));
const posts = (title: string) =>
  world.slack.calls('chat.postMessage').filter((one) => JSON.stringify(one.args).includes(title));
async function post(title: string, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', {
    title,
    severity: 'P3',
    dedupKey: title,
    ...more,
  });
  expect([200, 201]).toContain(answer.status);
  return answer.body.results[0].id;
}
/** Sets the clock ahead, step by step, until nothing waits any more. */
async function passTime(stepMs: number): Promise<void> {
  for (let i = 0; i < 10; i += 1) {
    await world.advance(stepMs);
    const done = await world.app.drain(400).then(
      () => true,
      () => false,
    );
    if (done) return;
  }
  await world.drain();
}
const slackState = async () => (await world.call('GET', '/readyz')).body.dependencies.slack;

it('starts while Slack is down, takes alerts, and tells them when Slack is back', async () => {
  world.slack.fault({ method: '*', kind: 'http-500', times: 1_000 });
  await world.restart();
  await post('While down');
  await world.slack.waitFor(() => world.slack.calls('chat.postMessage').length > 0);
  expect(shown('While down')).toEqual([]);
  await expect.poll(async () => (await slackState()).state).toBe('failing');
  expect((await world.call('GET', '/readyz')).status).toBe(200);
  // It ends while nobody could be told that it began.
  await post('While down', { status: 'resolved' });
  await post('Still firing');
  world.slack.clearFaults();
  await passTime(5_000);
  expect(shown('While down')).toHaveLength(1);
  expect(shown('While down')[0]?.text).toMatch(/resolved/i);
  expect(shown('Still firing')).toHaveLength(1);
  expect(await slackState()).toEqual({ state: 'ok' });
});

it('finds a post again whose answer was lost, and does not post twice', async () => {
  world.slack.fault({ method: 'chat.postMessage', kind: 'reset-after-applying' });
  await post('Applied then lost');
  await world.slack.waitFor(() => shown('Applied then lost').length > 0);
  await passTime(4_000);
  expect(shown('Applied then lost')).toHaveLength(1);
  expect(posts('Applied then lost')).toHaveLength(1);
  // And it is the live message: what comes next edits it.
  await post('Applied then lost', { status: 'resolved' });
  await world.drain();
  expect(shown('Applied then lost')[0]?.text).toMatch(/resolved/i);
});

it('posts again what surely never arrived, once', async () => {
  world.slack.fault({ method: 'chat.postMessage', kind: 'reset' });
  await post('Never arrived');
  await world.slack.waitFor(() => posts('Never arrived').length > 0);
  await passTime(4_000);
  expect(shown('Never arrived')).toHaveLength(1);
  expect(posts('Never arrived')).toHaveLength(2);
});

it('waits as long as a 429 says before it goes on in that channel', async () => {
  world.slack.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 40 });
  await post('Limited');
  await world.slack.waitFor(() => posts('Limited').length === 1);
  await post('Limited neighbour');
  await post('Other channel', { severity: 'P1' });
  await world.slack.waitFor(() =>
    world.slack.messages('#alert-critical').some((one) => one.text.includes('Other channel')),
  );
  await world.advance(35_000);
  await expect(world.app.drain(300)).rejects.toThrow('not drained');
  expect(posts('Limited')).toHaveLength(1);
  await world.advance(6_000);
  await world.drain();
  expect(shown('Limited neighbour')).toHaveLength(1);
  expect(shown('Limited')).toHaveLength(2);
  expect(posts('Limited')).toHaveLength(3);
});

it('repeats an edit that failed, and sends only the last state', async () => {
  const id = await post('Edited late');
  await world.drain();
  const edits = world.slack.calls('chat.update').length;
  world.slack.fault({ method: 'chat.update', kind: 'http-500' });
  await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
  await world.slack.waitFor(() => world.slack.calls('chat.update').length > edits);
  await post('Edited late', { status: 'resolved' });
  await passTime(2_000);
  expect(shown('Edited late')).toHaveLength(1);
  expect(shown('Edited late')[0]?.text).toMatch(/resolved/i);
  expect(world.slack.calls('chat.update')).toHaveLength(edits + 2);
});

it('posts a message anew once when somebody deleted it', async () => {
  const id = await post('Deleted');
  await world.drain();
  world.slack.deleteMessage(channel, shown('Deleted')[0]?.ts ?? '');
  expect(shown('Deleted')).toEqual([]);
  await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
  await world.drain();
  expect(shown('Deleted')).toHaveLength(1);
  expect(shown('Deleted')[0]?.text).toMatch(/acknowledged/i);
  expect(posts('Deleted')).toHaveLength(2);
  // Whoever deletes it twice means it.
  world.slack.deleteMessage(channel, shown('Deleted')[0]?.ts ?? '');
  await post('Deleted', { status: 'resolved' });
  await world.drain();
  expect(shown('Deleted')).toEqual([]);
  expect(posts('Deleted')).toHaveLength(2);
});

it('goes on where it stopped when the service is stopped in the middle', async () => {
  world.slack.fault({ method: 'chat.postMessage', kind: 'delay', delayMs: 300 });
  await post('Stopped in the middle');
  await post('Right after');
  await world.restart();
  await passTime(1_000);
  expect(shown('Stopped in the middle')).toHaveLength(1);
  expect(shown('Right after')).toHaveLength(1);
});

it('never writes a secret into the log', () => {
  for (const secret of ['xoxb-test', 'test-signing-secret', 'test-admin-token', 'test-webhook-secret'])
    expect(world.log()).not.toContain(secret);
});

describe("Slack's own pace", () => {
  it('is kept by default: a burst in one channel, then a post a second, and no refusal', async () => {
    const strict = await startWorld({
      slackLimits: 'slack',
      settings: { slack: { pace: { burstPerChannel: 3 } } },
    });
    try {
      const alerts = Array.from({ length: 5 }, (_, i) => ({ title: `Paced ${i}`, severity: 'P4' }));
      await strict.call('POST', '/api/v1/alerts', alerts);
      await strict.call('POST', '/api/v1/alerts', { title: 'Urgent', severity: 'P1' });
      await strict.slack.waitFor(() => strict.slack.messages('#alert-critical').length === 1);
      expect(strict.slack.messages(channel).length).toBeLessThan(5);
      await strict.drain();
      expect(strict.slack.messages(channel)).toHaveLength(5);
      expect(strict.slack.calls().filter((one) => one.status === 429)).toEqual([]);
    } finally {
      await strict.stop();
    }
  });
});
