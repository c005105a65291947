import type { Deliveries } from './deliveries.ts';
import { newSecret } from './ids.ts';
import { isObject, parseJson, stringField } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Channel, Delivery, User, View } from './model.ts';
import {
  blockActions,
  commandFields,
  elementsOf,
  eventEnvelope,
  findElement,
  verificationToken,
  viewClosed,
  viewSubmission,
} from './payloads.ts';
import type { Place } from './payloads.ts';
import type { ResponseUrls } from './response-urls.ts';
import type { SlackState } from './state.ts';
import type { Triggers } from './triggers.ts';
import { answerSubmission } from './submission-answer.ts';
import { clientSideErrors, stateValues } from './view-values.ts';
import type { EnteredValues } from './view-values.ts';
import { decodeFields } from './web-api/arguments.ts';
import { readContent, textOfBlocksOnly } from './web-api/message-content.ts';

export type Click = {
  actionId: string;
  /** Only needed where several blocks have the same action_id. */
  blockId?: string;
  /** The value of the chosen option, for selects and overflow menus. */
  value?: string;
  /** Id, handle or e-mail; the first person by default. */
  user?: string;
} & ({ channel: string; ts: string } | { ephemeralId: string } | { viewId: string; values?: EnteredValues });

export type Submission = { viewId: string; values: EnteredValues; user?: string };
export type Command = { command: string; text: string; channel: string; user?: string };

type Parts = { state: SlackState; deliveries: Deliveries; triggers: Triggers; responseUrls: ResponseUrls };

/** What people do in the client: clicks, modals, commands; and what Slack reports by itself. */
export class Interactions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async click(click: Click): Promise<Delivery> {
    const { state, deliveries, triggers, responseUrls } = this.#parts;
    const user = this.#person(click.user);
    const place = this.#placeOf(click);
    const holder = 'message' in place ? place.message : 'ephemeral' in place ? place.ephemeral : null;
    const blocks = holder ? holder.blocks : 'view' in place ? elementsOf(place.view) : [];
    const clicked = findElement(blocks, holder?.attachments ?? [], click.actionId, click.blockId);
    if (!clicked) throw new Error(`there is no ${click.actionId} to click there`);
    const responseUrl =
      holder &&
      responseUrls.issue({
        kind: 'actions',
        channelId: holder.channelId,
        userId: user.id,
        source:
          'message' in place
            ? { message: place.message }
            : 'ephemeral' in place
              ? { ephemeral: place.ephemeral }
              : null,
      });
    const triggerId = triggers.issue(state.app.teamId, user.id, state.now());
    const payload = blockActions(state, { user, clicked, value: click.value, place, triggerId, responseUrl });
    const delivery = await deliveries.interaction(payload);
    if (!delivery.ok)
      state.refuse('block_actions', delivery.failure ?? 'http_error', `answered ${delivery.status}`, payload);
    if ('message' in place) {
      place.message.failedClick = delivery.ok ? null : (delivery.failure ?? 'http_error');
      state.feed.changed();
    }
    return delivery;
  }

  /** `delivery` is null when the client itself found inputs missing and sent nothing. */
  async submit(
    submission: Submission,
  ): Promise<{ delivery: Delivery | null; errors: Record<string, string> }> {
    const { state, deliveries, triggers } = this.#parts;
    const view = this.#openView(submission.viewId);
    const user = this.#person(submission.user ?? view.userId);
    const errors = clientSideErrors(view.definition, submission.values);
    if (Object.keys(errors).length > 0) return { delivery: null, errors };
    const values = stateValues(view.definition, submission.values);
    const triggerId = triggers.issue(state.app.teamId, user.id, state.now());
    const delivery = await deliveries.interaction(viewSubmission(state, user, view, values, triggerId));
    return { delivery, errors: answerSubmission(state, view, delivery) };
  }

  /** Cancel or the cross. The service hears of it only if it asked to (`notify_on_close`). */
  async closeView(viewId: string): Promise<Delivery | null> {
    const { state, deliveries } = this.#parts;
    const view = this.#openView(viewId);
    view.isOpen = false;
    state.feed.changed();
    if (view.definition['notify_on_close'] !== true) return null;
    const user = this.#person(view.userId);
    return deliveries.interaction(viewClosed(state, user, view, stateValues(view.definition, {})));
  }

  async command(command: Command): Promise<Delivery> {
    const { state, deliveries, triggers, responseUrls } = this.#parts;
    const user = this.#person(command.user);
    const channel = this.#channel(command.channel);
    const responseUrl = responseUrls.issue({
      kind: 'commands',
      channelId: channel.id,
      userId: user.id,
      source: null,
    });
    const triggerId = triggers.issue(state.app.teamId, user.id, state.now());
    const fields = commandFields(state, user, channel, { ...command, responseUrl, triggerId });
    const delivery = await deliveries.command(fields);
    this.#showCommandAnswer(delivery, channel, user);
    return delivery;
  }

  repeat(delivery: Delivery): Promise<Delivery> {
    return this.#parts.deliveries.repeat(delivery);
  }

  event(inner: JsonObject): Promise<Delivery> {
    return this.#parts.deliveries.event(eventEnvelope(this.#parts.state, inner));
  }

  /** An event Slack sends by itself, if it knows where to. */
  announce(inner: JsonObject): void {
    if (this.#parts.deliveries.hasTarget) void this.event(inner);
  }

  /** `challengeMatched`: the answer was the challenge, in one of the three forms Slack takes. */
  async urlVerification(): Promise<Delivery & { challengeMatched: boolean }> {
    const challenge = newSecret(52);
    const payload = { token: verificationToken, challenge, type: 'url_verification' };
    const delivery = await this.#parts.deliveries.event(payload);
    const body = delivery.body.trim();
    const echoed = [
      body,
      stringField(parseJson(body), 'challenge'),
      new URLSearchParams(body).get('challenge'),
    ];
    const challengeMatched = delivery.ok && echoed.includes(challenge);
    if (!challengeMatched)
      this.#parts.state.refuse('event', 'challenge_failed', `answered ${delivery.status}`, payload);
    return { ...delivery, challengeMatched };
  }

  /** A person writes into a channel; mentions of the app and direct messages to it become events. */
  say(input: { channel: string; text: string; user?: string; threadTs?: string }): string {
    const { state } = this.#parts;
    const user = this.#person(input.user);
    const channel = this.#channel(input.channel);
    const message = state.addMessage({
      channelId: channel.id,
      threadTs: input.threadTs ?? null,
      isBroadcast: false,
      userId: user.id,
      botId: null,
      text: input.text,
      blocks: [],
      attachments: [],
      metadata: null,
    });
    const shared = {
      user: user.id,
      text: input.text,
      ts: message.ts,
      channel: channel.id,
      team: state.app.teamId,
      event_ts: message.ts,
    };
    const thread = input.threadTs === undefined ? {} : { thread_ts: input.threadTs };
    if (channel.kind === 'im') this.announce({ type: 'message', ...shared, ...thread, channel_type: 'im' });
    else if (input.text.includes(`<@${state.app.botUserId}>`))
      this.announce({ type: 'app_mention', ...shared, ...thread });
    return message.ts;
  }

  /** A person opens the app's Home tab. */
  async openHome(userKey: string | undefined): Promise<Delivery> {
    const user = this.#person(userKey);
    const { channel } = this.#parts.state.openIm(user);
    return this.event({ type: 'app_home_opened', user: user.id, channel: channel.id, tab: 'home' });
  }

  #person(key: string | undefined): User {
    const { state } = this.#parts;
    const user = key === undefined ? state.users.find((each) => !each.isBot) : state.findUser(key);
    if (!user) throw new Error(`there is no user ${key ?? ''}`);
    return user;
  }

  #channel(key: string): Channel {
    const channel = this.#parts.state.findChannel(key);
    if (!channel) throw new Error(`there is no channel ${key}`);
    return channel;
  }

  #openView(id: string): View {
    const view = this.#parts.state.views.find((each) => each.id === id && each.isOpen);
    if (!view) throw new Error(`there is no open view ${id}`);
    return view;
  }

  #placeOf(click: Click): Place {
    const { state } = this.#parts;
    if ('viewId' in click) {
      const view = this.#openView(click.viewId);
      return { view, values: stateValues(view.definition, click.values ?? {}) };
    }
    if ('ephemeralId' in click) {
      const ephemeral = state.ephemerals.find((each) => each.id === click.ephemeralId);
      if (!ephemeral) throw new Error(`there is no ephemeral message ${click.ephemeralId}`);
      return { ephemeral };
    }
    const message = state.findMessage(this.#channel(click.channel).id, click.ts);
    if (!message) throw new Error(`there is no message ${click.ts} in ${click.channel}`);
    return { message };
  }

  /** Slack shows the answer's body to the person who typed the command, or says that it failed. */
  #showCommandAnswer(delivery: Delivery, channel: Channel, user: User): void {
    const { state } = this.#parts;
    const show = (
      text: string,
      blocks: JsonObject[],
      attachments: JsonObject[],
      origin: 'command' | 'client',
    ): void => {
      state.addEphemeral({
        channelId: channel.id,
        userId: user.id,
        threadTs: null,
        text,
        blocks,
        attachments,
        origin,
      });
    };
    if (!delivery.ok) {
      const reason = delivery.failure === 'http_timeout' ? 'operation_timeout' : 'dispatch_failed';
      state.refuse('command', reason, `answered ${delivery.status}`, delivery.payload);
      show(`${delivery.type} failed with the error "${reason}"`, [], [], 'client');
      return;
    }
    const parsed = delivery.contentType.startsWith('application/json') ? parseJson(delivery.body) : undefined;
    if (!isObject(parsed)) {
      if (delivery.body.trim() !== '') show(delivery.body, [], [], 'command');
      return;
    }
    if (Object.keys(parsed).length === 0) return;
    const content = readContent(decodeFields(parsed));
    if ('error' in content) {
      state.refuse('command', content.error, String(content['errors'] ?? ''), parsed);
      show(`${delivery.type} failed with the error "${content.error}"`, [], [], 'client');
      return;
    }
    const { given } = content;
    const { text = textOfBlocksOnly, blocks = [], attachments = [] } = given;
    if (given.text === undefined && blocks.length === 0 && attachments.length === 0) return;
    if (parsed['response_type'] === 'in_channel') {
      const { botUserId, botId } = state.app;
      const shared = { channelId: channel.id, threadTs: null, isBroadcast: false, userId: botUserId, botId };
      state.addMessage({ ...shared, text, blocks, attachments, metadata: null });
    } else show(text, blocks, attachments, 'command');
  }
}
