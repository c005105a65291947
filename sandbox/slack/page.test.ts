import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renderPage } from './page.ts';
import type { SlackSandbox } from './server.ts';
import { api, button, noteModal, startService, startTestSandbox } from './testing.ts';
import type { Service } from './testing.ts';

let sandbox: SlackSandbox;
let service: Service;
beforeEach(async () => {
  sandbox = await startTestSandbox();
  service = await startService();
  sandbox.deliverTo(service.url);
});
afterEach(async () => {
  await sandbox.close();
  await service.close();
});

async function ui(
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${sandbox.url}/ui/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
async function state(user: string): Promise<Record<string, unknown[]>> {
  return (await (await fetch(`${sandbox.url}/ui/state?user=${user}`)).json()) as Record<string, unknown[]>;
}
const card = async (): Promise<string> => {
  const blocks = [{ type: 'actions', elements: [button('alert_acknowledge')] }];
  return String(
    (await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'a', blocks }))['ts'],
  );
};

describe('the page', () => {
  it('is one document that loads nothing from elsewhere and runs only its own script', async () => {
    const response = await fetch(sandbox.url);
    const html = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(html).toContain(`<script type="module" nonce="${nonce}">`);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(html).not.toContain('NONCE');
  });
  it('never builds HTML from text', () => {
    expect(renderPage('n')).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/,
    );
  });
  it('does not carry the text of messages in its HTML', async () => {
    await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: '<script>alert(1)</script>' });
    expect(await (await fetch(sandbox.url)).text()).not.toContain('alert(1)');
    expect((await fetch(`${sandbox.url}/ui/state`)).headers.get('content-type')).toContain(
      'application/json',
    );
  });
  it('clicks through to the service, as the chosen person', async () => {
    const user = sandbox.user('priya').id;
    const answer = await ui('click', {
      channel: sandbox.channel('alert-critical').id,
      ts: await card(),
      actionId: 'alert_acknowledge',
      user,
    });
    expect(answer).toMatchObject({ status: 200, body: { ok: true, status: 200 } });
    expect(service.lastPayload()).toMatchObject({
      user: { id: user },
      actions: [{ action_id: 'alert_acknowledge' }],
    });
  });
  it('submits modals and shows the errors by block', async () => {
    const user = sandbox.user('ana').id;
    await ui('click', { channel: 'alert-critical', ts: await card(), actionId: 'alert_acknowledge', user });
    await api(sandbox, 'views.open', { trigger_id: service.lastPayload()['trigger_id'], view: noteModal });
    expect((await state(sandbox.user('jonas').id))['views']).toEqual([]);
    const [view] = (await state(user))['views'] as { id: string }[];
    const submit = (note: string) => ui('submit', { viewId: view?.id, user, values: { note } });
    expect((await submit('')).body).toMatchObject({
      errors: { note: 'Please complete this required field.' },
    });
    expect((await submit('a')).body).toMatchObject({ ok: true, errors: {} });
    expect((await state(user))['views']).toEqual([]);
  });
  it('shows ephemeral messages to their reader alone, until dismissed', async () => {
    await ui('command', { command: '/gomon', text: 'help', channel: 'alert-critical', user: 'ana' });
    await api(sandbox, 'chat.postEphemeral', {
      channel: 'alert-critical',
      user: sandbox.user('ana').id,
      text: 'psst',
    });
    const [mine] = (await state(sandbox.user('ana').id))['ephemerals'] as { id: string }[];
    expect((await state(sandbox.user('jonas').id))['ephemerals']).toEqual([]);
    await ui('dismiss', { id: mine?.id });
    expect((await state(sandbox.user('ana').id))['ephemerals']).toEqual([]);
  });
  it('says what is wrong instead of failing', async () => {
    expect(
      await ui('click', { channel: 'alert-critical', ts: '1.0', actionId: 'a', user: 'ana' }),
    ).toMatchObject({ status: 400, body: { ok: false } });
    expect(await ui('click', { nonsense: true })).toMatchObject({
      status: 400,
      body: { failure: 'the page sent something unexpected' },
    });
  });
  it('cannot be driven from another site', async () => {
    const ts = await card();
    const click = { channel: 'alert-critical', ts, actionId: 'alert_acknowledge', user: 'ana' };
    expect((await ui('click', click, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await ui('click', click, { origin: sandbox.url })).status).toBe(200);
    expect(service.received).toHaveLength(1);
  });
  it('is told of changes as they happen', async () => {
    const response = await fetch(`${sandbox.url}/ui/events`);
    const reader = response.body?.getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
    expect(await read()).toContain('data: hello');
    sandbox.say({ channel: 'alert-critical', text: 'hi' });
    expect(await read()).toBe('data: changed\n\n');
    await reader?.cancel();
  });
});
