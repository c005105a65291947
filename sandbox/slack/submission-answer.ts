import { isObject, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Delivery, View } from './model.ts';
import type { SlackState } from './state.ts';
import { inputsOf } from './view-values.ts';
import { addView, isFailure, readView, replaceView } from './web-api/views.ts';

/** The key of an error that belongs to no input. */
const wholeForm = '';
const trouble = 'We had some trouble connecting. Try again?';
const deepestStack = 3;

/**
 * Does what the service answered to a view_submission, and returns the errors to
 * show by block_id. https://docs.slack.dev/surfaces/modals#response_actions
 */
export function answerSubmission(state: SlackState, view: View, delivery: Delivery): Record<string, string> {
  const refuse = (error: string, detail: string): Record<string, string> => {
    state.refuse('view_submission', error, detail, delivery.payload);
    return { [wholeForm]: trouble };
  };
  if (!delivery.ok) return refuse(delivery.failure ?? 'http_error', `answered ${delivery.status}`);
  if (delivery.body.trim() === '') return close(state, [view]);
  const answer = parseJson(delivery.body);
  if (!isObject(answer)) return refuse('invalid_response', 'the answer is neither empty nor a JSON object');
  switch (answer['response_action']) {
    case undefined:
      return Object.keys(answer).length === 0
        ? close(state, [view])
        : refuse('invalid_response', 'no response_action');
    case 'clear':
      return close(
        state,
        state.views.filter((each) => each.rootId === view.rootId),
      );
    case 'errors':
      return (
        errorsOf(view, answer) ?? refuse('invalid_errors', 'errors must be texts by block_id of input blocks')
      );
    case 'update':
    case 'push': {
      const definition = readView(state, answer['view'], 'modal', view);
      if (isFailure(definition))
        return refuse(definition.error, JSON.stringify(definition['response_metadata'] ?? ''));
      if (answer['response_action'] === 'update') replaceView(state, view, definition);
      else if (stackOf(state, view).length >= deepestStack) return refuse('push_limit_reached', '');
      else addView(state, { type: 'modal', userId: view.userId, definition, previous: view });
      return {};
    }
    default:
      return refuse(
        'invalid_response',
        `unknown response_action ${JSON.stringify(answer['response_action'])}`,
      );
  }
}

function errorsOf(view: View, answer: JsonObject): Record<string, string> | null {
  const errors = answer['errors'];
  if (!isObject(errors) || Object.keys(errors).length === 0) return null;
  const known = new Set(inputsOf(view.definition).map((each) => each.blockId));
  const entries = Object.entries(errors);
  if (
    !entries.every((entry): entry is [string, string] => known.has(entry[0]) && typeof entry[1] === 'string')
  )
    return null;
  return Object.fromEntries(entries);
}

function stackOf(state: SlackState, view: View): View[] {
  return state.views.filter((each) => each.rootId === view.rootId && each.isOpen);
}

function close(state: SlackState, views: readonly View[]): Record<string, string> {
  for (const view of views) view.isOpen = false;
  state.feed.changed();
  return {};
}
