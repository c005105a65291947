import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FaultRule } from '../../../sandbox/slack/faults.ts';
import { startSlackSandbox } from '../../../sandbox/slack/server.ts';
import type { SlackSandbox } from '../../../sandbox/slack/server.ts';
import { describeNotifier } from '../../../test/contract/notifier.ts';
import type { NotifierRig, VendorFault } from '../../../test/contract/notifier.ts';
import { createCardRenderer } from './card-renderer.ts';
import { bareSampleCard, fullSampleCard } from './card-samples.ts';
import { answerCommand, parseCommand } from './commands.ts';
import { parseEvent } from './events.ts';
import { parseInteraction } from './interactions.ts';
import { verifySlackSignature } from './signature.ts';
import { createSlackNotifier } from './slack-notifier.ts';

const botToken = 'xoxb-1234-very-secret';
const signingSecret = 'signing-secret';
const renderer = createCardRenderer();
const patience = new AbortController().signal;

const always = { method: '*', times: 100 };
const faults: Record<VendorFault, FaultRule> = {
  'rate-limit-7s': { ...always, kind: 'rate-limit', retryAfterSeconds: 7 },
  'rate-limit-unnamed': { ...always, kind: 'rate-limit', retryAfterSeconds: null },
  'server-error': { ...always, kind: 'http-500' },
  'applied-then-silent': { ...always, kind: 'timeout-after-applying' },
  'connection-reset': { ...always, kind: 'reset' },
  'not-an-api-answer': { ...always, kind: 'html-200' },
  'channel-gone': { ...always, kind: 'ok-false', error: 'channel_not_found' },
  'missing-permission': { ...always, kind: 'ok-false', error: 'missing_scope' },
  'bad-token': { ...always, kind: 'ok-false', error: 'invalid_auth' },
  'message-refused': { ...always, kind: 'ok-false', error: 'invalid_blocks' },
  'message-gone': { ...always, kind: 'ok-false', error: 'message_not_found' },
};

async function setUp(): Promise<NotifierRig> {
  const sandbox = await startSlackSandbox({ botToken, signingSecret });
  const closed = await startSlackSandbox({ botToken, signingSecret });
  await closed.close();
  const notifier = (apiUrl: string, timeoutMs?: number) =>
    createSlackNotifier({ botToken, apiUrl, renderer, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  return {
    notifier: notifier(sandbox.apiUrl),
    impatient: notifier(sandbox.apiUrl, 100),
    unreachable: notifier(closed.apiUrl),
    channel: '#alert-critical',
    card: fullSampleCard,
    secrets: [botToken, signingSecret],
    fault: (kind) => {
      sandbox.clearFaults();
      sandbox.fault(faults[kind]);
    },
    applied: () =>
      sandbox.waitFor(() => sandbox.messages('#alert-critical').length > 0).then(() => undefined),
    messages: () =>
      sandbox.messages('#alert-critical').map(({ channelId, ts, text, metadata }) => {
        const { event_payload } = metadata as { event_payload: { notification_id: string } };
        return { channelId, messageId: ts, text, notificationId: event_payload.notification_id };
      }),
    close: () => sandbox.close(),
  };
}

describeNotifier('Slack, as the sandbox plays it,', setUp);

describe('between a person in Slack and us', () => {
  let sandbox: SlackSandbox;
  let door: ReturnType<typeof createServer>;
  /** What came in, each verified and read. */
  let received: unknown[];

  beforeEach(async () => {
    received = [];
    door = createServer((request, response) => {
      void (async () => {
        const rawBody = await buffer(request);
        const verdict = verifySlackSignature({
          headers: request.headers,
          rawBody,
          secrets: [signingSecret],
          nowMs: Date.now(),
        });
        const { status, read, answer } = verdict.ok
          ? understood(request.url ?? '', rawBody)
          : { status: 401, read: verdict, answer: undefined };
        received.push(read);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(answer === undefined || answer === null ? '' : JSON.stringify(answer));
      })();
    });
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    sandbox = await startSlackSandbox({ botToken, signingSecret });
    sandbox.deliverTo(`http://127.0.0.1:${(door.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    await sandbox.close();
    door.closeAllConnections();
    await new Promise((resolve) => door.close(resolve));
  });

  function understood(path: string, rawBody: Buffer): { status: number; read: unknown; answer?: unknown } {
    if (path.endsWith('/interactions')) {
      const parsed = parseInteraction(rawBody);
      if (!parsed.ok) return { status: 400, read: parsed };
      const { interaction } = parsed;
      return {
        status: 200,
        read: interaction,
        answer: interaction.kind === 'ignored' ? interaction.answer : null,
      };
    }
    if (path.endsWith('/commands')) {
      const command = parseCommand(rawBody);
      return {
        status: 200,
        read: command,
        answer: command.kind === 'command' ? answerCommand(command) : null,
      };
    }
    const event = parseEvent(rawBody);
    return {
      status: 200,
      read: event,
      answer: event.kind === 'challenge' ? { challenge: event.challenge } : null,
    };
  }

  const slack = () => createSlackNotifier({ botToken, apiUrl: sandbox.apiUrl, renderer });

  it('every button of a card says which alert, which message and which delivery', async () => {
    const card = { ...fullSampleCard, status: 'firing' as const };
    const posted = await slack().post({ channel: '#alert-critical', card, notificationId: 'n-1' }, patience);
    if (!posted.ok) throw new Error(posted.detail);
    const actions = [
      'alert_acknowledge',
      'alert_escalate',
      'alert_create_incident',
      'alert_resolve',
      'alert_add_note',
    ];
    for (const actionId of actions) {
      const delivery = await sandbox.click({ actionId, channel: '#alert-critical', ts: posted.messageId });
      expect(delivery.ok).toBe(true);
    }
    expect(received).toEqual(
      actions.map((actionId) =>
        expect.objectContaining({
          kind: 'button',
          actionId,
          alertId: card.alertId,
          channelId: posted.channelId,
          messageTs: posted.messageId,
          notificationId: 'n-1',
        }),
      ),
    );
    const keys = received.map((read) => (read as { dedupKey: string }).dedupKey);
    expect(new Set(keys).size).toBe(actions.length);
    await sandbox.click({ actionId: 'alert_trace', channel: '#alert-critical', ts: posted.messageId });
    expect(received.at(-1)).toMatchObject({ kind: 'ignored' });
  });

  it('a note goes from the button through the dialog back to its alert', async () => {
    const notifier = slack();
    const posted = await notifier.post(
      { channel: '#alert-critical', card: fullSampleCard, notificationId: 'n' },
      patience,
    );
    if (!posted.ok) throw new Error(posted.detail);
    await sandbox.click({ actionId: 'alert_add_note', channel: '#alert-critical', ts: posted.messageId });
    const { triggerId, alertId } = received[0] as { triggerId: string; alertId: string };
    const target = { alertId, channelId: posted.channelId, messageTs: posted.messageId };
    expect(await notifier.openNoteModal({ triggerId, title: fullSampleCard.title, ...target })).toEqual({
      ok: true,
    });
    expect(await notifier.openNoteModal({ triggerId, title: 'again', ...target })).toMatchObject({
      reason: 'gone',
    });
    const viewId = sandbox.views()[0]?.id ?? '';
    const blank = await sandbox.submitView({ viewId, values: { note: '   ' } });
    expect(Object.keys(blank.errors)).toEqual(['note']);
    await sandbox.submitView({ viewId, values: { note: 'It was the disk.' } });
    expect(received.at(-1)).toMatchObject({ kind: 'note-submitted', text: 'It was the disk.', ...target });
    expect(sandbox.views()).toEqual([]);
  });

  it('a quiet word reaches one person, also through the response_url', async () => {
    const notifier = slack();
    const posted = await notifier.post(
      { channel: '#alert-critical', card: fullSampleCard, notificationId: 'n' },
      patience,
    );
    if (!posted.ok) throw new Error(posted.detail);
    await sandbox.click({ actionId: 'alert_escalate', channel: '#alert-critical', ts: posted.messageId });
    const { userId, responseUrl } = received[0] as { userId: string; responseUrl: string };
    expect(await notifier.postEphemeral({ channelId: posted.channelId, userId, text: 'one' })).toEqual({
      ok: true,
    });
    expect(await notifier.respond(responseUrl, 'two')).toEqual({ ok: true });
    expect(sandbox.ephemerals().map(({ text, userId: to }) => [text, to])).toEqual([
      ['one', userId],
      ['two', userId],
    ]);
    expect(sandbox.messages('#alert-critical')).toHaveLength(1);
  });

  it('commands and the check of the events address are answered', async () => {
    expect((await sandbox.command({ command: '/gomon', text: 'help', channel: '#alert-critical' })).ok).toBe(
      true,
    );
    expect(sandbox.ephemerals()[0]?.text).toContain('/gomon help');
    expect((await sandbox.urlVerification()).challengeMatched).toBe(true);
  });

  it('a post of unknown outcome is found again, and nothing else is', async () => {
    const notifier = slack();
    const since = new Date();
    const stop = new AbortController();
    sandbox.fault({ method: 'chat.postMessage', kind: 'timeout-after-applying' });
    const lost = notifier.post(
      { channel: '#alert-critical', card: bareSampleCard, notificationId: 'lost' },
      stop.signal,
    );
    const [message] = await sandbox.waitFor(() => {
      const messages = sandbox.messages('#alert-critical');
      return messages.length > 0 && messages;
    });
    stop.abort();
    expect(await lost).toMatchObject({ ok: false, reason: 'unknown' });
    const { id: channelId } = sandbox.channel('#alert-critical');
    // By its id, and by the name it was posted to where the answer with the id was lost.
    for (const channel of [channelId, '#alert-critical']) {
      expect(await notifier.findPosted({ channel, notificationId: 'lost', since })).toEqual({
        ok: true,
        found: { channelId, messageId: message?.ts },
      });
      expect(await notifier.findPosted({ channel, notificationId: 'other', since })).toEqual({
        ok: true,
        found: null,
      });
    }
    const nowhere = { channel: '#nowhere', notificationId: 'lost', since };
    expect(await notifier.findPosted(nowhere)).toMatchObject({ ok: false, reason: 'channel' });
  });

  it('Slack finds nothing to complain about', async () => {
    const notifier = slack();
    const long = '<&`*💥 '.repeat(2_000);
    const huge = {
      ...fullSampleCard,
      status: 'firing' as const,
      title: long,
      description: long,
      namespace: long,
    };
    for (const card of [fullSampleCard, bareSampleCard, huge]) {
      const posted = await notifier.post({ channel: '#alert-critical', card, notificationId: 'n' }, patience);
      if (!posted.ok) throw new Error(posted.detail);
      const resolved = { ...card, status: 'resolved' as const, actions: [] };
      const { channelId, messageId } = posted;
      expect(
        await notifier.edit({ channelId, messageId, card: resolved, notificationId: 'n' }, patience),
      ).toEqual(posted);
    }
    expect(sandbox.errors()).toEqual([]);
  });
});
