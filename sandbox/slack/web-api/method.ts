import type { JsonObject } from '../json.ts';
import type { SlackState } from '../state.ts';
import type { Triggers } from '../triggers.ts';

/** What a Web API method works with. */
export type MethodContext = {
  state: SlackState;
  triggers: Triggers;
  /** The page's address: permalinks and response_urls start with it. */
  baseUrl: string;
  scopes: ReadonlySet<string>;
  /** A new address for a WebSocket of Socket Mode. */
  socketUrl: () => string;
  args: JsonObject;
};

export type Failure = { ok: false; error: string } & JsonObject;
export type Answer = ({ ok: true } & JsonObject) | Failure;

export type Method = {
  /** Any one of these scopes is enough; none needed when empty. */
  scopes: readonly string[];
  /** Takes the app token instead of the bot token. */
  token?: 'app';
  run: (context: MethodContext) => Answer;
};

export function ok(body: JsonObject = {}): Answer {
  return { ok: true, ...body };
}

export function fail(error: string, more: JsonObject = {}): Failure {
  return { ok: false, error, ...more };
}

/** A success that Slack comments on. */
export function okWithWarnings(body: JsonObject, warnings: readonly string[]): Answer {
  if (warnings.length === 0) return ok(body);
  return ok({ ...body, warning: warnings.join(','), response_metadata: { warnings: [...warnings] } });
}

/** Arguments that are wrong as such; Slack says which in `response_metadata.messages`. */
export function invalidArguments(...messages: readonly string[]): Failure {
  return fail('invalid_arguments', {
    response_metadata: { messages: messages.map((each) => `[ERROR] ${each}`) },
  });
}

export function missingScope(needed: string, context: MethodContext): Failure {
  return fail('missing_scope', { needed, provided: [...context.scopes].join(',') });
}
