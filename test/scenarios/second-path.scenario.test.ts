import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

/** Slack or Opsgenie is down: P0 and P1 reach people all the same, once each way. */
let world: World;
let receiver: Server;
let got: { notificationId: string; alert: { title: string; status: string; severity: string } }[];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      got.push(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  world = await startWorld({
    opsgenieStatusAsks: 0,
    env: { GOMON_FALLBACK_WEBHOOK_URL: `http://127.0.0.1:${port}/hook` },
  });
});
afterAll(async () => {
  await world.stop();
  receiver.close();
});
beforeEach(() => {
  got = [];
});

async function report(title: string, severity: string, status = 'firing'): Promise<void> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title, status });
  expect([200, 201]).toContain(answer.status);
}
const cards = (title: string) =>
  ['#alert-critical', '#k8s-healthchecks'].flatMap((channel) =>
    world.slack.messages(channel).filter((one) => one.threadTs === null && one.text.includes(title)),
  );
/** Lets time pass until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  await expect
    .poll(
      async () => {
        await world.advance(6_000);
        return isSo();
      },
      { timeout: 20_000, interval: 250 },
    )
    .toBe(true);
}

it('the webhook carries a P0 and a P1 that Slack does not take, and their ends; a P3 waits', async () => {
  world.slack.fault({ method: '*', kind: 'http-500', times: 100_000 });
  for (const severity of ['P0', 'P1', 'P3']) await report(`Down ${severity}`, severity);
  await until(() => got.length >= 2);
  expect(got.map((one) => one.alert.title).toSorted()).toEqual(['Down P0', 'Down P1']);
  // The incident is open as well: whoever is on call is paged.
  expect(world.opsgenie.alerts().filter((one) => one.message.includes('Down'))).toHaveLength(2);

  await report('Down P0', 'P0', 'resolved');
  await until(() => got.some((one) => one.alert.status === 'resolved'));
  expect(got.filter((one) => one.alert.title === 'Down P0').map((one) => one.alert.status)).toEqual([
    'firing',
    'resolved',
  ]);

  world.slack.clearFaults();
  await until(() => ['P0', 'P1', 'P3'].every((severity) => cards(`Down ${severity}`).length === 1));
  await world.drain();
  for (const severity of ['P0', 'P1', 'P3']) expect(cards(`Down ${severity}`), severity).toHaveLength(1);
  expect(cards('Down P0')[0]?.text).toMatch(/resolved/i);
  expect(got.filter((one) => one.alert.title === 'Down P1')).toHaveLength(1);
  expect(got.some((one) => one.alert.title === 'Down P3')).toBe(false);
});

it('people hear when Slack is back that it was away, once', async () => {
  const notices = () =>
    world.slack.messages('#alert-critical').filter((one) => one.text.startsWith('Slack did not'));
  await until(() => notices().length > 0);
  await world.advance(6_000);
  await world.drain();
  expect(notices()).toHaveLength(1);
});

it('says in the thread that the incident is not open yet, tells of Opsgenie once, and opens it once it is back', async () => {
  world.opsgenie.fault({ effect: 'status', status: 503, times: 100_000 });
  await report('Nobody paged', 'P0');
  const lines = () =>
    cards('Nobody paged')[0]?.replies.filter((one) => one.text.includes('not open at Opsgenie')) ?? [];
  const notices = () =>
    world.slack.messages('#alert-critical').filter((one) => /^Opsgenie (?:does not|answers)/.test(one.text));
  await until(() => lines().length > 0);
  for (let n = 0; n < 5; n += 1) await report(`Also ${n}`, 'P1');
  await until(() => notices().length > 0);
  expect(notices()[0]?.text).toMatch(/^Opsgenie does not answer since/);
  // Also after it was tried again in vain.
  expect(await world.call('GET', '/readyz')).toMatchObject({
    status: 200,
    body: {
      dependencies: {
        opsgenie: { state: 'failing', detail: expect.stringMatching(/^calls are held back: .*503/) },
      },
    },
  });
  expect((await world.call('GET', '/metrics')).text).toMatch(/gomon_circuit_open\{target="opsgenie"\} 1/);

  world.opsgenie.clearFaults();
  await until(() => world.opsgenie.alerts().some((one) => one.message.includes('Nobody paged')));
  await until(() => notices().some((one) => one.text.startsWith('Opsgenie answers again')));
  await world.drain();
  expect(lines()).toHaveLength(1);
  expect(notices()).toHaveLength(1);
  expect(cards('Nobody paged')).toHaveLength(1);
  expect(world.opsgenie.alerts().filter((one) => one.message.includes('Nobody paged'))).toHaveLength(1);
  expect((await world.call('GET', '/metrics')).text).toMatch(/gomon_circuit_open\{target="opsgenie"\} 0/);
});
