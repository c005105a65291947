import {
  amongOptions,
  confirm,
  id,
  image,
  option,
  optionGroup,
  overflowOption,
  placeholder,
  plainText,
  richOption,
  style,
} from './parts.ts';
import { richText } from './rich-text.ts';
import {
  address,
  anything,
  both,
  countOf,
  flag,
  integer,
  list,
  matching,
  object,
  oneOf,
  text,
} from './shape.ts';
import type { Fields, Rule } from './shape.ts';

/** Interactive elements. https://docs.slack.dev/reference/block-kit/block-elements */

const label = text({ max: 75 });
const names = list(text({ max: 255 }));
const common = { action_id: id, confirm, focus_on_load: flag };
const select = { ...common, placeholder };
const many = { max_selected_items: integer(1, 1000) };
const options = list(option, { min: 1, max: 100 });
const groups = list(optionGroup, { min: 1, max: 100 });
const filter = object({ include: names, exclude_bot_users: flag, exclude_external_shared_channels: flag });
const dispatch = object({ trigger_actions_on: list(oneOf('on_enter_pressed', 'on_character_entered')) });

function chosenFrom(fields: Fields, initial: string): Rule {
  const either = countOf(['options', 'option_groups'], { min: 1, max: 1 });
  return both(
    object({ ...select, options, option_groups: groups, ...fields }),
    either,
    amongOptions(initial),
  );
}

function typed(fields: Fields): Rule {
  return object({
    action_id: id,
    placeholder,
    focus_on_load: flag,
    dispatch_action_config: dispatch,
    ...fields,
  });
}

const lengthsInOrder: Rule = (value, pointer, report) => {
  const { min_length: min, max_length: max } = value as Record<string, unknown>;
  if (typeof min === 'number' && typeof max === 'number' && min > max) {
    report(`${pointer}/min_length`, 'must be at most max_length');
  }
};

export const button = object({
  action_id: id,
  text: { required: plainText(75) },
  value: text({ max: 2000 }),
  url: address(),
  style,
  confirm,
  accessibility_label: label,
});

const selects: Record<string, Rule> = {
  static_select: chosenFrom({ initial_option: option }, 'initial_option'),
  multi_static_select: chosenFrom({ ...many, initial_options: options }, 'initial_options'),
  external_select: object({ ...select, initial_option: option, min_query_length: integer(0, 1000) }),
  multi_external_select: object({
    ...select,
    ...many,
    initial_options: options,
    min_query_length: integer(0, 1000),
  }),
  users_select: object({ ...select, initial_user: id }),
  multi_users_select: object({ ...select, ...many, initial_users: names }),
  channels_select: object({ ...select, initial_channel: id, response_url_enabled: flag }),
  multi_channels_select: object({ ...select, ...many, initial_channels: names }),
  conversations_select: object({
    ...select,
    initial_conversation: id,
    response_url_enabled: flag,
    default_to_current_conversation: flag,
    filter,
  }),
  multi_conversations_select: object({
    ...select,
    ...many,
    initial_conversations: names,
    default_to_current_conversation: flag,
    filter,
  }),
};

const pickers: Record<string, Rule> = {
  checkboxes: both(
    object({
      ...common,
      options: { required: list(richOption, { min: 1, max: 10 }) },
      initial_options: list(richOption, { min: 1, max: 10 }),
    }),
    amongOptions('initial_options'),
  ),
  radio_buttons: both(
    object({
      ...common,
      options: { required: list(richOption, { min: 1, max: 10 }) },
      initial_option: richOption,
    }),
    amongOptions('initial_option'),
  ),
  datepicker: object({
    ...select,
    initial_date: matching(/^\d{4}-\d{2}-\d{2}$/, 'must be a date: YYYY-MM-DD'),
  }),
  timepicker: object({
    ...select,
    initial_time: matching(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time: HH:mm'),
    timezone: text({ max: 255 }),
  }),
};
const datetimepicker = object({ ...common, initial_date_time: integer(0, 9_999_999_999) });
const richTextInput = typed({
  initial_value: richText,
  min_lines: integer(1, 100),
  max_lines: integer(1, 100),
});
const workflowButton = object({
  action_id: id,
  text: { required: plainText(75) },
  workflow: { required: anything },
  style,
  accessibility_label: label,
});
const overflow = object({
  action_id: id,
  options: { required: list(overflowOption, { min: 1, max: 5 }) },
  confirm,
});

const inputs: Record<string, Rule> = {
  plain_text_input: both(
    typed({
      initial_value: text({ min: 0, max: 3000 }),
      multiline: flag,
      min_length: integer(0, 3000),
      max_length: integer(1, 3000),
    }),
    lengthsInOrder,
  ),
  email_text_input: typed({ initial_value: text({ max: 3000 }) }),
  url_text_input: typed({ initial_value: text({ max: 3000 }) }),
  number_input: typed({
    is_decimal_allowed: { required: flag },
    initial_value: text({ max: 255 }),
    min_value: text({ max: 255 }),
    max_value: text({ max: 255 }),
  }),
  file_input: object({ action_id: id, filetypes: names, max_files: integer(1, 10) }),
};

/** Which element may stand where. */
export const actionsElements = {
  button,
  workflow_button: workflowButton,
  overflow,
  datetimepicker,
  rich_text_input: richTextInput,
  ...selects,
  ...pickers,
};
export const accessories = {
  button,
  workflow_button: workflowButton,
  overflow,
  image,
  ...selects,
  ...pickers,
};
export const inputElements = {
  ...inputs,
  datetimepicker,
  rich_text_input: richTextInput,
  ...selects,
  ...pickers,
};
export const contextActions = {
  feedback_buttons: object({
    action_id: id,
    positive_button: { required: anything },
    negative_button: { required: anything },
  }),
  icon_button: object({
    action_id: id,
    icon: { required: oneOf('trash') },
    text: { required: plainText(75) },
    value: text({ max: 2000 }),
    accessibility_label: label,
    visible_to_user_ids: names,
    confirm,
  }),
};
