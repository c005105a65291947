import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** A channel that cannot be posted to: its stand-in takes its messages, people are told once, and it comes back by itself. */
let world: World;
beforeEach(async () => {
  world = await startWorld({ settings: { incidents: { autoCreate: [] } } });
});
afterEach(() => world.stop());

const critical = '#alert-critical';
const standIn = '#k8s-healthchecks';

async function post(title: string, severity: string, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title, ...more });
  expect([200, 201]).toContain(answer.status);
  return answer.body.results[0].id;
}
async function tell(title: string, severity: string, more: Record<string, unknown> = {}): Promise<string> {
  const id = await post(title, severity, more);
  await world.drain();
  return id;
}
const texts = (channel: string) => world.slack.messages(channel).map((one) => one.text);
const cards = (channel: string, title: string) =>
  world.slack.messages(channel).filter((one) => one.text.includes(title) && one.blocks.length > 0);
const notices = (channel: string) => world.slack.messages(channel).filter((one) => one.blocks.length === 0);
const slackState = async () => (await world.call('GET', '/readyz')).body.dependencies.slack;
/** Archived or not, and nobody says so: no event is sent. */
const setArchived = (channel: string, isArchived: boolean): void => {
  world.slack.channel(channel).isArchived = isArchived;
};
/** Until Slack has told of so many things since the start, and what follows from them is done. */
const events = async (count = 1) => {
  await expect
    .poll(async () => (await world.rows(`SELECT 1 FROM inbound_events WHERE kind = 'slack.event'`)).length)
    .toBeGreaterThanOrEqual(count);
  await world.drain();
};

it('archived: its stand-in takes over, people are told once, and it is used again when Slack says so', async () => {
  await tell('Before', 'P1');
  setArchived(critical, true);
  const first = await tell('Disk full', 'P1');
  await tell('Api down', 'P0');
  expect(texts(critical)).toEqual([expect.stringContaining('Before')]);
  expect(cards(standIn, 'Disk full')).toHaveLength(1);
  expect(cards(standIn, 'Api down')).toHaveLength(1);
  expect(notices(standIn).map((one) => one.text)).toEqual([
    expect.stringMatching(/^#alert-critical cannot be posted to \(is_archived\)\. Its messages come here/),
  ]);
  expect(world.slack.messages(standIn)).toHaveLength(3);

  const ready = await world.call('GET', '/readyz');
  expect(ready.status).toBe(200);
  expect(ready.body.dependencies.slack).toMatchObject({
    state: 'failing',
    detail: expect.stringMatching(/#alert-critical .*is_archived.*#k8s-healthchecks/),
  });
  expect((await world.call('GET', '/metrics')).text).toMatch(/^gomon_channels_dead 1$/m);

  world.slack.unarchive(critical);
  await events();
  await tell('After', 'P1');
  expect(cards(critical, 'After')).toHaveLength(1);
  expect(await slackState()).toEqual({ state: 'ok' });
  // What was told in the stand-in stays there, and is brought to its end there.
  await world.call('DELETE', `/api/v1/alerts/${first}`);
  await world.drain();
  expect(cards(standIn, 'Disk full')[0]?.text).toMatch(/resolved/i);
  expect(world.slack.messages(critical)).toHaveLength(2);
  expect(world.slack.messages(standIn)).toHaveLength(3);
  expect(notices(standIn)[0]?.text).toMatch(/could not be posted to \(is_archived\) from .* to /);
});

it('archived: it is used again when a look a minute later finds it well', async () => {
  setArchived(critical, true);
  await tell('Disk full', 'P1');
  await world.advance(61_000);
  await tell('Still there', 'P1');
  expect(texts(critical)).toEqual([]);
  setArchived(critical, false);
  await world.advance(30_000);
  await tell('Too early', 'P1');
  expect(texts(critical)).toEqual([]);
  await world.advance(31_000);
  await tell('After', 'P1');
  expect(cards(critical, 'After')).toHaveLength(1);
  expect(notices(standIn)).toHaveLength(1);
  expect(await slackState()).toEqual({ state: 'ok' });
});

it('renamed: it is used again once it bears its name', async () => {
  world.slack.rename(critical, 'alert-critical-old');
  await events();
  await tell('Lost', 'P1');
  expect(cards(standIn, 'Lost')).toHaveLength(1);
  expect((await slackState()).detail).toContain('channel_not_found');
  world.slack.rename('alert-critical-old', 'alert-critical');
  await events(2);
  await tell('Found', 'P1');
  expect(cards(critical, 'Found')).toHaveLength(1);
});

it('restricted: where looking does not tell, one message a minute tries, and none is told twice', async () => {
  world.slack.fault({
    method: 'chat.postMessage',
    kind: 'ok-false',
    error: 'restricted_action',
    containing: `"channel":"${critical}"`,
    times: 1_000,
  });
  const tries = () =>
    world.slack.calls('chat.postMessage').filter((one) => one.answer?.['error'] === 'restricted_action');
  await tell('First', 'P1');
  await tell('Second', 'P1');
  expect(tries()).toHaveLength(1);
  await world.advance(61_000);
  await tell('Third', 'P1');
  await tell('Fourth', 'P1');
  expect(tries()).toHaveLength(2);
  for (const title of ['First', 'Second', 'Third', 'Fourth']) expect(cards(standIn, title)).toHaveLength(1);
  world.slack.clearFaults();
  await tell('Fifth', 'P1');
  expect(cards(standIn, 'Fifth')).toHaveLength(1);
  await world.advance(61_000);
  await tell('Sixth', 'P1');
  expect(cards(critical, 'Sixth')).toHaveLength(1);
  expect(notices(standIn)).toHaveLength(1);
  expect(world.slack.messages(critical)).toHaveLength(1);
});

it('without the scope to join, the scope is named', async () => {
  await world.stop();
  world = await startWorld({ slackScopes: ['chat:write', 'channels:read', 'channels:history'] });
  world.slack.removeBot(critical);
  await tell('Nobody here', 'P1');
  expect(cards(standIn, 'Nobody here')).toHaveLength(1);
  expect((await slackState()).detail).toMatch(/#alert-critical.*not_in_channel.*channels:join/);
  world.slack.inviteBot(critical);
  await events(2);
  await tell('Invited', 'P1');
  expect(cards(critical, 'Invited')).toHaveLength(1);
});

it('both dead: all waits, and goes to whichever is well first, in its last state', async () => {
  setArchived(critical, true);
  setArchived(standIn, true);
  await post('Over soon', 'P1');
  const open = await post('Open', 'P0');
  await post('Minor', 'P3');
  await expect.poll(async () => (await slackState()).detail).toMatch(/#alert-critical.*#k8s-healthchecks/);
  await post('Over soon', 'P1', { status: 'resolved' });
  const before = world.slack.calls('chat.postMessage').length;
  for (let minute = 0; minute < 3; minute += 1) await world.advance(61_000);
  await expect(world.app.drain(300)).rejects.toThrow('not drained');
  expect(world.slack.calls('chat.postMessage').length - before).toBeLessThan(5);
  expect([...texts(critical), ...texts(standIn)]).toEqual([]);

  setArchived(standIn, false);
  await world.advance(61_000);
  await world.drain();
  expect(cards(standIn, 'Over soon').map((one) => one.text)).toEqual([expect.stringMatching(/resolved/i)]);
  for (const title of ['Open', 'Minor']) expect(cards(standIn, title)).toHaveLength(1);
  setArchived(critical, false);
  await world.advance(61_000);
  await world.call('DELETE', `/api/v1/alerts/${open}`);
  await world.drain();
  expect(cards(standIn, 'Open')[0]?.text).toMatch(/resolved/i);
  expect(texts(critical)).toEqual([]);
});

it('says that messages wait where the stand-in is dead too', async () => {
  const dev = '#monitoring-dev';
  setArchived(standIn, true);
  setArchived(dev, true);
  await tell('Minor', 'P3');
  await post('In development', 'P3', { labels: { environment: 'dev' } });
  await world.slack.waitFor(() => notices(critical).length === 2);
  expect(notices(critical).map((one) => one.text)).toEqual([
    expect.stringMatching(
      /^#k8s-healthchecks cannot be posted to \(is_archived\)\. Its messages come here until/,
    ),
    expect.stringMatching(
      /^#monitoring-dev cannot be posted to \(is_archived\)\. Neither can #k8s-healthchecks, .* wait until/,
    ),
  ]);
  expect(cards(critical, 'In development')).toEqual([]);
});

it('shows nobody the same alert twice in the stand-in', async () => {
  setArchived(critical, true);
  const id = await tell('Growing', 'P2');
  await world.call('PUT', `/api/v1/alerts/${id}/escalate`, {});
  await world.drain();
  expect(cards(standIn, 'Growing')).toHaveLength(1);
  expect(cards(standIn, 'Growing')[0]?.text).toContain('P1');
  setArchived(critical, false);
  await world.advance(61_000);
  await world.call('DELETE', `/api/v1/alerts/${id}`);
  await world.drain();
  expect(cards(standIn, 'Growing')[0]?.text).toMatch(/resolved/i);
  expect(cards(critical, 'Growing')).toEqual([]);
});

it('archived with messages in it: they are brought to their end when it is back, without a loop until then', async () => {
  await tell('Posted before', 'P1');
  setArchived(critical, true);
  await post('Posted before', 'P1', { status: 'resolved' });
  await world.slack.waitFor(() => world.slack.calls('chat.update').length > 0);
  for (let n = 0; n < 5; n += 1) await world.advance(5_000);
  await expect(world.app.drain(300)).rejects.toThrow('not drained');
  expect(world.slack.calls('chat.update')).toHaveLength(1);
  world.slack.unarchive(critical);
  await events();
  expect(cards(critical, 'Posted before').map((one) => one.text)).toEqual([
    expect.stringMatching(/resolved/i),
  ]);
  // Nobody was told of it there; only that the channel was lost, and is back.
  expect(texts(standIn)).toEqual([expect.stringMatching(/could not be posted to/)]);
});

describe('archived, and nothing is posted: only what is there changes', () => {
  const escalate = async (id: string, more: Record<string, unknown> = {}) => {
    const answer = await world.call('PUT', `/api/v1/alerts/${id}/escalate`, { severity: 'P0', ...more });
    expect(answer.status).toBe(200);
  };

  it('an escalation to P0 is told in the stand-in, once, with its buttons and who did it', async () => {
    const id = await tell('Checkout down', 'P1');
    setArchived(critical, true);
    await escalate(id, { note: 'customers call' });
    await world.slack.waitFor(() => cards(standIn, 'Checkout down')[0]?.replies.length === 1);
    const [card] = cards(standIn, 'Checkout down');
    expect(cards(standIn, 'Checkout down')).toHaveLength(1);
    expect(card?.text).toContain('P0');
    expect(JSON.stringify(card?.blocks)).toContain('alert_acknowledge');
    expect(card?.replies).toMatchObject([
      { text: expect.stringMatching(/^Escalated from P1 to P0 by .*: customers call$/), isBroadcast: false },
    ]);
    expect(notices(standIn).map((one) => one.text)).toEqual([
      expect.stringMatching(/^#alert-critical cannot be posted to \(is_archived\)/),
    ]);
    expect((await slackState()).detail).toMatch(/#alert-critical .*is_archived.*#k8s-healthchecks/);
    // A message accepted elsewhere makes nothing of that well.
    await post('Minor', 'P3');
    await world.slack.waitFor(() => cards(standIn, 'Minor').length === 1);
    expect((await slackState()).state).toBe('failing');
    expect((await world.call('GET', '/metrics')).text).toMatch(/^gomon_channels_dead 1$/m);
    // What happens next is told by the card there; that of the dead channel adds nothing.
    await world.call('PUT', `/api/v1/alerts/${id}/acknowledge`);
    await world.slack.waitFor(() => cards(standIn, 'Checkout down')[0]?.replies.length === 2);
    await world.advance(61_000);
    expect(cards(standIn, 'Checkout down')).toHaveLength(1);
    expect(cards(standIn, 'Checkout down')[0]?.replies).toHaveLength(2);

    world.slack.unarchive(critical);
    await events();
    await world.call('DELETE', `/api/v1/alerts/${id}`);
    await world.drain();
    for (const where of [critical, standIn])
      expect(cards(where, 'Checkout down').map((one) => one.text)).toEqual([
        expect.stringMatching(/resolved/i),
      ]);
    // The edit showed that it is well.
    expect(await slackState()).toEqual({ state: 'ok' });
    expect(notices(standIn).map((one) => one.text)).toEqual([
      expect.stringMatching(/could not be posted to/),
    ]);
  });

  it('is noticed when Slack says so, before anything is refused', async () => {
    await tell('Here before', 'P1');
    world.slack.archive(critical);
    await events();
    expect((await slackState()).detail).toMatch(/#alert-critical .*is_archived/);
    expect(notices(standIn)).toHaveLength(1);
    await tell('After', 'P1');
    expect(cards(standIn, 'After')).toHaveLength(1);
    expect(world.slack.errors()).toEqual([]);
  });

  it('goes the second path when the stand-in is dead as well', async () => {
    await world.stop();
    const carried: string[] = [];
    const receiver = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => carried.push(chunk.toString('utf8')));
      request.on('end', () => response.end('ok'));
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    world = await startWorld({
      settings: { incidents: { autoCreate: [] } },
      env: { GOMON_FALLBACK_WEBHOOK_URL: `http://127.0.0.1:${port}/` },
    });
    const id = await tell('Nowhere to say it', 'P1');
    setArchived(critical, true);
    setArchived(standIn, true);
    await post('Minor', 'P4');
    await escalate(id);
    await expect.poll(async () => (await slackState()).detail).toMatch(/#alert-critical.*#k8s-healthchecks/);
    for (let n = 0; n < 3; n += 1) await world.advance(30_000);
    await expect.poll(() => carried.filter((one) => one.includes('Nowhere to say it')).length).toBe(1);
    expect(cards(standIn, 'Nowhere to say it')).toEqual([]);
    receiver.close();
  });
});

it('deleted and made anew: an open alert is told in the new one, and none is tried for ever', async () => {
  const id = await tell('Moved', 'P1');
  world.slack.rename(critical, 'alert-critical-old');
  world.slack.addChannel({ name: 'alert-critical' });
  const old = world.slack.channel('alert-critical-old').id;
  world.slack.fault({
    method: 'chat.update',
    kind: 'ok-false',
    error: 'channel_not_found',
    containing: `"channel":"${old}"`,
    times: 1_000,
  });
  await world.call('PUT', `/api/v1/alerts/${id}/escalate`, {});
  await world.drain();
  expect(cards(critical, 'Moved').map((one) => one.text)).toEqual([expect.stringContaining('P0')]);
  expect(world.slack.calls('chat.update').filter((one) => one.args['channel'] === old)).toHaveLength(1);
  expect(await slackState()).toEqual({ state: 'ok' });
  expect(notices(standIn)).toEqual([]);
});

it('another channel may be set as the stand-in', async () => {
  await world.stop();
  world = await startWorld({ settings: { slack: { standIns: { [critical]: '#monitoring-dev' } } } });
  setArchived(critical, true);
  await tell('Elsewhere', 'P1');
  expect(cards('#monitoring-dev', 'Elsewhere')).toHaveLength(1);
  expect(notices('#monitoring-dev')).toHaveLength(1);
  expect(texts(standIn)).toEqual([]);
});
