import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

const interactive =
  /^(button|overflow|checkboxes|radio_buttons|.*(select|picker|input)|workflow_button|icon_button|feedback_buttons)$/;

/**
 * Blocks as Slack gives them back: ids invented where none were sent, defaults
 * written out. So what is read is not byte for byte what was posted.
 */
export function normaliseBlocks(blocks: readonly JsonObject[], newId: () => string): JsonObject[] {
  return blocks.map((block) => {
    const inner = normalise(block, newId) as JsonObject;
    const children = inner['child_blocks'];
    return {
      ...inner,
      block_id: inner['block_id'] ?? newId(),
      ...(Array.isArray(children) ? { child_blocks: normaliseBlocks(children.filter(isObject), newId) } : {}),
    };
  });
}

function normalise(value: unknown, newId: () => string): unknown {
  if (Array.isArray(value)) return value.map((item) => normalise(item, newId));
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [name, field] of Object.entries(value)) {
    if (field !== null && field !== undefined) copy[name] = normalise(field, newId);
  }
  const type = copy['type'];
  if (type === 'plain_text') copy['emoji'] ??= true;
  if (type === 'mrkdwn') copy['verbatim'] ??= false;
  if (typeof type === 'string' && type !== 'input' && interactive.test(type)) copy['action_id'] ??= newId();
  return copy;
}
