import { connect } from 'node:net';
import { WebClient } from '@slack/web-api';
import { describe, expect, it } from 'vitest';
import { api, botToken, button, startService, startTestSandbox } from './testing.ts';

describe('the real SDK', () => {
  it('posts, edits, reads back and looks people up', async () => {
    const sandbox = await startTestSandbox();
    const client = new WebClient(botToken, {
      slackApiUrl: sandbox.apiUrl,
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
    });
    const metadata = { event_type: 'gomon_alert', event_payload: { alert_id: 'a1' } };
    const blocks = [{ type: 'section' as const, text: { type: 'mrkdwn' as const, text: '*P1*' } }];
    const posted = await client.apiCall('chat.postMessage', {
      channel: '#alert-critical',
      text: 'P1',
      blocks,
      metadata,
    });
    const { channel, ts } = posted as unknown as { channel: string; ts: string };
    const at = { channel, ts };
    await client.chat.update({ ...at, text: 'resolved', blocks });
    const history = await client.conversations.history({
      channel: at.channel,
      include_all_metadata: true,
      oldest: at.ts,
      inclusive: true,
    });
    expect(history.messages).toMatchObject([{ ts: at.ts, text: 'resolved', metadata }]);
    expect((await client.users.lookupByEmail({ email: 'ana@example.com' })).user?.id).toBe(
      sandbox.user('ana').id,
    );
    expect((await client.auth.test()).response_metadata?.scopes).toContain('chat:write');
    await expect(
      client.chat.update({ channel: '#alert-critical', ts: at.ts, text: 'a' }),
    ).rejects.toMatchObject({ data: { error: 'channel_not_found' } });
    sandbox.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds: 3 });
    await expect(
      client.apiCall('chat.postMessage', { channel: at.channel, text: 'a' }),
    ).rejects.toMatchObject({
      retryAfter: 3,
    });
    sandbox.fault({ method: 'chat.postMessage', kind: 'http-500' });
    await expect(
      client.apiCall('chat.postMessage', { channel: at.channel, text: 'a' }),
    ).rejects.toMatchObject({
      statusCode: 500,
    });
    await sandbox.close();
  });
});

describe('waitFor', () => {
  it('resolves on the change that makes it true, with the answer', async () => {
    const sandbox = await startTestSandbox();
    const waiting = sandbox.waitFor(() =>
      sandbox.messages('alert-critical').find((each) => each.text === 'b'),
    );
    await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'a' });
    await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'b' });
    expect((await waiting).text).toBe('b');
    await sandbox.close();
  });
  it('gives up after its time, on an error, and when the sandbox closes', async () => {
    const sandbox = await startTestSandbox();
    await expect(sandbox.waitFor(() => false, 1)).rejects.toThrow('not seen within 1 ms');
    await expect(sandbox.waitFor(() => sandbox.channel('nowhere'))).rejects.toThrow('could not be evaluated');
    const waiting = sandbox.waitFor(() => false);
    const [outcome] = await Promise.allSettled([waiting, sandbox.close()]);
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('closed') },
    });
  });
});

describe('close', () => {
  it('ends held calls, open pages and deliveries, and leaves no timer or socket', async () => {
    const before = process
      .getActiveResourcesInfo()
      .filter((each) => each === 'Timeout' || each.startsWith('TCP')).length;
    const service = await startService(() => 'silence');
    const sandbox = await startTestSandbox();
    sandbox.deliverTo(service.url);
    const blocks = [{ type: 'actions', elements: [button('b')] }];
    const { ts } = await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'a', blocks });
    const { port } = new URL(sandbox.url);
    const page = connect(Number(port), '127.0.0.1');
    page.write('GET /ui/events HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => page.once('data', resolve));
    const pageEnded = new Promise((resolve) => page.once('close', resolve));
    sandbox.fault({ method: 'auth.test', kind: 'timeout-before' });
    const held = connect(Number(port), '127.0.0.1');
    held.write('GET /api/auth.test HTTP/1.1\r\nHost: a\r\n\r\n');
    await sandbox.waitFor(() => sandbox.calls('auth.test').length === 1);
    const heldEnded = new Promise((resolve) => held.on('error', resolve).once('close', resolve));
    const click = sandbox.click({ channel: 'alert-critical', ts: String(ts), actionId: 'b' });
    await sandbox.close();
    await Promise.all([pageEnded, heldEnded]);
    expect(await click).toMatchObject({ ok: false, failure: 'connection_failed' });
    await service.close();
    await new Promise((resolve) => setImmediate(resolve));
    const after = process
      .getActiveResourcesInfo()
      .filter((each) => each === 'Timeout' || each.startsWith('TCP')).length;
    // The test's own fetch may keep one idle connection for a moment.
    expect(after - before).toBeLessThanOrEqual(2);
  });
});
