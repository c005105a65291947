import { checkView } from '../block-kit.ts';
import { normaliseBlocks } from '../block-kit/normalise.ts';
import { newBlockId, newId, newSecret } from '../ids.ts';
import { isObject, objectList, stringField } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { View } from '../model.ts';
import type { SlackState } from '../state.ts';
import { apiView } from './api-shapes.ts';
import { textArg } from './arguments.ts';
import { invalidBlocks } from './message-content.ts';
import { fail, invalidArguments, ok } from './method.ts';
import type { Failure, Method } from './method.ts';

const mostViewBytes = 250_000;

/** https://docs.slack.dev/reference/methods/views.open */
const open: Method = {
  scopes: [],
  run: ({ state, triggers, args }) => {
    const trigger = textArg(args, 'trigger_id');
    if (trigger === undefined) return invalidArguments('missing required field: trigger_id');
    const definition = readView(state, args['view'], 'modal', null);
    if (isFailure(definition)) return definition;
    const exchanged = triggers.exchange(trigger, state.now());
    if ('error' in exchanged) return fail(exchanged.error);
    for (const view of state.views)
      if (view.userId === exchanged.userId && view.type === 'modal') view.isOpen = false;
    const view = addView(state, { type: 'modal', userId: exchanged.userId, definition, previous: null });
    return ok({ view: apiView(state, view) });
  },
};

/** https://docs.slack.dev/reference/methods/views.update */
const update: Method = {
  scopes: [],
  run: ({ state, args }) => {
    const externalId = textArg(args, 'external_id');
    const view = state.views.find((each) =>
      externalId === undefined
        ? each.id === textArg(args, 'view_id')
        : each.definition['external_id'] === externalId,
    );
    if (!view?.isOpen) return fail('not_found');
    const definition = readView(state, args['view'], view.type, view);
    if (isFailure(definition)) return definition;
    const hash = textArg(args, 'hash');
    if (hash !== undefined && hash !== view.hash) return fail('hash_conflict');
    replaceView(state, view, definition);
    return ok({ view: apiView(state, view) });
  },
};

/** https://docs.slack.dev/reference/methods/views.publish */
const publish: Method = {
  scopes: [],
  run: ({ state, args }) => {
    const user = state.users.find((each) => each.id === textArg(args, 'user_id') && !each.isBot);
    if (!user) return invalidArguments('invalid `user_id`');
    const current = state.views.find((each) => each.type === 'home' && each.userId === user.id) ?? null;
    const definition = readView(state, args['view'], 'home', current);
    if (isFailure(definition)) return definition;
    const hash = textArg(args, 'hash');
    if (hash !== undefined && hash !== current?.hash) return fail('hash_conflict');
    if (current) replaceView(state, current, definition);
    const view = current ?? addView(state, { type: 'home', userId: user.id, definition, previous: null });
    return ok({ view: apiView(state, view) });
  },
};

export const viewMethods: Record<string, Method> = {
  'views.open': open,
  'views.update': update,
  'views.publish': publish,
};

/** The view as it will be kept, or Slack's refusal. */
export function readView(
  state: SlackState,
  given: unknown,
  type: View['type'],
  replaces: View | null,
): JsonObject | Failure {
  if (!isObject(given)) return invalidArguments('missing required field: view [json-pointer:/view]');
  if (Buffer.byteLength(JSON.stringify(given)) > mostViewBytes) return fail('view_too_large');
  const issues = checkView(given);
  if (given['type'] !== type && issues.length === 0)
    issues.push({ pointer: '/view/type', message: `must be ${type}` });
  if (issues.length > 0) {
    const { errors: _errors, ...refusal } = invalidBlocks(issues, 'invalid_arguments');
    return refusal;
  }
  const externalId = stringField(given, 'external_id');
  if (
    externalId &&
    state.views.some(
      (each) => each !== replaces && each.isOpen && each.definition['external_id'] === externalId,
    )
  ) {
    return fail('duplicate_external_id');
  }
  return { ...given, blocks: normaliseBlocks(objectList(given['blocks']), newBlockId) };
}

export function addView(
  state: SlackState,
  view: { type: View['type']; userId: string; definition: JsonObject; previous: View | null },
): View {
  const id = newId('V');
  const { previous, ...rest } = view;
  const added: View = {
    id,
    ...rest,
    hash: newHash(state),
    rootId: previous?.rootId ?? id,
    previousId: previous?.id ?? null,
    isOpen: true,
  };
  state.views.push(added);
  state.feed.changed();
  return added;
}

export function replaceView(state: SlackState, view: View, definition: JsonObject): void {
  view.definition = definition;
  view.hash = newHash(state);
  state.feed.changed();
}

export function isFailure(value: JsonObject): value is Failure {
  return value['ok'] === false && typeof value['error'] === 'string';
}

function newHash(state: SlackState): string {
  return `${Math.floor(state.now() / 1000)}.${newSecret(8)}`;
}
