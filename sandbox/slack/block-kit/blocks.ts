import { accessories, actionsElements, button, contextActions, inputElements } from './elements.ts';
import { anyText, id, image, markedText, plainText } from './parts.ts';
import { richText } from './rich-text.ts';
import { both, byType, countOf, flag, integer, list, number, object, oneOf, text } from './shape.ts';
import type { Fields, Rule } from './shape.ts';

/** Every block and its limits. https://docs.slack.dev/reference/block-kit/blocks */

function block(fields: Fields): Rule {
  return object({ block_id: id, ...fields });
}

const url = text({ max: 3000 });
const cell = byType({
  raw_text: object({ text: { required: text({ max: 10_000 }) } }),
  raw_number: object({ value: { required: number }, text: { required: text({ max: 10_000 }) } }),
  rich_text: richText,
});
const cells = list(cell, { min: 1, max: 20 });

const card = both(
  block({
    hero_image: image,
    icon: image,
    title: markedText(150),
    subtitle: markedText(150),
    body: markedText(200),
    actions: list(byType({ button }), { min: 1, max: 3 }),
  }),
  countOf(['hero_image', 'title', 'actions', 'body'], { min: 1, max: 4 }),
);

const contextElement = byType({
  image,
  plain_text: object({ text: { required: text({ max: 3000 }) }, emoji: flag }),
  mrkdwn: object({ text: { required: text({ max: 3000 }) }, verbatim: flag }),
});

const simple: Record<string, Rule> = {
  actions: block({ elements: { required: list(byType(actionsElements), { min: 1, max: 25 }) } }),
  context: block({ elements: { required: list(contextElement, { min: 1, max: 10 }) } }),
  divider: block({}),
  header: block({ text: { required: plainText(150) }, level: integer(1, 4) }),
  image: both(
    block({
      alt_text: { required: text({ max: 2000 }) },
      title: plainText(2000),
      image_url: url,
      slack_file: object({ id: text({ max: 255 }), url }),
    }),
    countOf(['image_url', 'slack_file'], { min: 1, max: 1 }),
  ),
  input: block({
    label: { required: plainText(2000) },
    hint: plainText(2000),
    optional: flag,
    dispatch_action: flag,
    element: { required: byType(inputElements) },
  }),
  rich_text: richText,
  section: both(
    block({
      text: anyText(3000),
      fields: list(anyText(2000), { min: 1, max: 10 }),
      accessory: byType(accessories),
      expand: flag,
    }),
    countOf(['text', 'fields'], { min: 1, max: 2 }),
  ),
  table: block({
    rows: { required: list(cells, { min: 1, max: 100 }) },
    column_settings: list(object({ align: oneOf('left', 'center', 'right'), is_wrapped: flag }), { max: 20 }),
  }),
  video: block({
    video_url: { required: url },
    thumbnail_url: { required: url },
    alt_text: { required: text({ max: 2000 }) },
    title: { required: plainText(200) },
    title_url: url,
    author_name: text({ max: 50 }),
    provider_name: text({ max: 255 }),
    provider_icon_url: url,
    description: plainText(3000),
  }),
};

const container = both(
  block({
    title: plainText(150),
    rich_text_title: richText,
    subtitle: anyText(150),
    icon: image,
    width: oneOf('narrow', 'standard', 'wide', 'full'),
    is_collapsible: flag,
    default_collapsed: flag,
    child_blocks: { required: list(byType(simple), { min: 1, max: 10 }) },
  }),
  countOf(['title', 'rich_text_title'], { min: 1, max: 1 }),
);

/** Blocks whose inside changes too often to be worth checking: only what identifies them. */
function loose(required: readonly string[]): Rule {
  return (value, pointer, report) => {
    for (const name of required) {
      if ((value as Record<string, unknown>)[name] === undefined)
        report(pointer, `missing required field: ${name}`);
    }
  };
}

export const blockRules: Record<string, Rule> = {
  ...simple,
  container,
  card,
  carousel: block({ elements: { required: list(byType({ card }), { min: 1, max: 10 }) } }),
  context_actions: block({ elements: { required: list(byType(contextActions), { min: 1, max: 5 }) } }),
  data_table: block({
    rows: { required: list(cells, { min: 2, max: 101 }) },
    caption: { required: text({ max: 3000 }) },
    page_size: integer(1, 100),
    row_header_column_index: integer(0, 19),
  }),
  data_visualization: loose(['title']),
  markdown: block({ text: { required: text({ max: 12_000 }) } }),
  plan: loose(['title']),
  task_card: loose(['task_id', 'title', 'status']),
  alert: block({
    text: { required: anyText(200) },
    level: oneOf('default', 'info', 'warning', 'error', 'success'),
  }),
};
