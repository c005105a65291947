import { both, byType, countOf, flag, list, object, oneOf, text } from './shape.ts';
import type { Rule } from './shape.ts';

/** Composition objects: texts, options, confirmation dialogs. https://docs.slack.dev/reference/block-kit/composition-objects */

export function plainText(max: number): Rule {
  return byType({ plain_text: object({ text: { required: text({ max }) }, emoji: flag }) });
}

export function markedText(max: number): Rule {
  return byType({ mrkdwn: object({ text: { required: text({ max }) }, verbatim: flag }) });
}

export function anyText(max: number): Rule {
  return byType({
    plain_text: object({ text: { required: text({ max }) }, emoji: flag }),
    mrkdwn: object({ text: { required: text({ max }) }, verbatim: flag }),
  });
}

export const id = text({ max: 255 });
export const style = oneOf('primary', 'danger');
export const placeholder = plainText(150);

export const confirm = object({
  title: { required: plainText(100) },
  text: { required: anyText(300) },
  confirm: { required: plainText(30) },
  deny: { required: plainText(30) },
  style,
});

// 150 in newer documentation, 75 in the SDK's types: the smaller one is safe everywhere.
const optionValue = text({ max: 75 });

export const option = object({
  text: { required: plainText(75) },
  value: { required: optionValue },
  description: plainText(75),
});
export const overflowOption = object({
  text: { required: plainText(75) },
  value: { required: optionValue },
  description: plainText(75),
  url: text({ max: 3000 }),
});
export const richOption = object({
  text: { required: anyText(75) },
  value: { required: optionValue },
  description: anyText(75),
});
export const optionGroup = object({
  label: { required: plainText(75) },
  options: { required: list(option, { min: 1, max: 100 }) },
});

/** An initial choice has to be one of the choices. */
export function amongOptions(initial: string): Rule {
  return (value, pointer, report) => {
    const element = value as Record<string, unknown>;
    const chosen = element[initial];
    if (chosen === undefined || chosen === null) return;
    const groups = Array.isArray(element['option_groups']) ? (element['option_groups'] as unknown[]) : [];
    const known = [
      element['options'],
      ...groups.map((group) => (group as { options?: unknown } | null)?.options),
    ]
      .flatMap((options) => (Array.isArray(options) ? (options as unknown[]) : []))
      .map((each) => (each as { value?: unknown } | null)?.value);
    for (const each of Array.isArray(chosen) ? (chosen as unknown[]) : [chosen]) {
      if (!known.includes((each as { value?: unknown } | null)?.value)) {
        report(`${pointer}/${initial}`, 'must be one of the options');
      }
    }
  };
}

export const image = both(
  object({
    alt_text: { required: text({ max: 2000 }) },
    image_url: text({ max: 3000 }),
    slack_file: object({ id: text({ max: 255 }), url: text({ max: 3000 }) }),
  }),
  countOf(['image_url', 'slack_file'], { min: 1, max: 1 }),
);
