import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

/** The thread of a card tells what people did: one line for each real transition, and none for anything else. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { incidents: { autoCreate: [] } } });
});
afterAll(() => world.stop());

const channel = '#k8s-healthchecks';
const card = (title: string, where = channel) => {
  const found = world.slack.messages(where).filter((one) => one.text.includes(title));
  expect(found).toHaveLength(1);
  return found[0];
};
const lines = (title: string, where = channel) => card(title, where)?.replies.map((one) => one.text);
async function post(title: string, more: Record<string, unknown> = {}): Promise<string> {
  const alert = { title, severity: 'P3', dedupKey: title, ...more };
  const answer = await world.call('POST', '/api/v1/alerts', alert);
  await world.drain();
  return answer.body.results[0].id;
}
const put = async (id: string, what: string, body: Record<string, unknown> = {}) => {
  await world.call('PUT', `/api/v1/alerts/${id}/${what}`, body);
  await world.drain();
};
const click = async (title: string, actionId: string) => {
  const delivery = await world.slack.click({ channel, ts: card(title)?.ts ?? '', actionId, user: 'ana' });
  await world.drain();
  return delivery;
};

it('has one line for each transition, however often it was asked for', async () => {
  const id = await post('Latency');
  expect(lines('Latency')).toEqual([]);
  const first = await click('Latency', 'alert_acknowledge');
  await world.slack.repeat(first);
  await put(id, 'acknowledge');
  await post('Latency');
  await world.call('POST', `/api/v1/alerts/${id}/notes`, { text: 'looking' });
  await put(id, 'assign', { assignedTo: 'jonas@example.com' });
  await put(id, 'assign', { assignedTo: 'jonas@example.com' });
  await post('Latency', { status: 'resolved' });
  expect(lines('Latency')).toEqual([
    'Acknowledged by ana',
    'Assigned to jonas@example.com by admin',
    'Resolved by its source (api)',
  ]);
  // Nothing of it was shown in the channel itself.
  expect(card('Latency')?.replies.filter((one) => one.isBroadcast)).toEqual([]);
});

it('shows in the channel as well that an alert was escalated, and what happens to a P0', async () => {
  const id = await post('Growing', { severity: 'P2' });
  await put(id, 'escalate', { note: 'customers call' });
  expect(card('Growing')?.replies).toMatchObject([
    { text: expect.stringMatching(/^Escalated from P2 to P1 by .*: customers call$/), isBroadcast: true },
  ]);
  const grave = await post('Down', { severity: 'P0' });
  await put(grave, 'acknowledge');
  expect(card('Down', '#alert-critical')?.replies).toMatchObject([
    { text: expect.stringMatching(/^Acknowledged by /), isBroadcast: true },
  ]);
});

it('comes after the message shows what it tells', async () => {
  const id = await post('Slow edit', { severity: 'P2' });
  const ts = card('Slow edit')?.ts ?? '';
  world.slack.fault({ method: 'chat.update', kind: 'delay', delayMs: 400, containing: ts });
  await put(id, 'escalate');
  expect(lines('Slow edit')).toHaveLength(1);
  const edited = world.slack.calls('chat.update').find((one) => one.args['ts'] === ts);
  const said = world.slack.calls('chat.postMessage').find((one) => one.args['thread_ts'] === ts);
  expect((said?.at ?? 0) - (edited?.at ?? 0)).toBeGreaterThanOrEqual(390);
});

it('stands in the thread of the new message when somebody deleted the old one, and in none when that is gone for good', async () => {
  const id = await post('Deleted card', { severity: 'P2' });
  const old = card('Deleted card')?.ts ?? '';
  world.slack.deleteMessage(channel, old);
  await put(id, 'acknowledge');
  expect(card('Deleted card')?.ts).not.toBe(old);
  expect(lines('Deleted card')).toEqual([expect.stringMatching(/^Acknowledged by/)]);
  world.slack.deleteMessage(channel, card('Deleted card')?.ts ?? '');
  const posts = world.slack.calls('chat.postMessage').length;
  await put(id, 'escalate', { severity: 'P2' });
  await put(id, 'assign', { assignedTo: 'jonas@example.com' });
  expect(world.slack.calls('chat.postMessage')).toHaveLength(posts);
});

it('shows nothing of a note that a reader could not see, or that would turn it round', async () => {
  const id = await post('Odd text', { severity: 'P2' });
  await put(id, 'escalate', { note: 'a\u0000b \u202Etxt.exe\u202C <!channel>\uFDD0 ok' });
  const [line = ''] = lines('Odd text') ?? [];
  expect(line).toMatch(/: ab txt\.exe &lt;!channel&gt;\uFDD0 ok$/);
});

it('tells what the source makes of the severity: graver is shown in the channel, lower is not', async () => {
  const where = '#alert-critical';
  const replies = (title: string) =>
    card(title, where)?.replies.map((one) => [one.text, one.isBroadcast] as const);
  const id = await post('Source says', { severity: 'P1' });
  await post('Source says', { severity: 'P0' });
  expect(replies('Source says')).toEqual([['Severity raised from P1 to P0 by its source (api)', true]]);
  // Reported once more, and with another title: nothing to tell.
  await post('Source says', { severity: 'P0' });
  await post('Source says', { severity: 'P0', title: 'Source says it otherwise' });
  expect(replies('Source says')).toHaveLength(1);

  await post('In hand', { severity: 'P1' });
  const inHand = await world.alert('q=In+hand');
  await put(inHand.id, 'acknowledge');
  await post('In hand', { severity: 'P0' });
  expect(replies('In hand')?.slice(1)).toEqual([['Severity raised from P1 to P0 by its source (api)', true]]);

  await post('To and fro', { severity: 'P1' });
  await post('To and fro', { severity: 'P3' });
  await post('To and fro', { severity: 'P1' });
  expect(replies('To and fro')).toEqual([
    ['Severity lowered from P1 to P3 by its source (api)', false],
    ['Severity raised from P3 to P1 by its source (api)', true],
  ]);
  expect((await world.call('GET', `/api/v1/alerts/${id}`)).body.severity).toBe('P0');
});

it('has no line for what was so before the card was there', async () => {
  world.slack.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 30 });
  const answer = await world.call('POST', '/api/v1/alerts', { title: 'Late card', severity: 'P3' });
  const id: string = answer.body.results[0].id;
  await world.slack.waitFor(() => world.slack.calls().some((one) => one.status === 429));
  await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
  await world.advance(31_000);
  await world.drain();
  expect(card('Late card')?.text).toMatch(/acknowledged/i);
  expect(lines('Late card')).toEqual([]);
  await put(id, 'escalate');
  expect(lines('Late card')).toHaveLength(1);
});

it('is found again when its answer was lost, and not said twice', async () => {
  const id = await post('Lost line');
  world.slack.fault({
    method: 'chat.postMessage',
    kind: 'reset-after-applying',
    containing: 'Acknowledged by',
  });
  await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
  await world.slack.waitFor(() => lines('Lost line')?.length === 1);
  await expect
    .poll(async () => (await world.rows(`SELECT 1 FROM notifications WHERE state = 'unknown'`)).length)
    .toBe(1);
  await world.advance(4_000);
  await world.drain();
  expect(lines('Lost line')).toHaveLength(1);
  expect(world.slack.calls('conversations.replies')).toHaveLength(1);
  // One that never arrived is said, once.
  world.slack.fault({ method: 'chat.postMessage', kind: 'reset', containing: 'Escalated from' });
  await world.call('PUT', `/api/v1/alerts/${id}/escalate`, {});
  await expect
    .poll(async () => (await world.rows(`SELECT 1 FROM notifications WHERE state = 'unknown'`)).length)
    .toBe(1);
  await world.advance(4_000);
  await expect
    .poll(
      async () =>
        (await world.rows(`SELECT 1 FROM notifications WHERE state = 'unknown' AND attempts = 2`)).length,
    )
    .toBe(1);
  await world.advance(4_000);
  await world.drain();
  expect(lines('Lost line')).toEqual([
    expect.stringMatching(/^Acknowledged/),
    expect.stringMatching(/^Escalated/),
  ]);
});

describe('a click on a message whose answer was lost', () => {
  it('makes the message known, and nothing is posted again', async () => {
    world.slack.fault({ method: 'chat.postMessage', kind: 'reset-after-applying', containing: 'Orphan' });
    await world.call('POST', '/api/v1/alerts', { title: 'Orphan', severity: 'P3' });
    await world.slack.waitFor(() => world.slack.messages(channel).some((one) => one.text.includes('Orphan')));
    await expect
      .poll(async () => (await world.rows(`SELECT 1 FROM notifications WHERE state = 'unknown'`)).length)
      .toBe(1);
    const looks = world.slack.calls('conversations.history').length;
    await click('Orphan', 'alert_acknowledge');
    expect(card('Orphan')?.text).toMatch(/acknowledged/i);
    expect(world.slack.calls('conversations.history')).toHaveLength(looks);
  });
});

it('is not said any more when it is no news: the card says it', async () => {
  const id = await post('Slow day');
  world.slack.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 660, times: 1 });
  await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
  await world.slack.waitFor(() => /acknowledged/i.test(card('Slow day')?.text ?? ''));
  await expect.poll(async () => world.slack.calls().at(-1)?.status).toBe(429);
  await world.advance(700_000);
  await world.drain();
  expect(lines('Slow day')).toEqual([]);
  expect(
    await world.rows(`SELECT state FROM notifications WHERE alert_id = $1 AND purpose LIKE 'line:%'`, [id]),
  ).toEqual([{ state: 'superseded' }]);
});

it('does not wait long for an edit when it should make people look', async () => {
  const id = await post('Stuck edit', { severity: 'P2' });
  const ts = card('Stuck edit')?.ts ?? '';
  world.slack.fault({ method: 'chat.update', kind: 'rate-limit', retryAfterSeconds: 300, containing: ts });
  await world.call('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P1' });
  await world.slack.waitFor(() => world.slack.calls('chat.update').at(-1)?.status === 429);
  await world.advance(5_000);
  expect(lines('Stuck edit')).toEqual([]);
  await world.advance(11_000);
  await world.slack.waitFor(() => lines('Stuck edit')?.length === 1);
  await world.advance(300_000);
  await world.drain();
  expect(card('Stuck edit')?.text).toContain('P1');
});

it('tells the end of a shared message once, not of each alert on it', async () => {
  const broken = (n: number, status: 'firing' | 'resolved') =>
    grafanaAlert({
      name: 'DatasourceError',
      fingerprint: `ds-${n}`,
      severity: 'warning',
      status,
      labels: { datasource_uid: 'prom', rulename: `Rule ${n}` },
      ...(status === 'resolved' && { endsAt: new Date().toISOString() }),
    });
  const send = async (alerts: ReturnType<typeof broken>[]) => {
    const answer = await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook(alerts));
    expect(answer.status).toBe(200);
    await world.drain();
  };
  await send([broken(1, 'firing'), broken(2, 'firing'), broken(3, 'firing')]);
  await send([broken(1, 'resolved')]);
  expect(lines('Data source')).toEqual([]);
  await send([broken(2, 'resolved'), broken(3, 'resolved')]);
  expect(lines('Data source')).toEqual(['Resolved by its source (grafana)']);
});
