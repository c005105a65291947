import { newId, newSecret } from './ids.ts';
import { isObject, objectList } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Channel, Ephemeral, Message, User, View } from './model.ts';
import type { SlackState } from './state.ts';
import { interactiveElements } from './block-kit.ts';
import { apiMessage, apiView } from './web-api/api-shapes.ts';
import { stateOf } from './view-values.ts';

/** What Slack sends to the service, in Slack's shapes. https://docs.slack.dev/reference/interaction-payloads */

/** Legacy verification token: always sent, never to be relied on. */
export const verificationToken = newSecret(24);

export type ClickedElement = { block: JsonObject; element: JsonObject; attachmentId: number | null };

/** The element with this action_id; the block only where the same action_id stands in several. */
export function findElement(
  blocks: readonly JsonObject[],
  attachments: readonly JsonObject[],
  actionId: string,
  blockId: string | undefined,
): ClickedElement | null {
  for (const block of blocks.flatMap((each) => [each, ...objectList(each['child_blocks'])])) {
    if (blockId !== undefined && block['block_id'] !== blockId) continue;
    const element = interactiveElements(block).find((each) => each['action_id'] === actionId);
    if (element) return { block, element, attachmentId: null };
  }
  for (const attachment of attachments) {
    const found = findElement(objectList(attachment['blocks']), [], actionId, blockId);
    if (found) return { ...found, attachmentId: Number(attachment['id']) };
  }
  return null;
}

export type Place = { message: Message } | { ephemeral: Ephemeral } | { view: View; values: JsonObject };

/** A click. `responseUrl` is null inside views, which have none. */
export function blockActions(
  state: SlackState,
  click: {
    user: User;
    clicked: ClickedElement;
    value: string | undefined;
    place: Place;
    triggerId: string;
    responseUrl: string | null;
  },
): JsonObject {
  const { user, clicked, value, place, triggerId, responseUrl } = click;
  const source = 'message' in place ? place.message : 'ephemeral' in place ? place.ephemeral : null;
  const channel = source && state.channels.find((each) => each.id === source.channelId);
  return {
    type: 'block_actions',
    ...sender(state, user),
    container: containerOf(place, clicked.attachmentId),
    trigger_id: triggerId,
    ...(channel ? { channel: { id: channel.id, name: channelNameFor(channel) } } : {}),
    ...('message' in place
      ? { message: apiMessage(state, place.message, { allMetadata: true }), state: { values: {} } }
      : {}),
    ...('ephemeral' in place ? { state: { values: {} } } : {}),
    ...('view' in place ? { view: apiView(state, place.view, place.values) } : {}),
    ...(responseUrl ? { response_url: responseUrl } : {}),
    actions: [actionOf(state, clicked, value)],
  };
}

function containerOf(place: Place, attachmentId: number | null): JsonObject {
  if ('view' in place) return { type: 'view', view_id: place.view.id };
  const { ts, channelId, threadTs } = 'message' in place ? place.message : place.ephemeral;
  return {
    type: attachmentId === null ? 'message' : 'message_attachment',
    message_ts: ts,
    ...(attachmentId === null ? {} : { attachment_id: attachmentId }),
    channel_id: channelId,
    is_ephemeral: 'ephemeral' in place,
    ...(threadTs ? { thread_ts: threadTs } : {}),
    ...(attachmentId === null ? {} : { is_app_unfurl: false }),
  };
}

function actionOf(
  state: SlackState,
  { block, element }: ClickedElement,
  value: string | undefined,
): JsonObject {
  const {
    confirm: _confirm,
    accessibility_label: _label,
    url: _url,
    options: _options,
    option_groups: _groups,
    ...kept
  } = element;
  const chosen = element['type'] === 'button' ? {} : stateOf(element, value ?? null);
  const micros = String(Math.floor(state.now() % 1000) * 1000).padStart(6, '0');
  return {
    ...kept,
    ...chosen,
    block_id: block['block_id'],
    action_ts: `${Math.floor(state.now() / 1000)}.${micros}`,
  };
}

export function viewSubmission(
  state: SlackState,
  user: User,
  view: View,
  values: JsonObject,
  triggerId: string,
): JsonObject {
  return {
    type: 'view_submission',
    ...sender(state, user),
    trigger_id: triggerId,
    view: apiView(state, view, values),
    response_urls: [],
  };
}

export function viewClosed(state: SlackState, user: User, view: View, values: JsonObject): JsonObject {
  return {
    type: 'view_closed',
    ...sender(state, user),
    view: apiView(state, view, values),
    is_cleared: false,
  };
}

export function commandFields(
  state: SlackState,
  user: User,
  channel: Channel,
  input: { command: string; text: string; responseUrl: string; triggerId: string },
): Record<string, string> {
  const { app } = state;
  return {
    token: verificationToken,
    team_id: app.teamId,
    team_domain: app.teamDomain,
    channel_id: channel.id,
    channel_name: channelNameFor(channel),
    user_id: user.id,
    user_name: user.name,
    command: input.command,
    text: escapeMentions(state, input.text),
    api_app_id: app.appId,
    is_enterprise_install: 'false',
    response_url: input.responseUrl,
    trigger_id: input.triggerId,
  };
}

export function eventEnvelope(state: SlackState, inner: JsonObject): JsonObject {
  const { app } = state;
  const now = state.now();
  return {
    token: verificationToken,
    team_id: app.teamId,
    context_team_id: app.teamId,
    context_enterprise_id: null,
    api_app_id: app.appId,
    event: {
      event_ts: `${Math.floor(now / 1000)}.${String(Math.floor(now % 1000) * 1000).padStart(6, '0')}`,
      ...inner,
    },
    type: 'event_callback',
    event_id: newId('Ev'),
    event_time: Math.floor(now / 1000),
    authorizations: [
      {
        enterprise_id: null,
        team_id: app.teamId,
        user_id: app.botUserId,
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: false,
    event_context: `4-${newSecret(32)}`,
  };
}

function sender(state: SlackState, user: User): JsonObject {
  const { app } = state;
  return {
    team: { id: app.teamId, domain: app.teamDomain },
    user: { id: user.id, username: user.name, name: user.name, team_id: app.teamId },
    api_app_id: app.appId,
    token: verificationToken,
    enterprise: null,
    is_enterprise_install: false,
  };
}

/** Slack does not give the names of direct messages and private channels away. */
function channelNameFor(channel: Channel): string {
  if (channel.kind === 'im') return 'directmessage';
  return channel.kind === 'private' ? 'privategroup' : channel.name;
}

/** With `should_escape`, names in a command arrive as ids: @ann becomes <@U…|ann>. */
function escapeMentions(state: SlackState, text: string): string {
  return text
    .replace(/(^|\s)@([\w.-]+)/g, (whole, before: string, name: string) => {
      const user = state.users.find((each) => each.name === name);
      return user ? `${before}<@${user.id}|${user.name}>` : whole;
    })
    .replace(/(^|\s)#([\w-]+)/g, (whole, before: string, name: string) => {
      const channel = state.channels.find((each) => each.kind === 'public' && each.name === name);
      return channel ? `${before}<#${channel.id}|${channel.name}>` : whole;
    });
}

export function elementsOf(view: View): JsonObject[] {
  const blocks = view.definition['blocks'];
  return Array.isArray(blocks) ? blocks.filter(isObject) : [];
}
