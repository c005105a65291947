import { describe, expect, it } from 'vitest';
import { parseInteraction } from './interactions.ts';
import { noteModal } from './note-modal.ts';

const alertId = '01998a3c-0000-7000-8000-000000000001';
const body = (payload: unknown): Buffer =>
  Buffer.from(new URLSearchParams({ payload: JSON.stringify(payload) }).toString());

const click = {
  type: 'block_actions',
  user: { id: 'U0ANN00001', username: 'ann', name: 'ann.example', team_id: 'T0001' },
  team: { id: 'T0001', domain: 'example' },
  container: {
    type: 'message',
    message_ts: '1772359200.000100',
    channel_id: 'C0CRITICAL',
    is_ephemeral: false,
  },
  channel: { id: 'C0CRITICAL', name: 'alert-critical' },
  message: {
    ts: '1772359200.000100',
    text: 'P1 firing',
    metadata: { event_type: 'gomon_alert', event_payload: { alert_id: alertId, notification_id: 'n-1' } },
  },
  trigger_id: '111.222.abc',
  response_url: 'https://hooks.slack.com/actions/T0001/1/x',
  actions: [
    {
      type: 'button',
      action_id: 'alert_acknowledge',
      block_id: 'a',
      value: alertId,
      action_ts: '1772359260.5',
    },
  ],
};
const withAction = (action: Record<string, unknown>) => ({
  ...click,
  actions: [{ ...click.actions[0], ...action }],
});

describe('a click', () => {
  it('is the same over the socket, so that either finds the other by its key', () => {
    expect(parseInteraction({ payload: click })).toEqual(parseInteraction(body(click)));
  });

  it.each([[undefined], [null], ['x'], [[]]])('over the socket as %j is none', (payload) => {
    expect(parseInteraction({ payload })).toEqual({ ok: false, reason: 'the payload has no "type"' });
  });

  it('is read in full', () => {
    expect(parseInteraction(body(click))).toEqual({
      ok: true,
      interaction: {
        kind: 'button',
        actionId: 'alert_acknowledge',
        alertId,
        userId: 'U0ANN00001',
        userName: 'ann.example',
        channelId: 'C0CRITICAL',
        messageTs: '1772359200.000100',
        triggerId: '111.222.abc',
        responseUrl: 'https://hooks.slack.com/actions/T0001/1/x',
        actionTs: '1772359260.5',
        notificationId: 'n-1',
        dedupKey: 'click:U0ANN00001:alert_acknowledge:C0CRITICAL:1772359200.000100:1772359260.5',
      },
    });
  });

  it.each([alertId, JSON.stringify({ alertId }), JSON.stringify({ alertId, version: 3 })])(
    'takes the value %s',
    (value) => {
      expect(parseInteraction(body(withAction({ value })))).toMatchObject({ interaction: { alertId } });
    },
  );

  it('has a key of its own, whatever else the delivery carries', () => {
    const key = (payload: unknown): unknown => {
      const parsed = parseInteraction(body(payload));
      return parsed.ok && parsed.interaction.kind === 'button' ? parsed.interaction.dedupKey : undefined;
    };
    expect(key({ ...click, trigger_id: 'other', response_url: undefined })).toBe(key(click));
    expect(key(withAction({ action_ts: '1772359261.0' }))).not.toBe(key(click));
    expect(key({ ...click, user: { id: 'U0BOB' } })).not.toBe(key(click));
    expect(key(withAction({ action_id: 'alert_resolve' }))).not.toBe(key(click));
    expect(key({ ...click, container: { message_ts: '1.2', channel_id: 'C0CRITICAL' } })).not.toBe(
      key(click),
    );
  });

  it('is found among several actions', () => {
    const actions = [{ action_id: 'something' }, ...click.actions];
    expect(parseInteraction(body({ ...click, actions }))).toMatchObject({
      interaction: { actionId: 'alert_acknowledge' },
    });
  });

  it.each([
    undefined,
    { event_type: 'other', event_payload: { notification_id: 'n-1' } },
    'nonsense',
    { event_type: 1 },
  ])('does without metadata such as %j', (metadata) => {
    const payload = { ...click, message: { ...click.message, metadata } };
    expect(parseInteraction(body(payload))).toMatchObject({
      ok: true,
      interaction: { notificationId: null },
    });
  });

  it.each(['alert_trace', 'WaXA'])('on %s is ignored', (action_id) => {
    expect(parseInteraction(body(withAction({ action_id })))).toMatchObject({
      ok: true,
      interaction: { kind: 'ignored', answer: null },
    });
  });

  it.each([
    ['no user', { ...click, user: undefined }, 'unreadable block_actions'],
    ['no actions', { ...click, actions: 'x' }, 'unreadable block_actions'],
    ['no type', { user: click.user }, 'no "type"'],
  ])('with %s is refused', (_what, payload, reason) => {
    expect(parseInteraction(body(payload))).toEqual({ ok: false, reason: expect.stringContaining(reason) });
  });

  it.each([
    ['no alert', withAction({ value: undefined })],
    ['null for it', withAction({ value: null })],
    ['another value', withAction({ value: "x'; drop table alerts" })],
    ['JSON without alertId', withAction({ value: '{"id":"1"}' })],
  ])('with %s has nothing to do, which is no error to Slack', (_what, payload) => {
    expect(parseInteraction(body(payload))).toMatchObject({ ok: true, interaction: { kind: 'ignored' } });
  });

  it.each([
    ['nothing', { container: undefined, message: undefined, channel: undefined }],
    ['null', { container: null, message: null, channel: null, response_url: null }],
    ['our page in the app', { container: { type: 'view', view_id: 'V1' }, message: null, channel: null }],
  ])('with %s for its place is a click like any other', (_what, place) => {
    expect(parseInteraction(body({ ...click, ...place }))).toMatchObject({
      ok: true,
      interaction: { kind: 'button', alertId, channelId: null, messageTs: null },
    });
  });

  it('that is no form or no JSON is refused', () => {
    expect(parseInteraction(Buffer.from('{"type":"block_actions"}'))).toMatchObject({ ok: false });
    expect(parseInteraction(Buffer.from('payload=%7B'))).toMatchObject({ ok: false });
    expect(parseInteraction(Buffer.alloc(0))).toMatchObject({ ok: false });
  });
});

describe('a submitted note', () => {
  const view = noteModal(
    { alertId, channelId: 'C0CRITICAL', messageTs: '1772359200.000100' },
    'payments-api <slow>',
  );
  const submission = (value: string | null) => ({
    type: 'view_submission',
    user: click.user,
    view: {
      ...view,
      id: 'V1',
      hash: 'h',
      state: { values: { note: { text: { type: 'plain_text_input', value } } } },
    },
  });

  it('comes back with the alert and the message it was opened from', () => {
    expect(parseInteraction(body(submission(' It was the disk.\n')))).toEqual({
      ok: true,
      interaction: {
        kind: 'note-submitted',
        alertId,
        text: 'It was the disk.',
        channelId: 'C0CRITICAL',
        messageTs: '1772359200.000100',
        userId: 'U0ANN00001',
        userName: 'ann.example',
        dedupKey: 'note:U0ANN00001:V1',
      },
    });
  });

  it.each(['', '  \n', null])('that says nothing (%j) is sent back with a word about it', (value) => {
    expect(parseInteraction(body(submission(value)))).toMatchObject({
      ok: true,
      interaction: {
        kind: 'ignored',
        answer: { response_action: 'errors', errors: { note: expect.any(String) } },
      },
    });
  });

  it('of another dialog is ignored, and one without its alert refused', () => {
    const other = submission('x');
    expect(parseInteraction(body({ ...other, view: { ...other.view, callback_id: 'x' } }))).toMatchObject({
      interaction: { kind: 'ignored' },
    });
    for (const private_metadata of ['', '{}', '{"alertId":""}', 'x']) {
      expect(parseInteraction(body({ ...other, view: { ...other.view, private_metadata } }))).toMatchObject({
        ok: false,
      });
    }
  });

  it('is asked for within the limits of a dialog', () => {
    const { title, submit, close, private_metadata, blocks } = noteModal(
      { alertId, channelId: 'C', messageTs: '1.2' },
      '<!channel>\n'.repeat(500),
    );
    for (const label of [title, submit, close]) expect(label?.text.length).toBeLessThanOrEqual(24);
    expect(private_metadata?.length).toBeLessThanOrEqual(3_000);
    expect(JSON.stringify(blocks)).not.toContain('<!channel>');
  });
});
