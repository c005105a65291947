import { isObject, objectList, stringField } from './json.ts';
import type { JsonObject } from './json.ts';

/** What a person put into a modal: by block_id, the text or the value(s) of the chosen option(s). */
export type EnteredValues = Record<string, string | readonly string[]>;

type Input = { blockId: string; element: JsonObject; isOptional: boolean };

/** The input blocks of a view. */
export function inputsOf(view: JsonObject): Input[] {
  return objectList(view['blocks']).flatMap((block) => {
    const element = block['element'];
    if (block['type'] !== 'input' || !isObject(element)) return [];
    return [
      { blockId: stringField(block, 'block_id') ?? '', element, isOptional: block['optional'] === true },
    ];
  });
}

/** What Slack's client itself complains about before it sends anything, by block_id. */
export function clientSideErrors(view: JsonObject, entered: EnteredValues): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const { blockId, element, isOptional } of inputsOf(view)) {
    const value = valueOf(element, entered[blockId]);
    const length = typeof value === 'string' ? value.length : 0;
    const { min_length: min, max_length: max } = element;
    const isEmpty = value === null || value.length === 0;
    if (isEmpty && !isOptional) errors[blockId] = 'Please complete this required field.';
    else if (isEmpty) continue;
    else if (typeof min === 'number' && length < min)
      errors[blockId] = `Please enter at least ${min} characters.`;
    else if (length > (typeof max === 'number' ? max : 3000))
      errors[blockId] = `Please shorten this to ${String(max ?? 3000)} characters.`;
  }
  return errors;
}

/** `view.state.values` as a view_submission carries it. */
export function stateValues(view: JsonObject, entered: EnteredValues): JsonObject {
  const values: JsonObject = {};
  for (const { blockId, element } of inputsOf(view)) {
    const actionId = stringField(element, 'action_id') ?? '';
    values[blockId] = { [actionId]: stateOf(element, valueOf(element, entered[blockId])) };
  }
  return values;
}

function valueOf(
  element: JsonObject,
  entered: string | readonly string[] | undefined,
): string | readonly string[] | null {
  if (entered !== undefined) return entered;
  const initial =
    element['initial_value'] ??
    element['initial_date'] ??
    element['initial_time'] ??
    element['initial_user'] ??
    element['initial_channel'] ??
    element['initial_conversation'] ??
    stringField(element['initial_option'], 'value');
  if (typeof initial === 'string') return initial;
  const several = objectList(element['initial_options']).map((each) => stringField(each, 'value') ?? '');
  return several.length > 0 ? several : null;
}

/** The state of one element in Slack's words. */
export function stateOf(element: JsonObject, value: string | readonly string[] | null): JsonObject {
  const type = stringField(element, 'type') ?? '';
  const one = typeof value === 'string' ? value : (value?.[0] ?? null);
  const several = typeof value === 'string' ? [value] : (value ?? []);
  switch (type) {
    case 'static_select':
    case 'external_select':
    case 'radio_buttons':
    case 'overflow':
      return { type, selected_option: one === null ? null : optionWith(element, one) };
    case 'multi_static_select':
    case 'multi_external_select':
    case 'checkboxes':
      return { type, selected_options: several.map((each) => optionWith(element, each)) };
    case 'users_select':
      return { type, selected_user: one };
    case 'multi_users_select':
      return { type, selected_users: several };
    case 'channels_select':
      return { type, selected_channel: one };
    case 'conversations_select':
      return { type, selected_conversation: one };
    case 'datepicker':
      return { type, selected_date: one };
    case 'timepicker':
      return { type, selected_time: one };
    case 'datetimepicker':
      return { type, selected_date_time: one === null ? null : Number(one) };
    case 'button':
      return { type };
    default:
      return { type, value: one === '' ? null : one };
  }
}

function optionWith(element: JsonObject, value: string): JsonObject {
  const groups = objectList(element['option_groups']).flatMap((group) => objectList(group['options']));
  const found = [...objectList(element['options']), ...groups].find((each) => each['value'] === value);
  if (!found && !String(element['type']).includes('external')) {
    throw new Error(`there is no option with the value ${JSON.stringify(value)}`);
  }
  const { text, value: own } = found ?? { text: { type: 'plain_text', text: value, emoji: true }, value };
  return { text, value: own };
}
