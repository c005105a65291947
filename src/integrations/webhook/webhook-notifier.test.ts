import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AlertCard } from '../../notify/message.ts';
import { createWebhookNotifier } from './webhook-notifier.ts';

const card: AlertCard = {
  alertId: '01',
  kind: 'alert',
  title: 'Node is down',
  description: 'for five minutes',
  severity: 'P0',
  status: 'firing',
  source: 'grafana',
  namespace: 'shop',
  labels: [{ name: 'node', value: 'n1' }],
  startsAt: new Date('2026-11-22T10:00:00Z'),
  silentSince: null,
  resolvedAt: null,
  acknowledgedBy: { id: 'ann@example.org', name: 'Ann', slackId: null },
  acknowledgedAt: null,
  resolvedBy: null,
  assignedTo: null,
  occurrences: 1,
  stateReason: null,
  values: [],
  notes: [],
  rules: [],
  incident: { id: 'i1', title: 'Node is down', status: 'open', url: null },
  trace: null,
  links: [],
  url: 'https://gomon.example.org/a/01',
  actions: [],
};

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A receiver that answers each call with the next status, and what it got. */
async function receiver(status: number, headers: Record<string, string> = {}, answer = 'thanks') {
  const got: { body: unknown; contentType: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      got.push({ body, contentType: request.headers['content-type'] });
      response.writeHead(status, headers).end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => void (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got };
}

const { signal } = new AbortController();

describe('the webhook notifier', () => {
  it('posts each state of a message as JSON under one id, whatever the receiver answers in', async () => {
    const { url, got } = await receiver(200);
    const notifier = createWebhookNotifier({ url });
    const told = { channel: 'webhook', card, notificationId: 'n-1' };
    expect(await notifier.post(told, signal)).toEqual({ ok: true, channelId: 'webhook', messageId: 'n-1' });
    const resolved = { ...card, status: 'resolved' as const, resolvedAt: new Date('2026-11-22T10:05:00Z') };
    await notifier.edit({ ...told, card: resolved, channelId: 'webhook', messageId: 'n-1' }, signal);
    expect(got).toEqual([
      {
        contentType: 'application/json',
        body: {
          event: 'alert',
          notificationId: 'n-1',
          alert: {
            id: '01',
            severity: 'P0',
            status: 'firing',
            title: 'Node is down',
            description: 'for five minutes',
            source: 'grafana',
            namespace: 'shop',
            startsAt: '2026-11-22T10:00:00.000Z',
            resolvedAt: null,
            acknowledgedBy: 'Ann',
            assignedTo: null,
            labels: { node: 'n1' },
            url: 'https://gomon.example.org/a/01',
          },
          incident: { id: 'i1', title: 'Node is down', status: 'open', url: null },
        },
      },
      expect.objectContaining({
        body: expect.objectContaining({
          notificationId: 'n-1',
          alert: expect.objectContaining({ status: 'resolved', resolvedAt: '2026-11-22T10:05:00.000Z' }),
        }),
      }),
    ]);
  });

  it.each([
    [429, { 'retry-after': '7' }, { reason: 'rate-limited', retryAfterMs: 7_000 }],
    [429, {}, { reason: 'rate-limited' }],
    [500, {}, { reason: 'unavailable' }],
    [503, { 'retry-after': '3' }, { reason: 'unavailable', retryAfterMs: 3_000 }],
    [401, {}, { reason: 'auth' }],
    [404, {}, { reason: 'channel' }],
    [422, {}, { reason: 'payload' }],
  ])('reads %i %o', async (status, headers, expected) => {
    const { url } = await receiver(status, headers);
    const notifier = createWebhookNotifier({ url });
    expect(await notifier.post({ channel: 'webhook', card, notificationId: 'n' }, signal)).toMatchObject({
      ok: false,
      code: `http_${status}`,
      ...expected,
    });
  });

  it('says that nobody is there without naming the address, which may hold a secret', async () => {
    const { url } = await receiver(200);
    for (const close of closing.splice(0)) close();
    const answer = await createWebhookNotifier({ url: `${url}?token=s3cret` }).post(
      { channel: 'webhook', card, notificationId: 'n' },
      signal,
    );
    expect(answer).toMatchObject({ ok: false, reason: 'unavailable', code: 'ECONNREFUSED' });
    expect(JSON.stringify(answer)).not.toContain('s3cret');
  });
});
