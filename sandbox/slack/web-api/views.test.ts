import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../json.ts';
import type { SlackSandbox } from '../server.ts';
import { api, button, marked, noteModal, plain, startService, startTestSandbox } from '../testing.ts';
import type { Service } from '../testing.ts';

let sandbox: SlackSandbox;
let service: Service;
let nowMs: number;
beforeEach(async () => {
  nowMs = 1_700_000_000_000;
  sandbox = await startTestSandbox({ now: () => nowMs });
  service = await startService();
  sandbox.deliverTo(service.url);
});
afterEach(async () => {
  await sandbox.close();
  await service.close();
});

/** Somebody clicks; answers the trigger_id of it. */
async function click(): Promise<unknown> {
  const blocks = [{ type: 'actions', elements: [button('note')] }];
  const { ts } = await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'a', blocks });
  await sandbox.click({ channel: 'alert-critical', ts: String(ts), actionId: 'note', user: 'jonas' });
  return service.lastPayload()['trigger_id'];
}
const open = (trigger: unknown, view: JsonObject = noteModal): Promise<JsonObject> =>
  api(sandbox, 'views.open', { trigger_id: trigger, view });

describe('views.open', () => {
  it('opens the modal for the person who clicked, once per trigger', async () => {
    const trigger = await click();
    expect(await open(trigger)).toMatchObject({
      ok: true,
      view: { type: 'modal', callback_id: 'note', hash: expect.any(String), state: { values: {} } },
    });
    expect(sandbox.views()).toMatchObject([{ userId: sandbox.user('jonas').id, type: 'modal' }]);
    expect(await open(trigger)).toMatchObject({ error: 'exchanged_trigger_id' });
  });
  it('wants it within three seconds', async () => {
    const trigger = await click();
    nowMs += 3001;
    expect(await open(trigger)).toMatchObject({ error: 'expired_trigger_id' });
    expect(sandbox.views()).toEqual([]);
  });
  it('still takes it at three seconds', async () => {
    const trigger = await click();
    nowMs += 3000;
    expect(await open(trigger)).toMatchObject({ ok: true });
  });
  it('refuses an unknown trigger and a wrong view, which costs no trigger', async () => {
    expect(await open('1.2.3')).toMatchObject({ error: 'invalid_trigger_id' });
    const trigger = await click();
    expect(await open(trigger, { ...noteModal, title: plain('x'.repeat(25)) })).toEqual({
      ok: false,
      error: 'invalid_arguments',
      response_metadata: {
        messages: ['[ERROR] must be less than 25 characters [json-pointer:/view/title/text]'],
      },
    });
    expect(await open(trigger, { ...noteModal, private_metadata: 'x'.repeat(250_001) })).toMatchObject({
      error: 'view_too_large',
    });
    expect(await open(trigger, { type: 'home', blocks: [{ type: 'divider' }] })).toMatchObject({
      error: 'invalid_arguments',
    });
    expect(await open(trigger)).toMatchObject({ ok: true });
  });
});

describe('views.update', () => {
  it('changes an open view and loses a race loudly', async () => {
    const { view } = (await open(await click())) as { view: { id: string; hash: string } };
    const update = (args: JsonObject): Promise<JsonObject> =>
      api(sandbox, 'views.update', {
        view_id: view.id,
        view: { ...noteModal, title: plain('New') },
        ...args,
      });
    expect(await update({ hash: view.hash })).toMatchObject({ ok: true, view: { title: { text: 'New' } } });
    expect(await update({ hash: view.hash })).toMatchObject({ error: 'hash_conflict' });
    expect(await update({ view_id: 'V0' })).toMatchObject({ error: 'not_found' });
    await sandbox.closeView(view.id);
    expect(await update({})).toMatchObject({ error: 'not_found' });
  });
});

describe('views.publish', () => {
  const home = (text: string): JsonObject => ({
    type: 'home',
    blocks: [{ type: 'section', text: marked(text) }],
  });
  it('keeps one Home tab per person', async () => {
    const user = sandbox.user('ana').id;
    const publish = (args: JsonObject): Promise<JsonObject> =>
      api(sandbox, 'views.publish', { user_id: user, ...args });
    const first = (await publish({ view: home('one') })) as { view: { hash: string } };
    expect(await publish({ view: home('two'), hash: first.view.hash })).toMatchObject({ ok: true });
    expect(await publish({ view: home('three'), hash: first.view.hash })).toMatchObject({
      error: 'hash_conflict',
    });
    expect(sandbox.views()).toMatchObject([
      { type: 'home', userId: user, definition: { blocks: [{ text: { text: 'two' } }] } },
    ]);
    expect(await publish({ view: noteModal })).toMatchObject({ error: 'invalid_arguments' });
    expect(await publish({ view: home('a'), user_id: 'U0' })).toMatchObject({ error: 'invalid_arguments' });
  });
});
