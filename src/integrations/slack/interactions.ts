import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ChatContent } from '../../chat/chat-door.ts';
import { actionIds, messageEventType } from './action-ids.ts';
import type { ChatInteraction } from '../../chat/chat-desk.ts';
import { noteActionId, noteBlockId, noteCallbackId } from './note-modal.ts';

/** What a person did in Slack, as far as it concerns an alert. */
export type SlackInteraction = ButtonClick | NoteSubmission | IgnoredInteraction;

export type ButtonClick = Extract<ChatInteraction, { kind: 'button' }> & {
  actionId: AlertActionId;
  actionTs: string;
  /** The same for each delivery of the same click. */
  dedupKey: string;
};

export type NoteSubmission = Extract<ChatInteraction, { kind: 'note-submitted' }> & { dedupKey: string };

export type IgnoredInteraction = {
  kind: 'ignored';
  reason: string;
  /** What to answer; null for an empty answer, which closes a dialog. */
  answer: Record<string, unknown> | null;
};

export type AlertActionId = (typeof actionIds)[keyof typeof actionIds];

/** A refusal is for bodies that are no interaction at all: answered 400 with the reason. */
export type ParsedInteraction = { ok: true; interaction: SlackInteraction } | { ok: false; reason: string };

const alertActions: ReadonlySet<string> = new Set(Object.values(actionIds));

const person = z.object({
  id: z.string().min(1),
  name: z.string().optional(),
  username: z.string().optional(),
});

const clickPayload = z.object({
  user: person,
  // Where it was clicked: a message, or our page in the app, or a dialog, which have neither.
  channel: z.object({ id: z.string() }).nullish(),
  container: z.object({ channel_id: z.string().nullish(), message_ts: z.string().nullish() }).nullish(),
  message: z
    .object({
      ts: z.string().nullish(),
      metadata: z
        .object({
          event_type: z.string(),
          event_payload: z.object({ notification_id: z.string().optional() }),
        })
        .optional()
        .catch(undefined),
    })
    .nullish(),
  trigger_id: z.string().default(''),
  response_url: z.string().nullish(),
  actions: z.array(
    z.object({ action_id: z.string(), value: z.string().nullish(), action_ts: z.string().optional() }),
  ),
});

const submissionPayload = z.object({
  user: person,
  view: z.object({
    id: z.string().optional(),
    callback_id: z.string().default(''),
    private_metadata: z.string().nullish(),
    // Other dialogs hold values of other shapes there; only the note's is looked at.
    state: z.unknown(),
  }),
});

const noteState = z.object({
  values: z.object({
    [noteBlockId]: z.object({ [noteActionId]: z.object({ value: z.string().nullish() }) }),
  }),
});

const noteTarget = z.object({
  alertId: z.string().min(1),
  channelId: z.string().nullable(),
  messageTs: z.string().nullable(),
});

/**
 * Reads an interaction (https://docs.slack.dev/reference/interaction-payloads).
 * The body of the interactivity request URL is a form with one field `payload`
 * that holds JSON; an envelope of Socket Mode holds the same as it is.
 */
export function parseInteraction(content: ChatContent): ParsedInteraction {
  if (!Buffer.isBuffer(content)) return readPayload(content.payload);
  const payload = new URLSearchParams(content.toString('utf8')).get('payload');
  if (payload === null) return { ok: false, reason: 'the form field "payload" is missing' };
  const parsed = jsonOrUndefined(payload);
  if (parsed === undefined) return { ok: false, reason: 'the form field "payload" is not JSON' };
  return readPayload(parsed);
}

function readPayload(content: unknown): ParsedInteraction {
  const kind = z.object({ type: z.string() }).safeParse(content);
  if (!kind.success) return { ok: false, reason: 'the payload has no "type"' };
  switch (kind.data.type) {
    case 'block_actions':
      return readClick(content);
    case 'view_submission':
      return readSubmission(content);
    default:
      return ignored(`nothing here answers a ${kind.data.type.slice(0, 50)}`);
  }
}

function readClick(content: unknown): ParsedInteraction {
  const parsed = clickPayload.safeParse(content);
  if (!parsed.success)
    return { ok: false, reason: `unreadable block_actions payload: ${z.prettifyError(parsed.error)}` };
  const click = parsed.data;
  // Slack sends one action for a click; should there be more, the first of ours counts.
  const action = click.actions.find(({ action_id }) => alertActions.has(action_id));
  if (action === undefined) {
    return ignored(
      `no action of ours: ${click.actions
        .map(({ action_id }) => action_id)
        .join(', ')
        .slice(0, 100)}`,
    );
  }
  const alertId = alertIdIn(action.value ?? '');
  // Slack shows a warning at the button for anything but 200, and there is nothing to try again.
  if (alertId === undefined) return ignored(`the value of ${action.action_id} does not name an alert`);
  const channelId = click.channel?.id ?? click.container?.channel_id ?? null;
  const messageTs = click.container?.message_ts ?? click.message?.ts ?? null;
  const actionTs = action.action_ts ?? click.trigger_id;
  const metadata = click.message?.metadata;
  return {
    ok: true,
    interaction: {
      kind: 'button',
      actionId: action.action_id as AlertActionId,
      alertId,
      userId: click.user.id,
      userName: nameOf(click.user),
      channelId,
      messageTs,
      triggerId: click.trigger_id,
      responseUrl: click.response_url ?? null,
      actionTs,
      notificationId:
        metadata?.event_type === messageEventType ? (metadata.event_payload.notification_id ?? null) : null,
      dedupKey: ['click', click.user.id, action.action_id, channelId ?? '', messageTs ?? '', actionTs].join(
        ':',
      ),
    },
  };
}

function readSubmission(content: unknown): ParsedInteraction {
  const parsed = submissionPayload.safeParse(content);
  if (!parsed.success) {
    return { ok: false, reason: `unreadable view_submission payload: ${z.prettifyError(parsed.error)}` };
  }
  const { user, view } = parsed.data;
  if (view.callback_id !== noteCallbackId)
    return ignored(`no dialog of ours: ${view.callback_id.slice(0, 50)}`);
  const metadata = view.private_metadata ?? '';
  const target = noteTarget.safeParse(jsonOrUndefined(metadata));
  if (!target.success) return { ok: false, reason: 'the dialog does not say which alert it is about' };
  const state = noteState.safeParse(view.state);
  const text = (state.data?.values[noteBlockId]?.[noteActionId]?.value ?? '').trim();
  if (text === '') {
    const answer = { response_action: 'errors', errors: { [noteBlockId]: 'Please write something.' } };
    return { ok: true, interaction: { kind: 'ignored', reason: 'the note is empty', answer } };
  }
  // A dialog is submitted once; its id is new each time it is opened.
  const submission = view.id ?? createHash('sha256').update(metadata).update('\n').update(text).digest('hex');
  return {
    ok: true,
    interaction: {
      kind: 'note-submitted',
      ...target.data,
      text,
      userId: user.id,
      userName: nameOf(user),
      dedupKey: ['note', user.id, submission].join(':'),
    },
  };
}

/** The alert's id, alone or in a JSON object under `alertId`; undefined when it is neither. */
function alertIdIn(value: string): string | undefined {
  const json = z.object({ alertId: z.string() }).safeParse(jsonOrUndefined(value));
  const id = json.success ? json.data.alertId : value;
  return /^[\w-]{1,64}$/.test(id) ? id : undefined;
}

function nameOf(user: z.infer<typeof person>): string {
  return [user.name, user.username].find((name) => name !== undefined && name !== '') ?? user.id;
}

function ignored(reason: string): ParsedInteraction {
  return { ok: true, interaction: { kind: 'ignored', reason, answer: null } };
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
