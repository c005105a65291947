import { newSecret } from './ids.ts';
import { isObject, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Ephemeral, Message } from './model.ts';
import type { SlackState } from './state.ts';
import { decodeFields } from './web-api/arguments.ts';
import { readContent, textOfBlocksOnly } from './web-api/message-content.ts';
import type { GivenContent } from './web-api/message-content.ts';

/** https://docs.slack.dev/interactivity/handling-user-interaction#message_responses */
const mostUses = 5;
const lifeMs = 30 * 60_000;

type Target = {
  kind: 'actions' | 'commands';
  channelId: string;
  userId: string;
  /** What was clicked; null for commands. */
  source: { message: Message } | { ephemeral: Ephemeral } | null;
};

type Issued = Target & { issuedAt: number; uses: number };

/** What the caller of a response_url is answered. */
export type ResponseUrlAnswer = { status: number; body: string };

/** The addresses under which an interaction can be answered later: five times within half an hour. */
export class ResponseUrls {
  readonly #state: SlackState;
  readonly #baseUrl: () => string;
  readonly #issued = new Map<string, Issued>();

  constructor(state: SlackState, baseUrl: () => string) {
    this.#state = state;
    this.#baseUrl = baseUrl;
  }

  issue(target: Target): string {
    const path = `/hooks/${target.kind}/${this.#state.app.teamId}/${newSecret(12)}/${newSecret(24)}`;
    this.#issued.set(path, { ...target, issuedAt: this.#state.now(), uses: 0 });
    return this.#baseUrl() + path;
  }

  /** One call to a response_url. */
  use(path: string, body: string): ResponseUrlAnswer {
    const target = this.#issued.get(path);
    if (!target) return this.#refuse(404, 'invalid_url', {});
    if (this.#state.now() - target.issuedAt > lifeMs) return this.#refuse(404, 'expired_url', {});
    if (target.uses >= mostUses) return this.#refuse(404, 'used_url', {});
    const parsed = parseJson(body);
    if (!isObject(parsed)) return this.#refuse(400, 'invalid_payload', {});
    target.uses += 1;
    const args = decodeFields(parsed);
    const error = this.#apply(target, args);
    return error ? this.#refuse(error === 'no_text' ? 500 : 400, error, args) : { status: 200, body: 'ok' };
  }

  #apply(target: Issued, args: JsonObject): string | null {
    if (args['delete_original'] === true) return this.#deleteOriginal(target);
    const content = readContent(args);
    if ('error' in content) return content.error;
    const { given } = content;
    if (given.text === undefined && !given.blocks?.length && !given.attachments?.length) return 'no_text';
    if (args['replace_original'] === true && target.source)
      return this.#replaceOriginal(target.source, given, args);
    const threadTs = typeof args['thread_ts'] === 'string' ? args['thread_ts'] : null;
    const parts = {
      channelId: target.channelId,
      threadTs,
      text: given.text ?? textOfBlocksOnly,
      blocks: given.blocks ?? [],
      attachments: given.attachments ?? [],
    };
    const { botUserId, botId } = this.#state.app;
    if (args['response_type'] === 'in_channel') {
      this.#state.addMessage({
        ...parts,
        isBroadcast: false,
        userId: botUserId,
        botId,
        metadata: given.metadata ?? null,
      });
    } else {
      this.#state.addEphemeral({ ...parts, userId: target.userId, origin: 'response_url' });
    }
    return null;
  }

  #replaceOriginal(
    source: NonNullable<Target['source']>,
    given: GivenContent,
    args: JsonObject,
  ): string | null {
    const content = {
      text: given.text ?? textOfBlocksOnly,
      blocks: given.blocks ?? [],
      attachments: given.attachments ?? [],
    };
    if ('ephemeral' in source) {
      // Only the person sees it, and it stays so.
      if (args['response_type'] === 'in_channel') return 'invalid_response_type';
      Object.assign(source.ephemeral, content);
      this.#state.feed.changed();
      return null;
    }
    const metadata = given.metadata === undefined ? source.message.metadata : given.metadata;
    this.#state.changeMessage(source.message, { ...content, metadata });
    return null;
  }

  #deleteOriginal(target: Issued): string | null {
    if (!target.source) return 'invalid_payload';
    if ('message' in target.source) this.#state.deleteMessage(target.source.message);
    else {
      const { ephemerals } = this.#state;
      const index = ephemerals.indexOf(target.source.ephemeral);
      if (index >= 0) ephemerals.splice(index, 1);
      this.#state.feed.changed();
    }
    return null;
  }

  #refuse(status: number, error: string, args: JsonObject): ResponseUrlAnswer {
    this.#state.refuse('response_url', error, '', args);
    return { status, body: JSON.stringify({ ok: false, error }) };
  }
}
