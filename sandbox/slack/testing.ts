import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from './json.ts';
import { startSlackSandbox } from './server.ts';
import type { SlackSandbox, SlackSandboxOptions } from './server.ts';

/** Helpers of the sandbox's own tests: a plain client and a stand-in for the service. */

export const botToken = 'xoxb-test-token';
export const appToken = 'xapp-test-token';
export const signingSecret = 'test-signing-secret';

export function startTestSandbox(options: Partial<SlackSandboxOptions> = {}): Promise<SlackSandbox> {
  return startSlackSandbox({ botToken, appToken, signingSecret, limits: 'off', ...options });
}

/** A Web API call as the SDK makes it: a form, with structured arguments JSON-encoded in their fields. */
export async function callForm(
  sandbox: SlackSandbox,
  method: string,
  args: JsonObject = {},
  token = botToken,
): Promise<Response> {
  const fields = Object.entries(args).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return fetch(sandbox.apiUrl + method, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: new URLSearchParams(Object.fromEntries(fields) as Record<string, string>).toString(),
  });
}

export async function api(sandbox: SlackSandbox, method: string, args: JsonObject = {}): Promise<JsonObject> {
  return (await (await callForm(sandbox, method, args)).json()) as JsonObject;
}

export type Received = { path: string; headers: IncomingHttpHeaders; body: string };
export type Reply = { status?: number; body?: string; json?: unknown; headers?: Record<string, string> };

export type Service = {
  url: string;
  received: Received[];
  /** The JSON of the `payload` field of the last interaction. */
  lastPayload(): JsonObject;
  close(): Promise<void>;
};

/** A service behind the three webhooks. `answer: 'silence'` never answers, 'break' drops the connection. */
export async function startService(
  answer: (request: Received, count: number) => Reply | 'silence' | 'break' = () => ({}),
): Promise<Service> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const seen = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      received.push(seen);
      const reply = answer(seen, received.length);
      if (reply === 'silence') return;
      if (reply === 'break') {
        request.socket.destroy();
        return;
      }
      const body = reply.json === undefined ? (reply.body ?? '') : JSON.stringify(reply.json);
      const type: Record<string, string> =
        reply.json === undefined ? {} : { 'content-type': 'application/json' };
      response.writeHead(reply.status ?? 200, { ...type, ...reply.headers }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    lastPayload: () =>
      JSON.parse(new URLSearchParams(received.at(-1)?.body).get('payload') ?? '{}') as JsonObject,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export const plain = (text: string): JsonObject => ({ type: 'plain_text', text });
export const marked = (text: string): JsonObject => ({ type: 'mrkdwn', text });
export const button = (actionId: string, more: JsonObject = {}): JsonObject => ({
  type: 'button',
  action_id: actionId,
  text: plain('Press'),
  value: 'v1',
  ...more,
});
export const noteModal: JsonObject = {
  type: 'modal',
  callback_id: 'note',
  private_metadata: '{"alertId":"a1"}',
  title: plain('Add a note'),
  submit: plain('Add'),
  blocks: [
    {
      type: 'input',
      block_id: 'note',
      label: plain('Note'),
      element: { type: 'plain_text_input', action_id: 'text' },
    },
  ],
};
