import { v5 as uuidV5 } from 'uuid';
import type {
  ChecksChannels,
  FindsPosted,
  MessageContent,
  Notifier,
  NotifyFailure,
  NotifyResult,
} from '../../notify/notifier.ts';
import { messageEventType } from './action-ids.ts';
import type { CardRenderer } from './card-renderer.ts';
import { findPostedMessage } from './find-posted.ts';
import { checkSlackChannel } from './check-channel.ts';
import { createMembership } from './membership.ts';
import { noteModal, type NoteTarget } from './note-modal.ts';
import { respondToUrl } from './response-url.ts';
import { callSlack } from './slack-call.ts';
import type { SlackAnswer, SlackConnection, SlackRequest } from './slack-call.ts';
import { failure } from './slack-failure.ts';
import { cutPlain, displayText, escapeMrkdwn } from './slack-text.ts';

export type SlackNotifierOptions = {
  botToken: string;
  /** Base of the Web API, `https://slack.com/api/` or a sandbox's. */
  apiUrl: string;
  /** For calls nobody waits for; default 10 s. */
  timeoutMs?: number;
  renderer: CardRenderer;
  /** Told when Slack refused the blocks of a card and it was sent as text alone. */
  onBlocksRefused?: (refusal: NotifyFailure, alertId: string) => void;
};

/** The Notifier port, and what only Slack can do. All calls answer their outcome; none retries. */
export interface SlackNotifier extends Notifier, FindsPosted, ChecksChannels {
  /** Tells one person in a channel something that others do not see. `text` is plain text. */
  postEphemeral(
    message: { channelId: string; userId: string; text: string },
    signal?: AbortSignal,
  ): Promise<Done>;
  /** Answers a click or command through its `response_url`: for where `postEphemeral` cannot. `text` is plain text. */
  respond(responseUrl: string, text: string, signal?: AbortSignal): Promise<Done>;
  /** Opens the dialog for a note. Has to happen within 3 s of the click: `gone` when it was too late. */
  openNoteModal(
    request: { triggerId: string; title: string } & NoteTarget,
    signal?: AbortSignal,
  ): Promise<Done>;
  /** `gone` when there is no such person. E-mail needs the scope `users:read.email`, and is null without. */
  userById(id: string, signal?: AbortSignal): Promise<{ ok: true; user: SlackUser } | NotifyFailure>;
  /** Who we are, and the scopes we were granted. */
  authTest(signal?: AbortSignal): Promise<({ ok: true } & SlackIdentity) | NotifyFailure>;
}

export type Done = { ok: true } | NotifyFailure;
export type SlackUser = { id: string; name: string; email: string | null };
export type SlackIdentity = {
  teamId: string;
  team: string;
  userId: string;
  botId: string | null;
  scopes: string[];
};

const defaultTimeoutMs = 10_000;
/** A trigger lives 3 s from the click, and part of that is gone when we hear of it. */
const interactiveTimeoutMs = 2_000;

// Any fixed UUID: makes `client_msg_id` the same for each attempt at a notification.
const messageIdNamespace = '6f4d2c1e-0b5a-4f0e-9d53-2f6c7a1be0d4';

type Target =
  | { channel: string }
  | { channel: string; thread_ts: string; reply_broadcast: boolean }
  | { channel: string; ts: string };

/** Calls nothing by itself: Slack may be down when the service starts. */
export function createSlackNotifier(options: SlackNotifierOptions): SlackNotifier {
  const connection: SlackConnection = {
    token: options.botToken,
    apiUrl: options.apiUrl,
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
  };
  const { apiUrl } = options;
  const call = (request: SlackRequest): Promise<SlackAnswer | NotifyFailure> =>
    callSlack(connection, request);
  const asMember = createMembership(connection);
  const done = async (request: SlackRequest): Promise<Done> => {
    const answer = await call(request);
    return answer.ok ? { ok: true } : answer;
  };

  /**
   * Sends a card. What Slack refuses for its form is sent plainer: without what only
   * refines it, and at last as text alone, since a plain alert beats none.
   */
  const sendCard = async (
    method: 'chat.postMessage' | 'chat.update',
    message: {
      target: Target;
      card: MessageContent;
      notificationId: string;
      extra: Record<string, unknown>;
    },
    signal: AbortSignal,
  ): Promise<NotifyResult> => {
    const { card, notificationId } = message;
    const alertId = card.kind === 'text' ? null : card.alertId;
    const { text, blocks } = card.kind === 'text' ? textOnly(card.text) : options.renderer.render(card);
    const plain = { ...message.target, text, blocks, metadata: metadataOf(alertId, notificationId) };
    // As text stands, and not what Slack would make of names and addresses in it.
    const args = { ...plain, parse: 'none', link_names: false, ...message.extra };
    let answer = await call({ method, args, signal });
    if (answer.ok || answer.reason !== 'payload') return resultOf(answer);
    if (refusesBlocks(answer)) {
      options.onBlocksRefused?.(answer, alertId ?? '');
      return resultOf(await call({ method, args: { ...args, blocks: [] }, signal }));
    }
    answer = await call({ method, args: plain, signal });
    if (answer.ok || answer.reason !== 'payload') return resultOf(answer);
    options.onBlocksRefused?.(answer, alertId ?? '');
    return resultOf(await call({ method, args: { ...message.target, text, blocks: [] }, signal }));
  };

  return {
    name: 'slack',

    async post({ channel, card, notificationId, thread }, signal) {
      const target: Target =
        thread === undefined
          ? { channel }
          : { channel, thread_ts: thread.messageId, reply_broadcast: thread.broadcast };
      const send = (extra: Record<string, unknown>): Promise<NotifyResult> =>
        asMember(channel, () =>
          sendCard('chat.postMessage', { target, card, notificationId, extra }, signal),
        );
      const unfurl = { unfurl_links: false, unfurl_media: false };
      const result = await send({ ...unfurl, client_msg_id: uuidV5(notificationId, messageIdNamespace) });
      // Slack knows the id, but its message was deleted since: the id is of no more use.
      const spent = !result.ok && /^duplicate_(message|channel)_not_found$/.test(result.code);
      return spent ? send(unfurl) : result;
    },

    edit: ({ channelId, messageId, card, notificationId }, signal) =>
      // Attachments that are not named stay.
      sendCard(
        'chat.update',
        { target: { channel: channelId, ts: messageId }, card, notificationId, extra: { attachments: [] } },
        signal,
      ),

    postEphemeral: ({ channelId, userId, text }, signal) =>
      done({
        method: 'chat.postEphemeral',
        args: { channel: channelId, user: userId, text: escapeMrkdwn(displayText(text)) },
        signal,
        timeoutMs: Math.min(interactiveTimeoutMs, connection.timeoutMs),
      }),

    respond: (responseUrl, text, signal) => respondToUrl({ responseUrl, text, apiUrl }, signal),

    openNoteModal: ({ triggerId, alertId, title, channelId, messageTs }, signal) =>
      done({
        method: 'views.open',
        args: { trigger_id: triggerId, view: noteModal({ alertId, channelId, messageTs }, title) },
        signal,
        timeoutMs: Math.min(interactiveTimeoutMs, connection.timeoutMs),
      }),

    async userById(id, signal) {
      // Whoever clicked waits for it, and a dialog has to open while the trigger lives.
      const timeoutMs = Math.min(interactiveTimeoutMs, connection.timeoutMs);
      const answer = await call({ method: 'users.info', args: { user: id }, signal, timeoutMs });
      return answer.ok ? { ok: true, user: userOf(id, answer.data) } : answer;
    },

    async authTest(signal) {
      const answer = await call({ method: 'auth.test', args: {}, signal });
      return answer.ok ? { ok: true, ...identityOf(answer.data) } : answer;
    },

    findPosted: (search, signal) =>
      asMember(search.channel, () => findPostedMessage(connection, search, signal)),

    checkChannel: (place, signal) => checkSlackChannel(connection, place, signal),
  };
}

/** Readable by every app in the workspace: ids only. */
function metadataOf(alertId: string | null, notificationId: string): Record<string, unknown> {
  return {
    event_type: messageEventType,
    event_payload: { ...(alertId !== null && { alert_id: alertId }), notification_id: notificationId },
  };
}

/** Well below what an edit takes; https://docs.slack.dev/reference/methods/chat.update names 4,000. */
const longestText = 3_000;

function textOnly(text: string): { text: string; blocks: [] } {
  return { text: escapeMrkdwn(cutPlain(displayText(text), longestText)), blocks: [] };
}

function resultOf(answer: SlackAnswer | NotifyFailure): NotifyResult {
  if (!answer.ok) return answer;
  const { channel, ts } = answer.data;
  if (typeof channel !== 'string' || typeof ts !== 'string') {
    return failure('unknown', 'unexpected_answer', 'Slack took the message but did not say where it is.');
  }
  return { ok: true, channelId: channel, messageId: ts };
}

function refusesBlocks(refusal: NotifyFailure): boolean {
  return ['invalid_blocks', 'invalid_blocks_format', 'msg_blocks_too_long'].includes(refusal.code);
}

function userOf(id: string, data: Record<string, unknown>): SlackUser {
  const user = fields(data['user']);
  const profile = fields(user['profile']);
  const name = [profile['display_name'], profile['real_name'], user['real_name'], user['name']].find(isText);
  const { email } = profile;
  return { id, name: name ?? id, email: isText(email) ? email : null };
}

function identityOf(data: Record<string, unknown>): SlackIdentity {
  const scopes = fields(data['response_metadata'])['scopes'];
  return {
    teamId: textOr(data['team_id'], ''),
    team: textOr(data['team'], ''),
    userId: textOr(data['user_id'], ''),
    botId: isText(data['bot_id']) ? data['bot_id'] : null,
    scopes: Array.isArray(scopes) ? scopes.filter(isText) : [],
  };
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
const textOr = (value: unknown, other: string): string => (isText(value) ? value : other);

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
