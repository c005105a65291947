import { parts } from './rich-text-parts.ts';
import { byType, integer, list, object, oneOf, text } from './shape.ts';
import type { Rule } from './shape.ts';

const border = integer(0, 1);
const section = object({ elements: { required: list(parts) } });

/** https://docs.slack.dev/reference/block-kit/blocks/rich-text-block */
export const richText: Rule = object({
  block_id: text({ max: 255 }),
  elements: {
    required: list(
      byType({
        rich_text_section: section,
        rich_text_list: object({
          style: { required: oneOf('bullet', 'ordered') },
          elements: { required: list(byType({ rich_text_section: section })) },
          indent: integer(0, 8),
          offset: integer(0, 1_000_000),
          border,
        }),
        rich_text_quote: object({ elements: { required: list(parts) }, border }),
        rich_text_preformatted: object({
          elements: { required: list(parts) },
          border,
          language: text({ max: 255 }),
        }),
      }),
      { min: 1 },
    ),
  },
});
