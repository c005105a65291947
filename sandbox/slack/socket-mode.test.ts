import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { isObject, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import type { SlackSandbox, SlackSandboxOptions } from './server.ts';
import { api, appToken, botToken, callForm, startTestSandbox } from './testing.ts';

const open: SlackSandbox[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function start(options: Partial<SlackSandboxOptions> = {}): Promise<SlackSandbox> {
  const sandbox = await startTestSandbox({ socketMode: true, ...options });
  open.push(sandbox);
  return sandbox;
}

async function openUrl(sandbox: SlackSandbox): Promise<string> {
  const answer = (await (
    await callForm(sandbox, 'apps.connections.open', {}, appToken)
  ).json()) as JsonObject;
  return String(answer['url']);
}

type App = { received: JsonObject[]; socket: WebSocket };

/** An app at the other end; `answer` is sent for each envelope, nothing when it is null. */
async function connect(
  sandbox: SlackSandbox,
  answer: (envelope: JsonObject) => JsonObject | null = ({ envelope_id }) => ({ envelope_id }),
): Promise<App> {
  const socket = new WebSocket(await openUrl(sandbox));
  const received: JsonObject[] = [];
  socket.on('message', (data) => {
    const message = parseJson(String(data));
    if (!isObject(message)) return;
    received.push(message);
    const reply = 'envelope_id' in message ? answer(message) : null;
    if (reply) socket.send(JSON.stringify(reply));
  });
  await once(socket, 'message');
  return { received, socket };
}

const command = { command: '/gomon', text: 'help', channel: '#alert-critical' };

describe('apps.connections.open', () => {
  it('takes the app token only, and the other methods the bot token only', async () => {
    const sandbox = await start();
    const ask = async (method: string, token: string): Promise<unknown> =>
      ((await (await callForm(sandbox, method, {}, token)).json()) as JsonObject)['error'];
    expect(await openUrl(sandbox)).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/link\/\?ticket=/);
    expect(await ask('apps.connections.open', 'xapp-other')).toBe('invalid_auth');
    expect(await ask('apps.connections.open', botToken)).toBe('not_allowed_token_type');
    expect(await ask('auth.test', appToken)).toBe('not_allowed_token_type');
    expect(await ask('auth.test', 'xoxb-other')).toBe('invalid_auth');
    expect(await api(sandbox, 'auth.test')).toMatchObject({ ok: true });
  });

  it('gives an address for one connection', async () => {
    const sandbox = await start();
    const url = await openUrl(sandbox);
    const first = new WebSocket(url);
    const [hello] = (await once(first, 'message')) as [Buffer];
    expect(parseJson(String(hello))).toMatchObject({ type: 'hello', num_connections: 1 });
    for (const again of [url, url.replace(/ticket=[^&]+/, 'ticket=made-up')]) {
      const [error] = (await once(new WebSocket(again), 'error')) as [Error];
      expect(error.message).toContain('403');
    }
  });
});

describe('over the socket', () => {
  it('go commands, interactions and events in their envelopes, in turn over all connections', async () => {
    const sandbox = await start();
    const one = await connect(sandbox, ({ envelope_id }) => ({ envelope_id, payload: { text: 'one' } }));
    const two = await connect(sandbox, ({ envelope_id }) => ({ envelope_id, payload: { text: 'two' } }));
    await sandbox.command(command);
    await sandbox.command(command);
    expect(
      sandbox
        .ephemerals()
        .map(({ text }) => text)
        .toSorted(),
    ).toEqual(['one', 'two']);
    expect(one.received.at(-1)).toMatchObject({
      type: 'slash_commands',
      envelope_id: expect.any(String),
      accepts_response_payload: true,
      payload: { command: '/gomon', text: 'help' },
    });
    two.socket.close();
    await sandbox.waitFor(() => sandbox.sockets.connections === 1);
    const posted = await api(sandbox, 'chat.postMessage', {
      channel: 'alert-critical',
      text: 'x',
      blocks: [
        {
          type: 'actions',
          elements: [{ type: 'button', action_id: 'b', text: { type: 'plain_text', text: 'b' } }],
        },
      ],
    });
    await sandbox.click({ channel: '#alert-critical', ts: String(posted['ts']), actionId: 'b' });
    expect(one.received.at(-1)).toMatchObject({ type: 'interactive', payload: { type: 'block_actions' } });
    await sandbox.event({ type: 'x' });
    expect(one.received.at(-1)).toMatchObject({
      type: 'events_api',
      accepts_response_payload: false,
      retry_attempt: 0,
      payload: { type: 'event_callback', event: { type: 'x' } },
    });
    // The event's acknowledgement carried something that Slack does not take.
    expect(sandbox.errors()).toMatchObject([{ where: 'socket', error: 'payload_not_accepted' }]);
  });

  it('an event that is not acknowledged comes again', async () => {
    const sandbox = await start({ answerLimitMs: 50, eventRetryDelaysMs: [0] });
    const app = await connect(sandbox, ({ envelope_id, retry_attempt }) =>
      retry_attempt === 1 ? { envelope_id } : null,
    );
    expect(await sandbox.event({ type: 'x' })).toMatchObject({ ok: false, failure: 'http_timeout' });
    await sandbox.waitFor(() => sandbox.deliveries().some(({ retry, ok }) => retry === 1 && ok));
    const [, first, second] = app.received;
    expect(second).toMatchObject({ retry_attempt: 1, retry_reason: 'http_timeout' });
    expect(second?.['payload']).toEqual(first?.['payload']);
    expect(second?.['envelope_id']).not.toBe(first?.['envelope_id']);
  });

  it('nothing goes while there is no connection, nor over HTTP', async () => {
    const sandbox = await start({ eventRetryDelaysMs: [] });
    expect(await sandbox.command(command)).toMatchObject({ ok: false, failure: 'connection_failed' });
    const app = await connect(sandbox, () => null);
    const delivery = sandbox.event({ type: 'x' });
    await once(app.socket, 'message');
    sandbox.sockets.drop();
    expect(await delivery).toMatchObject({ failure: 'connection_failed', via: 'socket' });
  });

  it('an acknowledgement of nothing is noted', async () => {
    const sandbox = await start();
    const app = await connect(sandbox);
    app.socket.send(JSON.stringify({ envelope_id: 'made-up' }));
    await sandbox.waitFor(() => sandbox.errors().some(({ error }) => error === 'unknown_envelope'));
  });

  it('Slack says goodbye, and closes a while later', async () => {
    const sandbox = await start();
    const app = await connect(sandbox);
    sandbox.sockets.disconnect('refresh_requested', 0);
    await once(app.socket, 'close');
    expect(app.received.at(-1)).toMatchObject({ type: 'disconnect', reason: 'refresh_requested' });
    await sandbox.waitFor(() => sandbox.sockets.connections === 0);
  });
});
